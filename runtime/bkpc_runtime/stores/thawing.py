"""A store whose cold objects are asked for and waited for when they are read: for restores, which say so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bkpc_runtime.errors import ObjectFrozen
from bkpc_runtime.stores.store import Store

LONGEST = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}
"""Days that what has thawed can stay so, by class; those that can be read at once are not here."""
_TRIES = 3
"""An object that is said to be readable, and is not, is tried so often."""


def spared(store: Store) -> bool:
    """Whether no more should be read of a store than must be."""
    return bool(getattr(store, "spares", False))  # it may lie under others


class ThawingStore:
    """`inner`; `thaw(keys)` returns when all of them can be read.

    What was read and freezes again in a long restore is asked for with all that is still to come, since one wait is
    enough for all. `spares`: what it keeps is known to be cold, and is not read where another way will do.
    """

    def __init__(self, inner: Store, thaw: Callable[[Sequence[str]], int], *, spares: bool) -> None:
        self._inner, self._thaw, self.spares = inner, thaw, spares
        self._coming: dict[str, None] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def expect(self, keys: Iterable[str]) -> None:
        """What will be read."""
        self._coming |= dict.fromkeys(keys)

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        tries = 0
        while True:
            try:
                for chunk in self._inner.read(key, start, end, limit=limit):
                    start, tries = start + len(chunk), 0
                    yield chunk
                break
            except ObjectFrozen:
                tries += 1
                if not self._wait(key) and tries > _TRIES:
                    raise
        if "/images/" in key:  # the log is read more than once
            self._coming.pop(key, None)

    def _wait(self, key: str) -> int:
        with self._lock:
            return self._thaw([key, *self._coming])
