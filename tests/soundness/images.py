"""Images in stores over time: what jobs and copies that honour the plan leave behind, and how stale it gets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from math import inf
from random import Random

import msgspec

from bkpc_grammar.plan import Job
from tests.soundness.releases import Window, releases

Draw = Callable[[Job], Iterator[tuple[int, int]]]
"""Of one run of a job after the other: how long it takes after its start, and how much later its snapshot is, in ms."""


@dataclass(slots=True)
class Shelf:
    """The images of one database in one store, in the order they became usable; each with the freshest snapshot yet."""

    usable: list[int] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)

    def newest(self, at: int) -> int | None:
        """The freshest snapshot that is usable at an instant."""
        index = bisect_right(self.usable, at) - 1
        return self.snapshots[index] if index >= 0 else None


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """The loss grows by one second a second, from `least`, for `length`; it weighs `weight` a millisecond."""

    at: int
    least: float
    length: float
    weight: float

    @property
    def worst(self) -> float:
        return self.least + self.length


IMAGES = frozenset({"backup.full", "backup.incremental"})
JOBS = IMAGES | {"copy"}
"""The kinds of jobs that fill stores with images."""


def rate_of(job: Job) -> int | None:
    """What the job may count on, and use; None: nothing limits it."""
    limits = (job.limit,) if job.limit is not None else ()
    return min((*limits, *(one.rate for one in job.reserve)), default=None)


def moving_ms(job: Job, size: float, whole: float = 0) -> int:
    """Milliseconds to move `size` at the reserved rate, rounded to the job's favour.

    `whole`: what is read at its database to find that; what it does not move passes its machine only.
    """
    rate = rate_of(job)
    if rate is None:
        return 0
    machine = min((one.rate for one in job.reserve if one.resource.startswith("database:")), default=0)
    only_read = max(0.0, whole - size) / machine if machine else 0.0
    return int((size / rate + only_read) * 1000) if rate else 10**12


def read_by(job: Job, size: float) -> float:
    """What an incremental image of a database of `size` reads to find what changed: every page."""
    return size if job.kind == "backup.incremental" else 0.0


def slowest(size: float) -> Draw:
    """The whole declared size, and every attempt's budget spent without a fresher snapshot."""
    return _known(lambda job: (moving_ms(job, size) + job.retry.budget_ms, 0))


def unchanged(size: float) -> Draw:
    """The same without failed attempts to speak of, where nothing changes: incremental images hold nothing. A physical
    image is of the instant at which it is whole."""

    def draw(job: Job) -> tuple[int, int]:
        takes = moving_ms(job, 0 if job.kind == "backup.incremental" else size) + job.retry.budget_ms
        return takes, takes if job.engine == "physical" else 0

    return _known(draw)


def as_expected(whole: float = 0) -> Draw:
    """The same with the bytes that the plan expects of each job, of a database of `whole`."""

    def draw(job: Job) -> tuple[int, int]:
        return moving_ms(job, job.expect_bytes, read_by(job, whole)) + job.retry.budget_ms, 0

    return _known(draw)


def _known(draw: Callable[[Job], tuple[int, int]]) -> Draw:
    """The same for all runs of a job."""
    return lambda job: repeat(draw(job))


def any_speed(random: Random, size: float | None = None, whole: float = 0) -> Draw:
    """Sizes below the declared one, or below what the plan expects; attempts that fail now and then."""

    def run(job: Job) -> tuple[int, int]:
        part = random.uniform(0.2, 1)
        moving = moving_ms(job, (job.expect_bytes if size is None else size) * part, read_by(job, whole) * part)
        if job.engine == "physical":  # its position is noted when its last file is there, or before
            return moving, random.choice((0, moving, random.randint(0, moving)))
        if random.random() < 0.6:
            return moving, 0
        wasted = random.randint(0, job.retry.budget_ms)
        return moving + wasted, random.randint(0, wasted)

    return lambda job: (run(job) for _ in repeat(None))


def reach_back(jobs: Sequence[Job]) -> int:
    """Milliseconds before a window from which on everything is as ever when it begins."""
    longest = max((one.schedule.period_ms + one.schedule.offset_ms + one.schedule.slot_ms for one in jobs), default=0)
    return longest * (1 + len({one.source_store for one in jobs}))


