"""A store in memory that can break off before any request that changes it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from bkpc_runtime.errors import ObjectMissing, StoreLocked
from bkpc_runtime.stores.keys import checked_key
from bkpc_runtime.stores.store import ObjectWriter, StoredObject, Tier


class Crash(Exception):
    """kill -9 between two requests."""


class MemoryStore:
    """`changes_left`: how many puts and deletes succeed before the process dies; None: it lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.locked: set[str] = set()
        self.changes_left: int | None = None
        self.changes = 0
        self._sorted: list[str] | None = None

    def _change(self) -> None:
        if self.changes_left == 0:
            raise Crash
        if self.changes_left is not None:
            self.changes_left -= 1
        self.changes += 1

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> ObjectWriter:
        del expected_size, resumes, limit
        return _Writer(self, key)

    def put(self, key: str, body: bytes) -> StoredObject:
        self._change()
        if key in self.locked and key in self.objects:
            raise StoreLocked(f"store `{self.name}` at {key}: locked")
        self.objects[checked_key(key)] = body
        self._sorted = None
        return StoredObject(key, len(body))

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"store `{self.name}` at {key}: missing")
        return self.objects[key]

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        del limit
        yield self.get(key)[start:end]

    def head(self, key: str) -> StoredObject | None:
        return StoredObject(key, len(self.objects[key])) if key in self.objects else None

    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
        pass

    def _below(self, prefix: str) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self.objects)
        first = bisect_left(self._sorted, prefix)
        return self._sorted[first : bisect_left(self._sorted, f"{prefix}\U0010ffff", first)]

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for key in self._below(prefix):
            if key > after:
                yield StoredObject(key, len(self.objects[key]))

    def folders(self, prefix: str) -> Iterator[str]:
        rest = (key.removeprefix(prefix) for key in self._below(prefix))
        yield from sorted({name.partition("/")[0] for name in rest if "/" in name})

    def delete_many(self, keys: Sequence[str]) -> int:
        locked = 0
        for key in keys:
            try:
                self.delete(key)
            except StoreLocked:
                locked += 1
        return locked

    def delete(self, key: str) -> None:
        self._change()
        if key in self.locked:
            raise StoreLocked(f"store `{self.name}` at {key}: locked")
        self.objects.pop(key, None)
        self._sorted = None

    @property
    def requests(self) -> int:
        return 0

    def sweep(self, before: float) -> int:
        del before
        return 0

    def probe(self) -> None:
        return None


class _Writer:
    def __init__(self, store: MemoryStore, key: str) -> None:
        self.store, self.key, self.body = store, key, bytearray()

    def write(self, chunk: bytes) -> None:
        self.body += chunk

    def commit(self) -> StoredObject:
        return self.store.put(self.key, bytes(self.body))

    def abort(self) -> None:
        return None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        return None
