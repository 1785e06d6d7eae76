"""A log that is read ahead gives way to its image: what both are read through is the image's first.

The replay waits for the image, and the plan has the whole way for that until it is there: the log, read beside it as
fast as it goes, would bring it back later by all that it took.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, cast

from bkpc_grammar import plan as contract
from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer, room_beside, transfers_of
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import both_names
from bkpc_runtime.transfer.pace import Pace


class ImageFirst:
    """In its block the image is read, and the log of `log_of` passes at `rate` bytes a second at most, one object at a
    time: little of it is on its way when the image begins. None, and outside: as fast as it goes."""

    def __init__(self, rate: int | None = None) -> None:
        self.rate, self._pace = rate, Pace(None)
        self._news = threading.Condition()
        self._within = self._busy = False

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        self._set(within=self.rate is not None)

    def end(self) -> None:
        self._set(within=False)

    def _set(self, *, within: bool) -> None:
        with self._news:
            self._within = within
            self._pace.set(self.rate if within else None)
            self._news.notify_all()

    def log_of(self, store: Store) -> Store:
        return store if self.rate is None else cast(Store, _Behind(store, self))

    @contextmanager
    def turn(self) -> Iterator[Pace]:
        """Of one object of the log."""
        with self._news:
            self._news.wait_for(lambda: not (self._within and self._busy))
            mine = self._busy = self._within
        try:
            yield self._pace
        finally:
            if mine:
                with self._news:
                    self._busy = False
                    self._news.notify_all()


class _Behind:
    """A store whose log gives way to an image."""

    def __init__(self, inner: Store, first: ImageFirst) -> None:
        self._inner, self._first = inner, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))  # of a large one no more than is its share, either

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        with self._first.turn() as pace:
            for chunk in self._inner.read(key, start, end, limit=limit):
                pace.take(len(chunk))
                yield chunk


def image_first(plan: contract.Plan, database: str, store: Store) -> ImageFirst:
    """As the plan brings it back out of `store`; where it never does, in whichever way leaves its log least."""
    read = frozenset(both_names(store))
    found = [(one, rate) for one in plan.recoveries if (rate := _beside(plan, one, database)) is not None]
    so = [rate for one, rate in found if _stores(one, database) <= read]
    return ImageFirst(min(so or [rate for _, rate in found], default=None))


def _stores(recovery: contract.Recovery, database: str) -> frozenset[str]:
    moving = {one.id for one in transfers_of(recovery, (database,))}
    return frozenset(one.store for one in recovery.steps if one.id in moving and one.store)


def _beside(plan: contract.Plan, recovery: contract.Recovery, database: str) -> int | None:
    """What its log has beside its image, as `restore --scope` shares it out; None: no log, or nothing limits it."""
    mine, all_of_it = transfers_of(recovery, (database,)), transfers_of(recovery, recovery.databases)
    others = [one for one in all_of_it if one.database != database]
    ledger = SideBySide(mine, _less(room_beside(plan, recovery), mine, others))
    ledger.begin()
    rates = ledger.rates()
    return min((rate for one in mine if one.kind == "restore.log" if (rate := rates.get(one.id))), default=None)


def _less(room: Mapping[str, int], mine: Iterable[Transfer], others: Iterable[Transfer]) -> dict[str, int]:
    """Without what others hold meanwhile, that come back by commands of their own."""
    images = [one for one in mine if one.kind != "restore.log"]
    left = dict(room)
    for one in others:
        if any(one.start_ms < image.end_ms and image.start_ms < one.end_ms for image in images):
            for resource in one.resources & left.keys():
                left[resource] = max(0, left[resource] - one.rate)
    return left
