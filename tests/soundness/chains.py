"""Incremental images of one database, as an agent takes them, each on what was there before.

Of a server one image is taken at a time. Every image is taken in its slot; an incremental one whose slot meets that of
a full one is left out. Whether others meet is looked at where the plan is (`Load.crowded`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from bkpc_grammar.plan import Job
from tests.soundness.images import Draw, Shelf, reach_back, runs_of, shelf_of, starts_of
from tests.soundness.releases import Window


@dataclass(frozen=True, slots=True)
class World:
    """What is true of the database, whatever the plan says: bytes, and bytes that change in a second."""

    size: float
    changes: float

    def changed(self, milliseconds: int) -> float:
        """The most that an incremental image holds of so long."""
        return min(self.size, self.changes * milliseconds / 1000) if self.changes < inf else self.size


@dataclass(slots=True)
class Chain:
    """The newest full image in a store that is whole, and what was taken since: when the last of them began."""

    full: int
    last: int
    bytes: float = 0.0
    images: int = 1


@dataclass(slots=True)
class Chained:
    """What was left behind. By store: bytes behind a full image at most; how much older that may be, in ms; how many
    images are loaded at most.

    `moved`: by job, the bytes it moved at most.
    """

    shelves: dict[str, Shelf] = field(default_factory=dict)
    behind: dict[str, float] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)


class Agent:
    """Does the jobs of one database from long before `window` until its end. `beside`: of others, at its server."""

    def __init__(
        self, jobs: Sequence[Job], window: Window, draw: Draw, world: World, beside: Sequence[Job] = ()
    ) -> None:
        self.jobs, self.beside, self.world, self.draw = jobs, beside, world, draw
        self.start, self.end = window.start - reach_back(jobs), window.end
        self.found = Chained()
        self.landed: dict[str, list[tuple[int, int]]] = {}
        self.fulls: dict[str, list[tuple[int, int]]] = {}  # begun and whole, of those that chains begin with

    def run(self) -> Chained:
        for job in self.jobs:
            if job.kind == "backup.full":
                self._full(job)
        self._take()
        self._copy()
        return self.found

    def _full(self, job: Job) -> None:
        """All images of a full one, each in its slot."""
        for begins, (takes, later) in zip(self._starts(job), self.draw(job), strict=False):
            for store in job.stores:
                self.landed.setdefault(store, []).append((begins + takes, begins + later))
                if job.engine == "physical":
                    self.fulls.setdefault(store, []).append((begins, begins + takes))
        self.found.moved[job.id] = self.world.size

    def _take(self) -> None:
        """Incremental images in their slots: none that meets the slot of a full one of the server."""
        chains: dict[str, Chain] = {}
        for one in self.fulls.values():
            one.sort(key=lambda full: full[1])
        busy = _Busy(self._slots())
        adding = {job.id: job for job in self.jobs if job.kind == "backup.incremental"}
        runs = {id_: self.draw(job) for id_, job in adding.items()}
        for begins, id_ in sorted((start, job.id) for job in adding.values() for start in self._starts(job)):
            job = adding[id_]
            full = self._newest_full(job.stores[0], begins)
            if full is None or busy.meets(begins, begins + job.schedule.slot_ms):
                continue
            takes, later = next(runs[id_])
            chain = chains.get(job.id)
            if chain is None or chain.full != full:
                chain = chains[job.id] = Chain(full, full)
            self._added(job, chain, begins + later, begins + takes)

    def _slots(self) -> Iterator[tuple[int, int]]:
        for job in (*self.jobs, *self.beside):
            if job.kind == "backup.full":
                yield from ((start, start + job.schedule.slot_ms) for start in self._starts(job))

    def _starts(self, job: Job) -> list[int]:
        return starts_of(job, self.start, self.end)

    def _newest_full(self, store: str, at: int) -> int | None:
        """When the newest one began that is whole."""
        fulls = self.fulls.get(store, [])
        index = bisect_right(fulls, at, key=lambda full: full[1])
        return max((begun for begun, _ in fulls[:index][-3:]), default=None)

    def _added(self, job: Job, chain: Chain, snapshot: int, whole: int) -> None:
        (store,) = job.stores
        held = self.world.changed(whole - chain.last)
        chain.bytes += held
        chain.last = snapshot
        chain.images += 1
        self.landed.setdefault(store, []).append((whole, snapshot))
        self.found.behind[store] = max(self.found.behind.get(store, 0.0), chain.bytes)
        self.found.older[store] = max(self.found.older.get(store, 0), snapshot - chain.full)
        self.found.images[store] = max(self.found.images.get(store, 1), chain.images)
        self.found.moved[job.id] = max(self.found.moved.get(job.id, 0.0), held)

    def _copy(self) -> None:
        found, waiting = self.found, [one for one in self.jobs if one.kind == "copy"]
        found.shelves |= {name: shelf_of(runs) for name, runs in self.landed.items()}
        while waiting:
            unwritten = {name for one in waiting for name in one.stores}
            ready = [one for one in waiting if one.source_store not in unwritten]
            for job in ready:
                source = job.source_store or ""
                runs = runs_of(job, self.start, self.end, self.draw, found.shelves.get(source))
                behind = found.behind.get(source, 0.0)
                found.moved[job.id] = self.world.size + behind
                for name in job.stores:
                    self.landed.setdefault(name, []).extend(runs)
                    found.behind[name] = max(found.behind.get(name, 0.0), behind)
                    found.older[name] = max(found.older.get(name, 0), found.older.get(source, 0))
                    found.images[name] = max(found.images.get(name, 1), found.images.get(source, 1))
            waiting = [one for one in waiting if one not in ready]
            for name in {name for one in ready for name in one.stores}:
                found.shelves[name] = shelf_of(self.landed[name])


class _Busy:
    """When full images of a server are taken."""

    def __init__(self, slots: Iterable[tuple[int, int]]) -> None:
        self._slots = sorted(slots)
        self._ends: list[int] = []  # the latest of each and those before it
        for _, end in self._slots:
            self._ends.append(max(end, self._ends[-1]) if self._ends else end)

    def meets(self, start: int, end: int) -> bool:
        """Whether any is taken between two instants."""
        before = bisect_left(self._slots, (end, end)) - 1
        while before >= 0 and self._slots[before][0] >= end:
            before -= 1
        return before >= 0 and self._ends[before] > start
