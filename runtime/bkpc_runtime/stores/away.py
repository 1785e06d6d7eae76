"""A store that was asked and did not answer: whatever is wanted of it fails at once, instead of waiting anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from bkpc_runtime.errors import StoreUnreachable
from bkpc_runtime.stores.store import ObjectWriter, StoredObject, Tier


class AwayStore:
    """`why` is what was wrong, and for how long it was asked."""

    requests = 0

    def __init__(self, name: str, why: StoreUnreachable) -> None:
        self.name, self._why = name, why

    def _fails(self) -> NoReturn:
        raise type(self._why)(str(self._why), help=self._why.help, retryable=True)

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> ObjectWriter:  # noqa: ARG002
        self._fails()

    def put(self, key: str, body: bytes) -> StoredObject:  # noqa: ARG002
        self._fails()

    def get(self, key: str) -> bytes:  # noqa: ARG002
        self._fails()

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:  # noqa: ARG002
        self._fails()

    def head(self, key: str) -> StoredObject | None:  # noqa: ARG002
        self._fails()

    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:  # noqa: ARG002
        self._fails()

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:  # noqa: ARG002
        self._fails()

    def folders(self, prefix: str) -> Iterator[str]:  # noqa: ARG002
        self._fails()

    def delete(self, key: str) -> None:  # noqa: ARG002
        self._fails()

    def delete_many(self, keys: Sequence[str]) -> int:  # noqa: ARG002
        self._fails()

    def sweep(self, before: float) -> int:  # noqa: ARG002
        self._fails()

    def probe(self) -> None:
        self._fails()
