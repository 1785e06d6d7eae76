"""What keeps a repository in order: verification, expiry, drills; what is kept, and what images are compared with.

These jobs reserve nothing, and no bound counts them. Verifications and drills are limited to a part of what is idle on
their way; an expiry moves no bytes to speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Literal

from msgspec.structs import replace

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.thaw import thaw_of
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.planning.settings import grace_days
from bkpc_compiler.program.model import Keep, Policy, Store
from bkpc_compiler.timetable.calendar import DAY, HOUR, MINUTE
from bkpc_grammar import plan

NOON = 12 * 60
"""What is deleted is deleted when people are at work, and not while images are taken."""
EXPIRY_TIMEOUT = 6 * HOUR
DRILL_TIMEOUT = 3 * DAY
PAUSE = 5 * MINUTE
_RETRY = plan.Retry(attempts=3, pause_ms=PAUSE, budget_ms=0)
_LEAST_PART = 50
"""A verification gets a fiftieth of the narrowest place on its way, however little is idle."""


def upkeep_of(analysis: Analysis, jobs: Sequence[plan.Job]) -> tuple[plan.Job, ...]:
    """A verification for each image or copy of a policy that asks for it, an expiry for each database that keeps by
    rule, a drill for each whose policy holds drills. `jobs`: those that fill stores."""
    policies = _policies(analysis)
    placed = {job.id for job in jobs}
    filling = [one for one in analysis.demand.jobs if one.id in placed]
    known = {one.name: one for one in analysis.program.stores}
    verified = [one for one in filling if _is_verified(policies[one.database], known[one.store])]
    reading: dict[str, tuple[str, tuple[str, ...]]]
    reading = {f"{one.id}/verify": (one.database, (one.store,)) for one in verified}
    drilled = _drilled(policies, filling)
    reading |= {f"{database}/drill": (database, stores) for database, stores in drilled.items()}
    limits = _limits(analysis, reading)
    by_id = {job.id: job for job in jobs}
    found = [_verification(by_id[one.id], limits) for one in verified]
    filled: dict[str, set[str]] = {}
    for flow in analysis.demand.flows:
        filled.setdefault(flow.database, set()).add(flow.store)
    for database, policy in sorted(policies.items()):
        stores = tuple(sorted(filled.get(database, ())))
        if policy.keep is not None and stores:
            found.append(_expiry(database, policy.keep, stores))
        if database in drilled:
            found.append(_drill(database, policy, drilled[database], limits))
    return tuple(found)


def retention_of(analysis: Analysis, jobs: Sequence[plan.Job]) -> tuple[plan.Retention, ...]:
    """What is kept of each database in each store that a job or stream fills."""
    policies = _policies(analysis)
    stores = {one.name: one for one in analysis.program.stores}
    grace = grace_days(jobs) * DAY
    own: dict[str, list[plan.Job]] = {}
    for job in jobs:
        own.setdefault(job.database, []).append(job)
    return tuple(
        _kept(database, stores[store], policies[database], grace, _fresh(own.get(database, ()), store))
        for database, store in sorted({(flow.database, flow.store) for flow in analysis.demand.flows})
    )


def flow_of(analysis: Analysis) -> tuple[plan.Flow, ...]:
    """What a policy's `flow` says of images; nothing of a database whose policy says nothing of them."""
    found = []
    for database, policy in sorted(_policies(analysis).items()):
        flow = policy.flow
        if flow and (flow.size_warn is not None or flow.size_hold is not None or flow.verify_every_backup):
            warn, hold = _permille(flow.size_warn), _permille(flow.size_hold)
            verify = flow.verify_every_backup
            found.append(plan.Flow(database=database, size_warn_permille=warn, size_hold_permille=hold, verify=verify))
    return tuple(found)


def _policies(analysis: Analysis) -> dict[str, Policy]:
    return {one.database: one.policy for one in analysis.program.protections}


def _permille(share: Fraction | None) -> int | None:
    """To the strict side: a difference is told sooner, never later."""
    return None if share is None else max(1, floor(share * 1000))


def _is_verified(policy: Policy, store: Store) -> bool:
    """Not where each reading must be thawed first, and is paid for."""
    return policy.flow is not None and policy.flow.verify_every_backup and thaw_of(store) is None


def _kept(database: str, store: Store, policy: Policy, grace: int, fresh: int) -> plan.Retention:
    keep = policy.keep
    return plan.Retention(
        database=database,
        store=store.name,
        keep_ms=keep.days.value.milliseconds_up() if keep and keep.days else None,
        daily=keep.daily if keep else 0,
        weekly=keep.weekly if keep else 0,
        monthly=keep.monthly if keep else 0,
        yearly=keep.yearly if keep else 0,
        lock_ms=policy.lock.value.milliseconds_up() if policy.lock else None,
        timezone=keep.timezone if keep else "UTC",
        grace_ms=grace,
        fresh_ms=fresh,
        verified=_is_verified(policy, store),
    )


def _fresh(own: Sequence[plan.Job], store: str) -> int:
    """One missed release is no trouble, two are: twice the longest way from a release to a whole image in the store.
    `own`: the jobs of one database.

    A store of log alone has no image of its own that could be fresh.
    """
    lasting = {job.id: job.schedule.period_ms + job.schedule.window_ms for job in own}
    ways = [lasting[job.id] + _before(job, lasting) for job in own if store in job.stores]
    return 2 * max(ways, default=0)


