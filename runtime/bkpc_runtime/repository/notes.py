"""Notes in what a store tells of a log: a quiet server leaves one every second or so, and all of a place say the same.

A day has up to 172,800 of them, and under a retention lock they stay. The last of a place is what tells: those before
it are passed over while they are listed, and are not kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

from bkpc_grammar.log_objects import LISTED
from bkpc_runtime.stores.store import Store, StoredObject

NOTE = ".known"
"""How the names of notes end."""
TIME = "%Y%m%dT%H%M%S.%f"
_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""So long ago the last of a place may have been written."""


def place_of(key: str) -> str:
    """What stands before the time in a note's key."""
    return key.rsplit(".", 3)[0]  # <place>.<time>.<its microseconds>.known


def listed(store: Store, folder: str, now: datetime | None = None) -> Iterator[str]:
    """The keys in a binlog's folder; of notes of one place only the last two, which shows that there are several."""
    return _without_repeats(_skipping(store, folder, now or datetime.now(UTC)))


def _without_repeats(keys: Iterable[str]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for key in keys:
        if not key.endswith(NOTE):
            yield key
            continue
        last = places.setdefault(place_of(key), [])
        last.append(key)
        if len(last) > 2:
            last.remove(min(last))
    for last in places.values():
        yield from sorted(last)


def _skipping(store: Store, folder: str, now: datetime) -> Iterator[str]:
    """Once a store has told as many notes of one place as it tells at once, it is asked for those of late."""
    rest: Iterator[StoredObject] | None = store.list(folder)
    while rest is not None:
        place, many, going, rest = "", 0, rest, None
        for one in going:
            yield one.key
            here = place_of(one.key) if one.key.endswith(NOTE) else ""
            many = many + 1 if here and here == place else 1
            place = here
            if here and many == LISTED and (rest := _late(store, folder, one.key, now)):
                break


def _late(store: Store, folder: str, key: str, now: datetime) -> Iterator[StoredObject] | None:
    """What is listed from the last notes of the place of `key` on; None: all after it may be of use."""
    place = place_of(key)
    for back in _BACK:
        late = f"{place}.{(now - back).strftime(TIME)}"
        if late <= key:
            return None
        found = store.list(folder, late)
        first = next(found, None)
        if first and first.key.endswith(NOTE) and place_of(first.key) == place:
            return chain([first], found)
    return None
