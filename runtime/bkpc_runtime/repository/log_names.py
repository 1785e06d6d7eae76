"""The names of a log, asked for once: a recovery looks through them for how far it goes, for its end, for the room that
it takes, and to fetch it.

What comes into the log meanwhile is not in it: a recovery goes as far as the log did when it began.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any, cast

from bkpc_runtime.stores.store import Store

_BETWEEN = "\0"
"""No name has it."""


class LogNames:
    """What a store has told of each folder of a log. A million names take some 50 MB."""

    def __init__(self) -> None:
        self._told: dict[str, bytes] = {}

    def of(self, folder: str, ask: Callable[[], Iterable[str]]) -> list[str]:
        """What the folder holds; only the first time it is asked for."""
        told = self._told.get(folder)
        if told is None:
            names = list(ask())
            self._told[folder] = zlib.compress(_BETWEEN.join(names).encode(), 1)
            return names
        text = zlib.decompress(told).decode()
        return text.split(_BETWEEN) if text else []

    def forget(self) -> None:
        """Whoever asks again hears what is there then."""
        self._told.clear()


class _Remembered:
    """`inner`, whose log is known by `log_names` once it was asked for."""

    def __init__(self, inner: Store, names: LogNames) -> None:
        self._inner, self.log_names = inner, names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def remembered(store: Store) -> Store:
    """`store`, for one recovery."""
    return cast(Store, _Remembered(store, LogNames()))


def names_of(store: Store) -> LogNames | None:
    """What is known of the log in a store; None: each look asks for itself."""
    found: LogNames | None = getattr(store, "log_names", None)
    return found


def told(store: Store, folder: str, ask: Callable[[], Iterable[str]]) -> list[str]:
    """The names in a folder of a log: as they were told before, else as `ask` gives them."""
    known = names_of(store)
    return known.of(folder, ask) if known else list(ask())
