"""The quota of what thaws in a day: who asks first is served first, what a day does not serve waits for the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from random import Random

from bkpc_grammar.plan import Job, Plan
from tests.soundness.releases import DAY, releases
from tests.soundness.topology import Topology, thaw_seconds

_DAYS = 40
"""Copies ask for so long before a failure."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Bytes of one class, asked at an instant in ms."""

    at: int
    size: float
    whose: str


def waits(asks: Sequence[Ask], quota: float) -> list[int]:
    """How long each waits, in ms: `asks` in their order, `quota` bytes from every midnight on."""
    found, day, used = [], 0, 0.0
    for one in asks:
        today, left = one.at // DAY, one.size
        if today > day:
            day, used = today, 0.0
        while left > quota - used:
            left -= quota - used
            day, used = day + 1, 0.0
        used += left
        found.append(max(0, day * DAY - one.at))
    return found


class Thawing:
    """What copies ask to thaw, and how long they and recoveries wait. `moves`: by job, the bytes that it reads;
    `asking`: milliseconds in which it asks for them."""

    def __init__(
        self,
        topology: Topology,
        plan: Plan,
        moves: Mapping[str, float],
        random: Random,
        asking: Mapping[str, float] | None = None,
    ) -> None:
        self._asking = asking or {}
        self.topology, self.random = topology, random
        self.quotas: dict[str, float] = {}
        for store in topology.stores.values():
            storage = store.storage_class.value if store.storage_class else None
            if storage and storage.thaw and storage.quota:
                self.quotas[storage.name] = float(storage.quota.value.bytes_per_second) * DAY / 1000
        self.copies: dict[str, list[Ask]] = {name: [] for name in self.quotas}
        for job in plan.jobs if self.quotas else ():
            name = self.limited(job.source_store) if job.kind == "copy" else None
            if name is not None:
                self.copies[name] += [Ask(at, moves[job.id], job.id) for at in _asked(job)]
        for asks in self.copies.values():
            asks.sort(key=lambda one: one.at)

    def limited(self, store: str | None) -> str | None:
        """The class of a store, where a quota says how much of it thaws."""
        storage = self.topology.stores[store].storage_class if store else None
        return storage.value.name if storage and storage.value.name in self.quotas else None

    def late(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, float]]:
        """The copies that are not thawed when their slot begins, and how long that takes at the worst, in ms."""
        known = {job.id: job for job in jobs}
        for name, asks in self.copies.items():
            longest: dict[str, int] = {}
            for one, wait in zip(asks, waits(asks, self.quotas[name]), strict=True):
                longest[one.whose] = max(longest.get(one.whose, 0), wait)
            for id_, wait in longest.items():
                job = known[id_]
                takes = thaw_seconds(self.topology.stores[job.source_store or ""]) * 1000 + wait
                takes += self._asking.get(id_, 0.0)
                if takes > job.thaw_ms:
                    yield job, takes

    def behind(self, name: str, asks: Sequence[Ask], last: str) -> int:
        """How long what `last` asks waits at the worst, in ms, of what a failure has all of `asks` ask for: `at` is
        said from the failure on. Copies go on."""
        end, copies = _DAYS * DAY, self.copies[name]
        instants = {end // 2, end // 2 + DAY - 1, end // 2 + self.random.randrange(DAY)}
        instants |= {one.at + 1 for one in copies if end // 2 <= one.at < end // 2 + 2 * DAY}
        worst = 0
        for instant in sorted(instants)[:8]:
            added = [Ask(instant + one.at, one.size, one.whose) for one in asks]
            order = sorted((*copies, *added), key=lambda one: (one.at, one.whose == last))
            found = zip(order, waits(order, self.quotas[name]), strict=True)
            worst = max(worst, *(wait for one, wait in found if one.whose == last))
        return worst


def all_asked(jobs: Sequence[Job], takes: Mapping[str, float]) -> dict[str, float]:
    """How long each copy's asking takes at the worst, in ms, where the service takes what all ask one after the other,
    and what is asked at one instant in the worst order. `takes`: of each alone."""
    asks = sorted((at, job.id) for job in jobs if job.id in takes for at in _asked(job))
    worst, free = dict.fromkeys(takes, 0.0), 0.0
    for at, together in groupby(asks, itemgetter(0)):
        tied = [name for _, name in together]
        free = max(free, at) + sum(takes[name] for name in tied)
        for name in tied:
            worst[name] = max(worst[name], free - at)
    return worst


def _asked(job: Job) -> Iterator[int]:
    """When a copy asks, from `_DAYS` before a failure on and for as long after it; the first at 0 or later."""
    for release in releases(job.schedule, 0, 2 * _DAYS * DAY):
        at = release + job.schedule.offset_ms - job.thaw_ms
        if at >= 0:
            yield at
