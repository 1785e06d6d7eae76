"""What jobs and streams ask of the resources they share, and whether it fits.

Streams reserve the least rate that meets the RPO they serve; jobs reserve their bytes over their window.
Conservatively all jobs overlap. A job that does not fit within its window gets its period instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from bkpc_compiler.estate.resources import Resource, derated
from bkpc_compiler.program.model import ColdLevel, Given, HotLevel, ImageLevel, Schedule
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import ZERO_DURATION, Duration, Rate, Size


@dataclass(frozen=True, slots=True)
class JobDemand:
    """One scheduled job: one image of `database` moved to `store` within `within` of its release.

    `within` None: nothing bounds when it is done. `source`: the store a copy reads.
    """

    id: str
    database: str
    level: ImageLevel | ColdLevel
    source: str | None
    store: str
    bytes: Size
    resources: tuple[Resource, ...]
    limit: Given[Rate] | None
    within: Duration | None

    @property
    def schedule(self) -> Schedule:
        return self.level.schedule

    @property
    def window(self) -> Duration:
        """Declared time after the release; the period where none is."""
        return self.schedule.window.value if self.schedule.window else self.schedule.period

    @property
    def rate(self) -> int:
        """Reserved bytes per second: enough to be done within `within`."""
        return max(1, ceil(self.bytes.over(Rate(Fraction(1))).amount / self.within.amount)) if self.within else 1


@dataclass(frozen=True, slots=True)
class StreamDemand:
    """The binlog of `database` on its way to one store. `rate`: reserved, bytes per second."""

    id: str
    database: str
    level: HotLevel
    store: str
    resources: tuple[Resource, ...]
    latency: Duration
    writes: Given[Rate]
    burst: Given[Size]
    rate: int
    fits: bool = True


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource that can't carry what is asked of it. `hopeless`: not even without headroom."""

    resource: Resource
    asked: Rate
    available: Rate
    ids: tuple[str, ...]
    hopeless: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything that is asked, after settling."""

    jobs: tuple[JobDemand, ...]
    streams: tuple[StreamDemand, ...]
    shortages: tuple[Shortage, ...]

    @property
    def flows(self) -> tuple[JobDemand | StreamDemand, ...]:
        """Jobs, then streams."""
        return (*self.jobs, *self.streams)

    def reserved(self) -> Mapping[str, int]:
        """Bytes per second reserved on each resource, by its name."""
        return _reserved(self.jobs, self.streams)


def settle(jobs: Iterable[JobDemand], streams: Iterable[StreamDemand], headroom: Fraction) -> Demand:
    """Streams first, then jobs in their windows, then in their periods; what fits nowhere has no bound."""
    wanted = tuple(jobs)
    asked = tuple(streams)
    flows: tuple[JobDemand | StreamDemand, ...] = (*wanted, *asked)
    resources = {one.name: one for flow in flows for one in flow.resources}
    drowned = {s.resource.name for s in _shortages(resources, (), asked, headroom)}
    fitted = tuple(replace(s, fits=drowned.isdisjoint(r.name for r in s.resources)) for s in asked)
    in_window = tuple(replace(job, within=_allowed(job, job.window)) for job in wanted)
    shortages = _shortages(resources, in_window, fitted, headroom)
    late = {s.resource.name for s in shortages}
    relaxed = tuple(_relaxed(job) if _touches(job, late) else job for job in in_window)
    beyond = {s.resource.name for s in _shortages(resources, relaxed, fitted, headroom)}
    settled = tuple(replace(job, within=None) if _touches(job, beyond) else job for job in relaxed)
    return Demand(settled, fitted, shortages)


def _touches(job: JobDemand, names: set[str]) -> bool:
    return any(one.name in names for one in job.resources)


def _relaxed(job: JobDemand) -> JobDemand:
    return replace(job, within=_allowed(job, job.schedule.period))


def _allowed(job: JobDemand, window: Duration) -> Duration | None:
    """`window`, or longer where the flow limit asks for it; None where the period is not enough."""
    if job.limit is None or job.bytes.amount <= job.limit.value.amount * window.amount:
        return window
    needed = job.bytes.over(job.limit.value)
    return needed if needed <= job.schedule.period else None


def _reserved(jobs: tuple[JobDemand, ...], streams: tuple[StreamDemand, ...]) -> dict[str, int]:
    total: dict[str, int] = {}
    flows: tuple[JobDemand | StreamDemand, ...] = (*jobs, *streams)
    for flow in flows:
        for resource in flow.resources:
            total[resource.name] = total.get(resource.name, 0) + flow.rate
    return total


def _shortages(
    resources: Mapping[str, Resource],
    jobs: tuple[JobDemand, ...],
    streams: tuple[StreamDemand, ...],
    headroom: Fraction,
) -> tuple[Shortage, ...]:
    found = []
    for name, total in sorted(_reserved(jobs, streams).items()):
        resource = resources[name]
        available = derated(resource, headroom)
        if available is None or resource.capacity is None or total <= available:
            continue
        flows: tuple[JobDemand | StreamDemand, ...] = (*jobs, *streams)
        ids = tuple(flow.id for flow in flows if resource in flow.resources)
        hopeless = _hopeless(resource, jobs, streams)
        found.append(Shortage(resource, Rate(Fraction(total)), Rate(available), ids, hopeless))
    return tuple(found)


def _hopeless(resource: Resource, jobs: tuple[JobDemand, ...], streams: tuple[StreamDemand, ...]) -> bool:
    """The demand test: bytes due in one shared window, against full capacity for as long."""
    assert resource.capacity is not None
    log = sum((s.writes.value.amount for s in streams if resource in s.resources), start=Fraction(0))
    due: dict[tuple[object, ...], Fraction] = {}
    for job in jobs:
        if resource in job.resources:
            key = (_releases(job.schedule), job.window)
            due[key] = due.get(key, Fraction(0)) + job.bytes.amount
    capacity = resource.capacity.amount
    return log > capacity or any(
        total + log * window.amount > capacity * window.amount
        for (_, window), total in due.items()
        if isinstance(window, Duration)
    )


def _releases(schedule: Schedule) -> tuple[object, ...]:
    """Equal for schedules that release at the same instants."""
    return (schedule.cadence, schedule.at, schedule.weekday, schedule.day, schedule.period, schedule.timezone)


def transfer_at_best(resources: Iterable[Resource], size: Size) -> tuple[Duration, Span | None, str]:
    """The time `size` takes at the full capacity of the narrowest resource, which clause, in which words."""
    bounded = [one for one in resources if one.capacity is not None]
    slowest = min(bounded, key=lambda one: (one.capacity, one.name), default=None)
    if slowest is None or slowest.capacity is None:
        return (ZERO_DURATION, None, "")
    return (size.over(slowest.capacity), slowest.span, slowest.words)
