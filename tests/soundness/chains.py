"""Incremental images of one database, as an agent takes them: one job after the other, each on what was there before.

A full image and a copy hold their slots. An incremental one begins when it is due and the agent is free: no other job
of the database runs. One that is due again meanwhile is taken once. It is not taken where a full one began since it was
due: that is all there is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from bkpc_grammar.plan import Job
from tests.soundness.images import Draw, Shelf, reach_back, runs_of, shelf_of
from tests.soundness.releases import Window, releases

Run = tuple[int, int, str, bool]
"""When a job begins and ends, its id, and whether it is a copy."""


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
    """Does the jobs of one database from long before `window` until its end."""

    def __init__(self, jobs: Sequence[Job], window: Window, draw: Draw, world: World) -> None:
        self.jobs, self.world, self.draw = jobs, world, draw
        self.start, self.end = window.start - reach_back(jobs), window.end
        self.found = Chained()
        self.landed: dict[str, list[tuple[int, int]]] = {}
        self.fulls: dict[str, list[tuple[int, int]]] = {}  # begun and whole, of those that chains begin with

    def run(self) -> Chained:
        held = sorted(run for job in self.jobs if job.kind != "backup.incremental" for run in self._held(job))
        self._take(held)
        self._copy()
        return self.found

    def _held(self, job: Job) -> list[Run]:
        """The runs of a job with a slot; the images of a full one."""
        runs: list[Run] = []
        for release in releases(job.schedule, self.start, self.end):
            begins = release + job.schedule.offset_ms
            takes, later = self.draw(job)
            runs.append((begins, begins + takes, job.id, job.kind == "copy"))
            for store in job.stores if job.kind == "backup.full" else ():
                self.landed.setdefault(store, []).append((begins + takes, begins + later))
                if job.engine == "physical":
                    self.fulls.setdefault(store, []).append((begins, begins + takes))
        if job.kind == "backup.full":
            self.found.moved[job.id] = self.world.size
        return runs

    def _take(self, held: list[Run]) -> None:
        """Pass after pass: all that are due when the agent is free, one after the other."""
        idle, chains = _Idle(held), dict[str, Chain]()
        for one in self.fulls.values():
            one.sort(key=lambda full: full[1])
        adding = [job for job in self.jobs if job.kind == "backup.incremental"]
        ahead = {job.id: self._starts(job) for job in adding}
        newest = {job.id: -(10**15) for job in adding}
        while True:
            begins = idle.after(min((ahead[job.id][-1] for job in adding if ahead[job.id]), default=self.end))
            if begins >= self.end:  # what is held then is not known
                return
            for job in sorted(adding, key=lambda one: one.id):
                due = None
                while ahead[job.id] and ahead[job.id][-1] <= begins:
                    due = ahead[job.id].pop()
                full = self._newest_full(job.stores[0], begins)
                if due is None or full is None or max(full, newest[job.id]) >= due:
                    continue
                takes, later = self.draw(job)
                newest[job.id] = snapshot = idle.free + later
                idle.free += takes
                chain = chains.get(job.id)
                if chain is None or chain.full != full:
                    chain = chains[job.id] = Chain(full, full)
                self._added(job, chain, snapshot, idle.free)

    def _starts(self, job: Job) -> list[int]:
        """The last one first."""
        found = [one + job.schedule.offset_ms for one in releases(job.schedule, self.start, self.end)]
        return found[::-1]

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


class _Idle:
    """When an agent has nothing else to do; asked for instants in order."""

    def __init__(self, held: list[Run]) -> None:
        self._ahead: Iterator[Run] = iter(held)
        self._next = next(self._ahead, None)
        self._running: list[Run] = []
        self.free = -(10**15)

    def after(self, due: int) -> int:
        """The first such instant not before `due`.

        A copy that is due comes after it; no job keeps it twice: one that is due again comes later.
        """
        at = max(due, self.free)
        waited: set[str] = set()
        first = at
        while True:
            while self._next is not None and self._next[0] <= at:
                self._running.append(self._next)
                self._next = next(self._ahead, None)
            self._running = [one for one in self._running if one[1] > at]
            keeping = [one for one in self._running if one[2] not in waited and not (one[3] and one[0] > first)]
            if not keeping:
                self.free = at
                return at
            waited |= {name for _, _, name, _ in keeping}
            at = max(ends for _, ends, _, _ in keeping)
