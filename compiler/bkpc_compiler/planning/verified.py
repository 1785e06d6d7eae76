"""The second opinion on every plan: nothing is promised twice, every deadline is met.

Reads only the plan's own document, and shares no code with the planner: it sweeps over the instants of a year's
worth of calendars instead of fitting intervals into a cycle. What it finds is a fault of the planner, never of a
policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bkpc_grammar.plan import Job, Plan, Recovery, Reservation, Store

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_WEEKS = ((2026, 1, 5), (2026, 3, 23), (2026, 6, 29), (2026, 10, 19))
"""First days of the fortnights looked at: winter, summer, and both clock changes of the northern hemisphere."""
_LENGTH = 14 * 86_400_000
_DENSE = 4 * 3_600_000
"""Jobs that come more often than this hold their reservation at every instant."""


class PlanUnsound(Exception):
    """The planner's plan fails its check: a fault of bkpc."""


def verified(plan: Plan) -> Plan:
    """`plan`, if nothing is wrong with it.

    Raises:
        PlanUnsound: what is promised twice, or late.
    """
    found = sorted({*overbooked(plan), *late(plan), *disordered(plan)})
    if found:
        raise PlanUnsound("this plan must not be used; please report it: " + "; ".join(found[:5]))
    return plan


def late(plan: Plan) -> Iterator[str]:
    """Jobs that can't be done in their slots, or whose slots end after their windows."""
    for job in plan.jobs:
        when = job.schedule
        if when.offset_ms + when.slot_ms > when.window_ms:
            yield f"{job.id} ends after its window"
        rate = min((one.rate for one in job.reserve), default=0)
        if job.reserve and job.expect_bytes * 1000 > rate * (when.slot_ms - job.retry.budget_ms):
            yield f"{job.id} can't move {job.expect_bytes} bytes in its slot"


def disordered(plan: Plan) -> Iterator[str]:
    """Steps of recoveries that begin before what they need is done, or can't be done in their time."""
    for recovery in plan.recoveries:
        ends = {step.id: step.start_ms + step.expect_ms for step in recovery.steps}
        for step in recovery.steps:
            if any(ends[need] > step.start_ms for need in step.needs):
                yield f"{recovery.scope} of {recovery.lost}: {step.id} begins too early"
            rate = min((one.rate for one in step.reserve), default=0)
            if step.reserve and step.bytes * 1000 > rate * step.expect_ms:
                yield f"{recovery.scope} of {recovery.lost}: {step.id} can't move {step.bytes} bytes in its time"
        if max(ends.values(), default=0) > recovery.expect_ms:
            yield f"{recovery.scope} of {recovery.lost}: ends after {recovery.expect_ms} ms"


def overbooked(plan: Plan) -> Iterator[str]:
    """Resources of which more is reserved at some instant than they give."""
    usable = {one.name: one.usable for one in plan.resources}
    peaks: dict[str, int] = {}
    for first in _WEEKS:
        for name, peak in _peaks(plan.jobs, datetime(*first, tzinfo=UTC)).items():
            peaks[name] = max(peaks.get(name, 0), peak)
    streams = _sums(one for stream in plan.streams for one in stream.reserve)
    for name in sorted(peaks.keys() | streams.keys()):
        total = peaks.get(name, 0) + streams.get(name, 0)
        if total > usable.get(name, 0):
            yield f"{name}: {total} B/s reserved, {usable.get(name, 0)} usable"
    for recovery in plan.recoveries:
        yield from _overbooked_in(plan, recovery, usable, peaks)


def _overbooked_in(
    plan: Plan, recovery: Recovery, usable: Mapping[str, int], peaks: Mapping[str, int]
) -> Iterator[str]:
    """The steps of a recovery, beside streams and jobs of databases that are left, and copies from stores that are."""
    gone = set(recovery.down) if recovery.scope != "corruption" else set()
    left = _sums(one for stream in plan.streams if stream.database not in gone for one in stream.reserve)
    lost = {one.name for one in plan.estate.stores if recovery.lost in _places(recovery.scope, one)}
    goes_on = (job for job in plan.jobs if job.database not in gone or (job.source_store or "") not in {"", *lost})
    busy = {one.resource for job in goes_on for one in job.reserve}
    edges: dict[str, list[tuple[int, int]]] = {}
    for step in recovery.steps:
        for one in step.reserve:
            edges.setdefault(one.resource, []).append((step.start_ms, one.rate))
            edges[one.resource].append((step.start_ms + step.expect_ms, -one.rate))
    for name, found in sorted(edges.items()):
        beside = left.get(name, 0) + (peaks.get(name, 0) if name in busy else 0)
        if _highest(found) + beside > usable.get(name, 0):
            yield f"{recovery.scope} of {recovery.lost}: {name} promised twice"


def _places(scope: str, store: Store) -> tuple[str, ...]:
    """What a store is lost with; one that is in several zones outlives a site."""
    if scope == "region":
        return (store.region,)
    return (store.site,) if scope == "site" and store.redundancy != "zrs" else ()


def _sums(reservations: Iterable[Reservation]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in reservations:
        total[one.resource] = total.get(one.resource, 0) + one.rate
    return total


def _peaks(jobs: Iterable[Job], first: datetime) -> dict[str, int]:
    edges: dict[str, list[tuple[int, int]]] = {}
    steady: dict[str, int] = {}
    for job in jobs:
        if not job.reserve:
            continue
        if job.schedule.period_ms < _DENSE:
            for one in job.reserve:
                steady[one.resource] = steady.get(one.resource, 0) + one.rate
            continue
        starts = [at + job.schedule.offset_ms for at in _releases(job, first)]
        for one in job.reserve:
            into = edges.setdefault(one.resource, [])
            for start in starts:
                into.append((start, one.rate))
                into.append((start + job.schedule.slot_ms, -one.rate))
    return {name: _highest(edges.get(name, [])) + steady.get(name, 0) for name in edges.keys() | steady.keys()}


def _highest(edges: list[tuple[int, int]]) -> int:
    """The highest sum of rates at any instant; what ends at an instant is over when another begins."""
    highest = running = 0
    for _, change in sorted(edges):
        running += change
        highest = max(highest, running)
    return highest


def _releases(job: Job, first: datetime) -> Iterator[int]:
    """Releases in the fortnight from `first`, and one before it; in milliseconds of `first`."""
    when = job.schedule
    if when.cadence in {"every", "hourly"}:
        since = (first - _EPOCH) // timedelta(milliseconds=1)
        yield from range(-(since % when.period_ms), _LENGTH, when.period_ms)
        return
    zone = ZoneInfo(when.timezone)
    clock = time((when.at_minute or 0) // 60, (when.at_minute or 0) % 60)
    for day in range(-8, 15):
        local = date(first.year, first.month, first.day) + timedelta(days=day)
        if when.weekday is not None and local.weekday() != when.weekday:
            continue
        if when.day is not None and local.day != min(when.day, 28):
            continue
        yield (datetime.combine(local, clock, zone).astimezone(UTC) - first) // timedelta(milliseconds=1)
