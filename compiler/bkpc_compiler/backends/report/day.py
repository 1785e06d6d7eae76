"""One day of jobs and streams on each resource, against what it can carry.

The day is a fixed one in winter, so that the same plan gives the same picture. Weekly and monthly jobs are
drawn as if they fell on it: nothing that shares a resource is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from bkpc_compiler.backends import words
from bkpc_grammar.plan import Job, Plan, Resource, Schedule

DAY = date(2026, 1, 14)
"""A Wednesday."""
DAY_MS = 86_400_000
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
"""`every 6h` counts from here, as the runtime does."""
_MOST_RELEASES = 96
"""A job released more often is drawn as one that never stops."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A job holds its reservation from `begin` to `end`, in milliseconds after midnight UTC."""

    number: int  # of the job, on its resource
    job: str
    what: str
    schedule: str
    rate: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which what is reserved does not change."""

    begin: int
    end: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """All that is reserved on one resource during the day."""

    resource: Resource
    streams: tuple[tuple[str, int], ...]  # id, rate
    slots: tuple[Slot, ...]

    @property
    def title(self) -> str:
        return words.resource(self.resource.name)

    @property
    def baseline(self) -> int:
        """What streams reserve at all times."""
        return sum(rate for _, rate in self.streams)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The whole day, cut wherever a job begins or ends."""
        cuts = sorted({0, DAY_MS, *(slot.begin for slot in self.slots), *(slot.end for slot in self.slots)})
        return tuple(
            Stretch(begin, end, tuple(one for one in self.slots if one.begin < end and begin < one.end))
            for begin, end in pairwise(cuts)
        )

    def reserved(self, stretch: Stretch) -> int:
        return self.baseline + sum(slot.rate for slot in stretch.slots)

    def told(self, stretch: Stretch) -> str:
        """What holds the reservations of a stretch."""
        streams = (words.many(len(self.streams), "stream"),) if self.streams else ()
        jobs = (f"{slot.job} ({words.rate(slot.rate)})" for slot in stretch.slots)
        return ", ".join((*streams, *jobs)) or "nothing"

    @property
    def peak(self) -> int:
        edges: dict[int, int] = {}
        for slot in self.slots:
            edges[slot.begin] = edges.get(slot.begin, 0) + slot.rate
            edges[slot.end] = edges.get(slot.end, 0) - slot.rate
        most = now = 0
        for _, change in sorted(edges.items()):
            now += change
            most = max(most, now)
        return self.baseline + most

    @property
    def jobs(self) -> tuple[tuple[int, str, str, str], ...]:
        """Number, id, kind and schedule of each job that is drawn."""
        return tuple(dict.fromkeys((one.number, one.job, one.what, one.schedule) for one in self.slots))


def loads_of(plan: Plan) -> tuple[Load, ...]:
    """Each resource with a capacity that a job or a stream reserves some of: links first."""
    streams: dict[str, list[tuple[str, int]]] = {}
    for stream in plan.streams:
        for held in stream.reserve:
            streams.setdefault(held.resource, []).append((stream.id, held.rate))
    jobs: dict[str, list[tuple[Job, int]]] = {}
    for job in plan.jobs:
        for held in job.reserve:
            jobs.setdefault(held.resource, []).append((job, held.rate))
    found = [_load(one, streams.get(one.name, ()), jobs.get(one.name, ())) for one in plan.resources]
    drawn = [load for load in found if load.slots or load.streams]
    return tuple(sorted(drawn, key=lambda load: (not load.resource.name.startswith("link:"), load.resource.name)))


def _load(resource: Resource, streams: Sequence[tuple[str, int]], jobs: Sequence[tuple[Job, int]]) -> Load:
    slots = [slot for number, (job, rate) in enumerate(jobs, 1) for slot in _slots(job, rate, number)]
    return Load(resource, tuple(streams), tuple(slots))


def _slots(job: Job, rate: int, number: int) -> Iterator[Slot]:
    what = f"{words.JOBS[job.kind]} of {job.database}"
    for begin, end in busy(job.schedule):
        yield Slot(number, job.id, what, words.when(job.schedule), rate, begin, end)


def busy(schedule: Schedule) -> Iterator[tuple[int, int]]:
    """When in the day a job of this schedule runs; what crosses midnight goes on at its beginning."""
    period, length = schedule.period_ms, schedule.slot_ms
    if length >= min(period, DAY_MS) or period * _MOST_RELEASES < DAY_MS:
        yield 0, DAY_MS
        return
    for release in _releases(schedule):
        begin = (release + schedule.offset_ms) % DAY_MS
        if begin + length <= DAY_MS:
            yield begin, begin + length
        else:
            yield begin, DAY_MS
            yield 0, begin + length - DAY_MS


def _releases(schedule: Schedule) -> Iterator[int]:
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    if schedule.cadence in {"every", "hourly"}:
        period = timedelta(milliseconds=schedule.period_ms)
        release = midnight + (_EPOCH - midnight) % period
        yield _milliseconds(release - midnight) % DAY_MS  # at least one, however long the period
        while (release := release + period) < midnight + timedelta(days=1):
            yield _milliseconds(release - midnight)
        return
    hours, minutes = divmod(schedule.at_minute or 0, 60)
    local = datetime(DAY.year, DAY.month, DAY.day, hours, minutes, tzinfo=ZoneInfo(schedule.timezone))
    yield _milliseconds(local.astimezone(UTC) - midnight) % DAY_MS


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)
