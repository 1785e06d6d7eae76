"""What keeps a repository in order: verification and expiry as jobs, what is kept, and what images are compared with.

These jobs reserve nothing, and no bound counts them. A verification is limited to a part of what is idle on its way;
an expiry moves no bytes to speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import floor

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.planning.settings import grace_days
from bkpc_compiler.program.model import Keep, Policy
from bkpc_compiler.timetable.calendar import DAY, HOUR, MINUTE
from bkpc_grammar import plan

NOON = 12 * 60
"""What is deleted is deleted when people are at work, and not while images are taken."""
EXPIRY_TIMEOUT = 6 * HOUR
PAUSE = 5 * MINUTE
_RETRY = plan.Retry(attempts=3, pause_ms=PAUSE, budget_ms=0)
_LEAST_PART = 50
"""A verification gets a fiftieth of the narrowest place on its way, however little is idle."""


def upkeep_of(analysis: Analysis, jobs: Sequence[plan.Job]) -> tuple[plan.Job, ...]:
    """A verification for each image or copy of a policy that asks for it, an expiry for each database that keeps by
    rule. `jobs`: those that fill stores."""
    policies = _policies(analysis)
    placed = {job.id for job in jobs}
    filling = [one for one in analysis.demand.jobs if one.id in placed]
    verified = [one for one in filling if (flow := policies[one.database].flow) and flow.verify_every_backup]
    limits = _limits(analysis, verified)
    found = [_verification(one, job, limits) for one in verified for job in jobs if job.id == one.id]
    for database, policy in sorted(policies.items()):
        stores = tuple(sorted({flow.store for flow in analysis.demand.flows if flow.database == database}))
        if policy.keep is not None and stores:
            found.append(_expiry(database, policy.keep, stores))
    return tuple(found)


def retention_of(analysis: Analysis, jobs: Sequence[plan.Job]) -> tuple[plan.Retention, ...]:
    """What is kept of each database in each store that a job or stream fills."""
    policies = _policies(analysis)
    grace = grace_days(jobs) * DAY
    return tuple(
        _kept(database, store, policies[database], grace, _fresh(jobs, database, store))
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


def _kept(database: str, store: str, policy: Policy, grace: int, fresh: int) -> plan.Retention:
    keep, flow = policy.keep, policy.flow
    return plan.Retention(
        database=database,
        store=store,
        keep_ms=keep.days.value.milliseconds_up() if keep and keep.days else None,
        daily=keep.daily if keep else 0,
        weekly=keep.weekly if keep else 0,
        monthly=keep.monthly if keep else 0,
        yearly=keep.yearly if keep else 0,
        lock_ms=policy.lock.value.milliseconds_up() if policy.lock else None,
        timezone=keep.timezone if keep else "UTC",
        grace_ms=grace,
        fresh_ms=fresh,
        verified=bool(flow and flow.verify_every_backup),
    )


def _fresh(jobs: Sequence[plan.Job], database: str, store: str) -> int:
    """One missed release is no trouble, two are: twice the longest way from a release to a whole image in the store.

    A store of log alone has no image of its own that could be fresh.
    """
    own = [job for job in jobs if job.database == database]
    lasting = {job.id: job.schedule.period_ms + job.schedule.window_ms for job in own}
    ways = [lasting[job.id] + _before(job, lasting) for job in own if store in job.stores]
    return 2 * max(ways, default=0)


def _before(job: plan.Job, lasting: Mapping[str, int]) -> int:
    return max((lasting[name] for name in job.requires if name in lasting), default=0)


def _verification(demand: JobDemand, job: plan.Job, limits: Mapping[str, int | None]) -> plan.Job:
    """After the image's slot; what is late is found by the next."""
    when = job.schedule
    return plan.Job(
        id=f"{job.id}/verify",
        kind="verify",
        database=job.database,
        schedule=_beside(when, when.offset_ms + when.slot_ms),
        source_store=None,
        stores=job.stores,
        recipients=(),
        engine="logical",
        limit=limits[demand.id],
        reserve=(),
        expect_bytes=job.expect_bytes,
        timeout_ms=job.timeout_ms,
        retry=_RETRY,
        requires=(job.id,),
    )


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
    return plan.Job(
        id=f"{database}/expire",
        kind="expire",
        database=database,
        schedule=plan.Schedule(
            cadence="daily",
            period_ms=DAY,
            at_minute=NOON,
            weekday=None,
            day=None,
            timezone=keep.timezone,
            offset_ms=0,
            slot_ms=0,
            window_ms=DAY,
        ),
        source_store=None,
        stores=stores,
        recipients=(),
        engine="logical",
        limit=None,
        reserve=(),
        expect_bytes=0,
        timeout_ms=EXPIRY_TIMEOUT,
        retry=_RETRY,
        requires=(),
    )


def _limits(analysis: Analysis, verified: Iterable[JobDemand]) -> dict[str, int | None]:
    """Bytes per second for each verification: all that pass a place share a quarter of it, and what is idle there."""
    ways = {job.id: tuple(_way(analysis, job)) for job in verified}
    crowd: dict[str, int] = {}
    for way in ways.values():
        for one in way:
            crowd[one.name] = crowd.get(one.name, 0) + 1
    flows = {job.id: job.limit for job in analysis.demand.jobs}
    found: dict[str, int | None] = {}
    for id_, way in ways.items():
        limit = flows[id_]
        rates = [int(limit.value.amount)] if limit else []
        rates += [rate for one in way if (rate := _idle(analysis, one, crowd[one.name])) is not None]
        found[id_] = min(rates, default=None)
    return found


def _way(analysis: Analysis, job: JobDemand) -> Iterator[Resource]:
    """What lies between the store and the site of the database, where bkpc runs."""
    stores = {one.name: one for one in analysis.program.stores}
    site = next(one.site for one in analysis.program.databases if one.name == job.database)
    yield from analysis.setting.ways.reading(stores[job.store], site, ()) or ()


def _idle(analysis: Analysis, resource: Resource, sharing: int) -> int | None:
    usable = analysis.setting.ways.usable(resource)
    if usable is None:
        return None
    idle = min(usable // 4, usable - analysis.demand.peaks.get(resource.name, 0))
    return max(idle, usable // _LEAST_PART, 1) // sharing or 1