def _before(job: plan.Job, lasting: Mapping[str, int]) -> int:
    return max((lasting[name] for name in job.requires if name in lasting), default=0)


def _drilled(policies: Mapping[str, Policy], filling: Sequence[JobDemand]) -> dict[str, tuple[str, ...]]:
    """The stores with images of each database whose policy holds drills."""
    found: dict[str, set[str]] = {}
    for job in filling:
        flow = policies[job.database].flow
        if flow and flow.drill:
            found.setdefault(job.database, set()).add(job.store)
    return {database: tuple(sorted(stores)) for database, stores in found.items()}


def _verification(job: plan.Job, limits: Mapping[str, int | None]) -> plan.Job:
    """After the image's slot; what is late is found by the next."""
    when = job.schedule
    schedule = _beside(when, when.offset_ms + when.slot_ms)
    made = _job(f"{job.id}/verify", "verify", job.database, schedule, job.stores)
    timeout = job.timeout_ms
    return replace(made, limit=limits[made.id], expect_bytes=job.expect_bytes, timeout_ms=timeout, requires=(job.id,))


def _beside(when: plan.Schedule, offset: int) -> plan.Schedule:
    return plan.Schedule(
        cadence=when.cadence,
        period_ms=when.period_ms,
        at_minute=when.at_minute,
        weekday=when.weekday,
        day=when.day,
        timezone=when.timezone,
        offset_ms=offset,
        slot_ms=0,
        window_ms=max(when.period_ms, offset),
    )


def _expiry(database: str, keep: Keep, stores: tuple[str, ...]) -> plan.Job:
    schedule = plan.Schedule(
        cadence="daily",
        period_ms=DAY,
        at_minute=NOON,
        weekday=None,
        day=None,
        timezone=keep.timezone,
        offset_ms=0,
        slot_ms=0,
        window_ms=DAY,
    )
    return replace(_job(f"{database}/expire", "expire", database, schedule, stores), timeout_ms=EXPIRY_TIMEOUT)


def _drill(database: str, policy: Policy, stores: tuple[str, ...], limits: Mapping[str, int | None]) -> plan.Job:
    """From the stores with images, in turns. Whoever holds it opens backups, so needs a key that opens them."""
    assert policy.flow is not None
    assert policy.flow.drill is not None
    when = policy.flow.drill
    schedule = plan.Schedule(
        cadence=when.cadence.value,
        period_ms=when.period.milliseconds_up(),
        at_minute=when.at,
        weekday=when.weekday,
        day=when.day,
        timezone=when.timezone,
        offset_ms=0,
        slot_ms=0,
        window_ms=when.period.milliseconds_up(),
    )
    recipients = policy.encryption.recipients if policy.encryption else ()
    made = _job(f"{database}/drill", "drill", database, schedule, stores)
    return replace(made, recipients=recipients, timeout_ms=DRILL_TIMEOUT, limit=limits[made.id])


def _job(
    id_: str, kind: Literal["verify", "expire", "drill"], database: str, when: plan.Schedule, stores: tuple[str, ...]
) -> plan.Job:
    """One that reserves nothing."""
    return plan.Job(
        id=id_,
        kind=kind,
        database=database,
        schedule=when,
        source_store=None,
        stores=stores,
        recipients=(),
        engine="logical",
        limit=None,
        reserve=(),
        expect_bytes=0,
        timeout_ms=0,
        retry=_RETRY,
        requires=(),
    )


def _limits(analysis: Analysis, reading: Mapping[str, tuple[str, tuple[str, ...]]]) -> dict[str, int | None]:
    """Bytes per second for each that reads stores back, by its id, where `reading` names a database and its stores: all
    that pass a place share a quarter of it, and what is idle there."""
    ways = {id_: tuple(_ways(analysis, database, stores)) for id_, (database, stores) in reading.items()}
    crowd: dict[str, int] = {}
    for way in ways.values():
        for one in way:
            crowd[one.name] = crowd.get(one.name, 0) + 1
    found: dict[str, int | None] = {}
    for id_, (database, stores) in reading.items():
        asked = [job.limit for job in analysis.demand.jobs_by_database[database] if job.store in stores]
        rates = [int(one.value.amount) for one in asked if one]
        rates += [rate for one in ways[id_] if (rate := _idle(analysis, one, crowd[one.name])) is not None]
        found[id_] = min(rates, default=None)
    return found


def _ways(analysis: Analysis, database: str, stores: Iterable[str]) -> Iterator[Resource]:
    """What lies between stores and the site of the database, where bkpc runs."""
    known = {one.name: one for one in analysis.program.stores}
    site = analysis.setting.databases[database].site
    passed = {one.name: one for store in stores for one in analysis.setting.ways.reading(known[store], site, ()) or ()}
    yield from passed.values()


def _idle(analysis: Analysis, resource: Resource, sharing: int) -> int | None:
    usable = analysis.setting.ways.usable(resource)
    if usable is None:
        return None
    idle = min(usable // 4, usable - analysis.demand.peaks.get(resource.name, 0))
    return max(idle, usable // _LEAST_PART, 1) // sharing or 1
