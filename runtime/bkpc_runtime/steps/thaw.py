"""Thawing what is about to be read: asked for all at once, in the order it is read; waited for with few questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from bkpc_grammar.log_objects import AT_ONCE
from bkpc_grammar.quantities import Duration
from bkpc_grammar.thaws import A_SECOND, look_ms
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import layout, windows
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.stores.store import Store, StoredObject, Tier
from bkpc_runtime.transfer.throttle import Throttle

_SILENT = 900.0
"""Seconds after which it is said that nothing has changed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a thaw is asked for: readable for `days`, as soon as `tier` says; `hurries`: what thaws already is asked for
    again, since the tier may be quicker. `usual`: how long the slowest takes, as far as is known, with what it waits
    for before; `thaw`: without, where that is known too."""

    days: int
    usual: timedelta
    tier: Tier = "Standard"
    hurries: bool = False
    thaw: timedelta | None = None


def cold_of(store: Store, keys: Iterable[str]) -> list[StoredObject]:
    """Those of the objects that can't be read now, in the order of `keys`; reads listings alone."""
    wanted = dict.fromkeys(keys)
    folders = dict.fromkeys(f"{key.rpartition('/')[0]}/" for key in wanted)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
        listed = pool.map(lambda folder: [one for one in store.list(folder) if one.cold and one.key in wanted], folders)
        found = {one.key: one for page in listed for one in page}
    return [found[key] for key in wanted if key in found]


def keys_to_read(
    store: Store, chain: Sequence[Image], window: Window | None, end: Position | None, *, skip: bool = True
) -> list[str]:
    """What a recovery reads, in its order: images, the full one first; then the log that continues the last.

    `skip` as of `read_log`.
    """
    keys = [
        layout.part_key(image.prefix, image.manifest.id, part.name) for image in chain for part in image.manifest.parts
    ]
    if window and end:
        keys += windows.keys(store, window, window.image.position, end, skip=skip)
    return keys


def ask(store: Store, cold: Iterable[StoredObject], wish: Wish) -> int:
    """Asks for what is frozen, and returns at once; how many requests that were."""
    asked = [one for one in cold if one.cold == "frozen" or wish.hurries]
    pace = Throttle(A_SECOND)

    def one_of_them(one: StoredObject) -> None:
        pace.take(1)
        store.thaw(one, wish.days, wish.tier)

    # As many at once as connections are kept: then the latency of a way to the store is not what slows it down.
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="thaw") as pool:
        list(pool.map(one_of_them, asked))
    return len(asked)


class Thawing:
    """What was asked for, until all of it can be read.

    One object is looked at now and then, all that are left once it has thawed. What turns out to be frozen (nobody
    asked, or it froze again meanwhile) is asked for.
    """

    def __init__(self, store: Store, cold: Sequence[StoredObject], wish: Wish) -> None:
        self._store, self._wish = store, wish
        self._of, self._left = len(cold), list(cold)
        self._began = self._told_at = time.monotonic()
        self._told = -1

    @property
    def pause(self) -> float:
        """Seconds until the next look is worth it."""
        thaw = self._wish.usual if self._wish.thaw is None else self._wish.thaw
        return look_ms(thaw // timedelta(milliseconds=1)) / 1000

    def look(self, say: Callable[[str], None]) -> bool:
        """Whether all can be read; says how far it is, where that is news."""
        if self._left:
            first = self._store.head(self._left[0].key)
            if first is None or not first.cold:
                self._left = cold_of(self._store, [one.key for one in self._left[1:]])
            elif first.cold == "frozen":
                self._left = cold_of(self._store, [one.key for one in self._left])
                ask(self._store, self._left, self._wish)
        if self._left:
            self._tell(say)
        return not self._left

    def _tell(self, say: Callable[[str], None]) -> None:
        ready, now = self._of - len(self._left), time.monotonic()
        if ready == self._told and now - self._told_at < _SILENT:
            return
        since = Duration(Fraction(round(now - self._began))).human()
        say(f"thaw   {ready:,} of {self._of:,} objects after {since}; Ctrl-C ends the wait, the thaw goes on")
        self._told, self._told_at = ready, now


def wait_until_thawed(store: Store, cold: Sequence[StoredObject], wish: Wish, say: Callable[[str], None]) -> None:
    """Returns when all can be read."""
    wait_for(Thawing(store, cold, wish), say)


def wait_for(thawing: Thawing, say: Callable[[str], None]) -> None:
    """The same, of what was asked for before."""
    while not thawing.look(say):
        pause(thawing.pause)


def pause(seconds: float) -> None:
    """Between two looks."""
    time.sleep(seconds)
