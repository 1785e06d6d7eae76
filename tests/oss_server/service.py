"""The service behind the wire: buckets, keys, clocks and what it is set to; and a call on it."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.oss_server.accounts import UID, Account, Keys
from tests.oss_server.answer import Answer
from tests.oss_server.asked import Asked, Body
from tests.oss_server.clock import Clock, millis
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.pace import Pace
from tests.oss_server.refusal import no_such_bucket
from tests.oss_server.settings import Settings
from tests.oss_server.thaw import ThawQueue

REGION = "cn-hangzhou"


@dataclass(slots=True)
class Options:
    """What differs between accounts and dates of birth.

    `signatures`: V4 alone since 2025. `blocks_public`: whether new buckets refuse public access, as since 2025.
    `requests_per_second`, and `sequential_per_second` of objects whose names follow one another: OSS has 10,000 and
    2,000; 0: unlimited. `replication_takes`: how old (milliseconds) an object is before it is copied.
    """

    signatures: frozenset[str] = frozenset({"V4"})
    blocks_public: bool = True
    requests_per_second: int = 0
    sequential_per_second: int = 0
    lifecycle_loads: int = 24
    replication_takes: int = 600_000


class Service:
    """Everything the operations work on. `root` is where buckets are kept."""

    def __init__(self, root: Path, region: str = REGION) -> None:
        self.root, self.region = root, region
        self.clock, self.keys, self.options = Clock(), Keys(), Options()
        self.owner = Account(UID)
        self.incoming, self.outgoing = Pace(), Pace()
        self.thaws = ThawQueue()
        self.lock = threading.RLock()
        root.mkdir(parents=True, exist_ok=True)
        self.buckets = {path.name: BucketOnDisk(path) for path in sorted(root.iterdir()) if path.is_dir()}
        self.documents: dict[str, str] = {}
        self.elsewhere: dict[str, Service] = {}

    def now(self) -> int:
        """The virtual time in milliseconds."""
        return millis(self.clock.now())

    def at(self, region: str) -> Service | None:
        """This service, or that of another region that it was told of."""
        return self if region == self.region else self.elsewhere.get(region)

    def make(self, name: str, settings: Settings | None = None) -> BucketOnDisk:
        """The bucket; made when it isn't there."""
        with self.lock:
            if name not in self.buckets:
                fresh = settings or Settings()
                fresh.created, fresh.owner = self.now(), fresh.owner or self.owner.uid
                self.buckets[name] = BucketOnDisk(self.root / name, fresh)
            return self.buckets[name]

    def unmake(self, name: str) -> None:
        """Removes the bucket and all it holds."""
        with self.lock:
            bucket = self.buckets.pop(name)
        shutil.rmtree(bucket.folder, ignore_errors=True)

    def cnames(self) -> Mapping[str, str]:
        """Bound domains and their buckets."""
        return {
            domain: bucket.name
            for bucket in list(self.buckets.values())
            for domain in bucket.settings.numbered.get("cname", {})
        }


@dataclass(slots=True)
class Call:
    """A request on its way through the service."""

    asked: Asked
    body: Body
    service: Service
    account: Account | None = None
    request_id: str = field(default_factory=lambda: secrets.token_hex(12).upper())
    found: BucketOnDisk | None = None

    @property
    def bucket(self) -> BucketOnDisk:
        """The bucket it is about; refused when there is none."""
        if self.found is None:
            self.found = self.service.buckets.get(self.asked.bucket)
        if self.found is None:
            raise no_such_bucket(self.asked.bucket)
        return self.found

    @property
    def now(self) -> int:
        return self.service.now()


def done(status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer without a body."""
    return Answer(status, headers or {})
