"""A bucket as its settings are read: one that exists, or one as it will be when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bkpc_runtime.stores.oss_settings import BucketInfo, Replication, Retention


class BucketView(Protocol):
    """See `BucketSettings` for what each tells."""

    def info(self) -> BucketInfo | None: ...
    def encryption(self) -> str: ...
    def blocks_public_access(self) -> bool: ...
    def policy(self) -> str: ...
    def lifecycle(self) -> bytes: ...
    def replication(self) -> tuple[Replication, ...]: ...
    def retention(self) -> Retention | None: ...


@dataclass(frozen=True, slots=True)
class NewBucket:
    """A bucket just made: nothing is set. Whether it blocks public access depends on the account's age: asked anew."""

    made: BucketInfo

    def info(self) -> BucketInfo | None:
        return self.made

    def encryption(self) -> str:
        return ""

    def blocks_public_access(self) -> bool:
        return False

    def policy(self) -> str:
        return ""

    def lifecycle(self) -> bytes:
        return b""

    def replication(self) -> tuple[Replication, ...]:
        return ()

    def retention(self) -> Retention | None:
        return None
