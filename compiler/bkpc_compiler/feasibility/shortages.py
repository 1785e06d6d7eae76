"""Why jobs or streams do not fit: the resource, the jobs that share it, and whether any schedule could help."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bkpc_compiler.estate.resources import Resource
from bkpc_grammar.quantities import Duration, Rate

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.demand import JobDemand
    from bkpc_compiler.feasibility.stream import StreamDemand


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource that can't carry what is asked of it. `hopeless`: not even without headroom.

    `asked`: streams, and each job's bytes spread over its window. `interval`: the window shared by `due`, the
    jobs whose bytes alone are too many for it; empty where no single window shows it.
    """

    resource: Resource
    asked: Rate
    available: Rate
    ids: tuple[str, ...]
    hopeless: bool
    interval: Duration | None = None
    due: tuple[str, ...] = ()


def shortages_of(
    jobs: Sequence[JobDemand],
    streams: Sequence[StreamDemand],
    resources: Mapping[str, Resource],
    usable: Mapping[str, int],
    queued: Collection[str] = (),
) -> tuple[Shortage, ...]:
    """One per resource that keeps a job from its window or a stream from its rate; of those for which none is crowded,
    that of their way of which most is asked. `queued`: ids of jobs that only wait for their server."""
    late = [job for job in jobs if job.late and not job.limited and job.id not in queued]
    behind = [stream for stream in streams if not stream.fits]
    if not late and not behind:
        return ()
    touched = {one.name for job in late for one in job.resources} | {r.name for s in behind for r in s.resources}
    through: dict[str, list[JobDemand]] = {}
    for job in jobs:
        for one in job.resources:
            through.setdefault(one.name, []).append(job)
    logs: dict[str, list[StreamDemand]] = {}
    for stream in streams:
        for one in stream.resources:
            logs.setdefault(one.name, []).append(stream)
    crowds = [
        _crowd(resources[name], through.get(name, ()), logs.get(name, ()), usable)
        for name in sorted(touched & usable.keys())
    ]
    told = {one.resource.name: one for one in crowds if one.hopeless or one.asked > one.available}
    for way in (*(job.resources for job in late), *(stream.resources for stream in behind)):
        names = {one.name for one in way}
        if names.isdisjoint(told):
            own = [one for one in crowds if one.resource.name in names]
            fullest = max(
                own, key=lambda one: (one.asked.amount / (one.available.amount + 1), one.resource.name), default=None
            )
            told |= {fullest.resource.name: fullest} if fullest else {}
    return tuple(told[name] for name in sorted(told))


def _crowd(
    resource: Resource, mine: Sequence[JobDemand], logs: Sequence[StreamDemand], usable: Mapping[str, int]
) -> Shortage:
    asked = sum((job.through(resource).amount / job.lasting for job in mine), start=Fraction(0))
    asked += sum(stream.rate for stream in logs)
    log = sum((stream.writes.value.amount for stream in logs), start=Fraction(0))
    interval, due = _overdue(resource, mine, log)
    assert resource.capacity is not None
    hopeless = resource.firm and (bool(due) or log > resource.capacity.amount)
    ids = (*(job.id for job in mine), *(stream.id for stream in logs))
    return Shortage(resource, Rate(asked), Rate(Fraction(usable[resource.name])), ids, hopeless, interval, due)


def _overdue(resource: Resource, jobs: Sequence[JobDemand], log: Fraction) -> tuple[Duration | None, tuple[str, ...]]:
    """The demand test: bytes due in one interval, against full capacity for as long. Jobs released at one
    instant, taken by their windows: those whose windows end by the interval's end are due in it. Nobody knows how few
    bytes an incremental image holds."""
    assert resource.capacity is not None
    together: dict[object, list[JobDemand]] = {}
    for job in jobs:
        together.setdefault((job.rhythm.period, job.rhythm.phase), []).append(job)
    for group in together.values():
        due = Fraction(0)
        group.sort(key=lambda job: (job.window.amount, job.id))
        for count, job in enumerate(group, 1):
            due += job.least.amount
            if due + log * job.window.amount > resource.capacity.amount * job.window.amount:
                return job.window, tuple(one.id for one in group[:count] if one.least.amount)
    return None, ()