def shelves(jobs: Iterable[Job], window: Window, draw: Draw) -> dict[str, Shelf]:
    """What the image and copy jobs of one database leave in each store, enough before `window` to start as ever."""
    waiting = [one for one in jobs if one.kind in JOBS]
    start = window.start - reach_back(waiting)
    landed: dict[str, list[tuple[int, int]]] = {}
    ready: dict[str, Shelf] = {}
    while waiting:
        unwritten = {name for one in waiting for name in one.stores}
        runnable = [one for one in waiting if one.source_store is None or one.source_store not in unwritten]
        if not runnable:
            raise ValueError("copies in a circle")
        for job in runnable:
            runs = runs_of(job, start, window.end, draw, ready.get(job.source_store or ""))
            for name in job.stores:
                landed.setdefault(name, []).extend(runs)
        waiting = [one for one in waiting if one not in runnable]
        left = {name for one in waiting for name in one.stores}
        ready |= {name: shelf_of(runs) for name, runs in landed.items() if name not in left and name not in ready}
    return ready


def runs_of(job: Job, start: int, end: int, draw: Draw, source: Shelf | None) -> list[tuple[int, int]]:
    """(usable, snapshot) of every run released in [start, end)."""
    starts = starts_of(job, start, end)
    if job.source_store is None:
        return [(begins + takes, begins + later) for begins, (takes, later) in zip(starts, draw(job), strict=False)]
    found = []
    for begins, (takes, _) in zip(starts, draw(job), strict=False):
        snapshot = source.newest(begins - job.thaw_ms) if source else None
        if snapshot is not None:
            found.append((begins + takes, snapshot))
    return found


def starts_of(job: Job, start: int, end: int) -> list[int]:
    """When every run begins that is released in [start, end)."""
    offset = job.schedule.offset_ms
    return [release + offset for release in releases(job.schedule, start, end)]


def shelf_of(runs: list[tuple[int, int]]) -> Shelf:
    shelf, freshest = Shelf(), -(10**15)
    for usable, snapshot in sorted(runs):
        if snapshot > freshest:
            freshest = snapshot
            shelf.usable.append(usable)
            shelf.snapshots.append(snapshot)
    return shelf


def together(found: Mapping[str, Shelf], stores: Iterable[str]) -> Shelf | None:
    """What several stores have as if they were one: the newest may be in any."""
    shelves = [found[one] for one in stores if one in found]
    if len(shelves) <= 1:
        return shelves[0] if shelves else None
    return shelf_of([pair for one in shelves for pair in zip(one.usable, one.snapshots, strict=True)])


def staleness(shelf: Shelf | None, window: Window) -> list[Stretch]:
    """The age of the newest usable image throughout `window`; endless where there is none."""
    first = shelf.newest(window.start) if shelf else None
    if shelf is None or first is None:
        return [Stretch(window.start, inf, 0, window.weight * (window.end - window.start))]
    found, at, snapshot = [], window.start, first
    for index in range(bisect_right(shelf.usable, window.start), len(shelf.usable)):
        usable = min(shelf.usable[index], window.end)
        if usable > at:
            found.append(Stretch(at, at - snapshot, usable - at, window.weight))
        at, snapshot = usable, shelf.snapshots[index]
        if at >= window.end:
            return found
    found.append(Stretch(at, at - snapshot, window.end - at, window.weight))
    return found


def quantile(stretches: list[Stretch], share: float) -> float:
    """The least loss that is not passed in `share` of all time."""
    if share >= 1:
        return max((one.worst for one in stretches), default=0.0)
    edges: list[tuple[float, float]] = []
    total = 0.0
    for one in stretches:
        if one.least == inf:
            total += one.weight
            continue
        total += one.length * one.weight
        edges.append((one.least, one.weight))
        edges.append((one.least + one.length, -one.weight))
    edges.sort()
    held, slope, before, enough = 0.0, 0.0, 0.0, share * total - 1e-6
    for value, change in edges:
        gained = slope * (value - before)
        if held + gained >= enough and slope > 0:
            return before + max(0.0, share * total - held) / slope
        held, before, slope = held + gained, value, slope + change
    return inf if any(one.least == inf for one in stretches) else before


def age_at(stretches: list[Stretch], at: int) -> float:
    """The age just before an instant."""
    for one in stretches:
        if one.at < at <= one.at + one.length:
            return one.least + (at - one.at)
    return stretches[-1].worst


def in_common(losses: Sequence[tuple[bool, float]]) -> float:
    """The loss of a group whose members lose so much, each with an image alone or with a log: a point that all have."""
    imaged = [lost for alone, lost in losses if alone]
    logged = [lost for alone, lost in losses if not alone]
    if len(losses) > 1 and len(imaged) > 1:
        return inf
    return max(*imaged, *logged, 0.0) if len(losses) == 1 or not imaged else imaged[0] + max(logged)
