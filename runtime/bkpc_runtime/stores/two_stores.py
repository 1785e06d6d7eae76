"""Images from one store and log from another, as if they were one: what a recovery reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bkpc_runtime.stores.store import ObjectWriter, Store, StoredObject, Tier

_LOGS = "logs"


def both_names(store: Store) -> tuple[str, str]:
    """Of the store of images, and of that of the log: often one."""
    images, log = getattr(store, "names", (store.name, store.name))
    return images, log


class ImagesAndLog:
    """A `Store` whose logs (`<database>/<identity>/logs/…`) are `log`'s and whose other keys are `images`'."""

    def __init__(self, images: Store, log: Store) -> None:
        self._images, self._log = images, log
        one = images.name == log.name
        self.name = images.name if one else f"{images.name}` and, its log, `{log.name}"

    @property
    def names(self) -> tuple[str, str]:
        """Of the store of images, and of that of the log."""
        return self._images.name, self._log.name

    @property
    def log_names(self) -> object:
        """What is known of the names of the log."""
        return getattr(self._log, "log_names", None)

    @property
    def requests(self) -> int:
        return self._images.requests + self._log.requests

    def _of(self, key: str) -> Store:
        return self._log if key.split("/")[2:3] == [_LOGS] else self._images

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> ObjectWriter:
        return self._of(key).writer(key, expected_size, resumes=resumes, limit=limit)

    def put(self, key: str, body: bytes) -> StoredObject:
        return self._of(key).put(key, body)

    def get(self, key: str) -> bytes:
        return self._of(key).get(key)

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        return self._of(key).read(key, start, end, limit=limit)

    def head(self, key: str) -> StoredObject | None:
        return self._of(key).head(key)

    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
        self._of(one.key).thaw(one, days, tier)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        return self._of(prefix).list(prefix, after)

    def folders(self, prefix: str) -> Iterator[str]:
        if prefix.count("/") == 1:  # of servers: the log of one may be there before any image of it
            yield from sorted({*self._images.folders(prefix), *self._log.folders(prefix)})
            return
        yield from self._of(prefix).folders(prefix)

    def delete(self, key: str) -> None:
        self._of(key).delete(key)

    def delete_many(self, keys: Sequence[str]) -> int:
        by_log = [key for key in keys if self._of(key) is self._log]
        return self._log.delete_many(by_log) + self._images.delete_many([key for key in keys if key not in by_log])

    def sweep(self, before: float) -> int:
        return self._images.sweep(before) + self._log.sweep(before)

    def probe(self) -> None:
        self._images.probe()
        self._log.probe()
