"""From a proved analysis to the plan: the same analysis, the same bytes."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from bkpc_compiler.estate.resources import derated
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.planning.objectives import LineOf, objectives_of
from bkpc_compiler.planning.recoveries import recoveries_of
from bkpc_compiler.planning.settings import settings_of
from bkpc_compiler.planning.upkeep import flow_of, retention_of, upkeep_of
from bkpc_compiler.program.model import ColdLevel, Credentials, Database, Policy, Protection, Schedule, Store
from bkpc_compiler.timetable.requests import Slot
from bkpc_grammar import plan
from bkpc_grammar.address import host_and_port, never_leaves
from bkpc_grammar.canonical import sealed
from bkpc_grammar.plan import SCHEMA_VERSION
from bkpc_grammar.quantities import ZERO_DURATION, duration

SLACK = 3
"""A job has failed after this many times its window: late is not lost, hung is."""
ATTEMPTS = 3
LONGEST_PAUSE = 60_000
"""Milliseconds before the second attempt; less where the slot has no room for it."""
SHORTEST_EXPIRY = duration(1, "d")


def emit(analysis: Analysis, version: str, line_of: LineOf) -> plan.Plan:
    """The sealed plan. `line_of` names the place of a span as `file:line`."""
    program = analysis.program
    protected = {one.database: one.policy for one in program.protections}
    jobs = _jobs(analysis)
    upkeep = upkeep_of(analysis, jobs)
    document = plan.Plan(
        header=plan.Header(
            schema_version=SCHEMA_VERSION,
            compiler_version=version,
            edition=program.edition,
            sources=tuple(plan.Source(path=path, sha256=digest) for path, digest in sorted(program.files)),
            digest="",
        ),
        estate=_estate(analysis),
        groups=_groups(analysis),
        resources=_resources(analysis),
        jobs=tuple(sorted((*jobs, *upkeep), key=lambda job: job.id)),
        streams=_streams(analysis, protected),
        retention=retention_of(analysis, jobs),
        flow=flow_of(analysis),
        settings=settings_of(analysis, jobs),
        preflight=tuple(_preflight(analysis, one) for one in sorted(program.protections, key=lambda one: one.database)),
        recoveries=recoveries_of(analysis),
        objectives=objectives_of(analysis, line_of),
    )
    return sealed(document)


def _estate(analysis: Analysis) -> plan.Estate:
    program = analysis.program
    regions = {site.name: site.region for site in program.sites}
    protected = {one.database for one in program.protections}
    named = {flow.store for flow in analysis.demand.flows}
    named |= {job.source for job in analysis.demand.jobs if job.source}
    named |= {one.replica.value for one in program.stores if one.replica and one.name in named}
    return plan.Estate(
        databases=tuple(_database(one) for one in program.databases if one.name in protected),
        stores=tuple(_store(one, regions[one.site]) for one in program.stores if one.name in named),
    )


def _groups(analysis: Analysis) -> tuple[plan.Group, ...]:
    protected = {one.database for one in analysis.program.protections}
    groups = ((one.name, tuple(sorted(set(one.members) & protected))) for one in analysis.program.groups)
    return tuple(plan.Group(name=name, databases=members) for name, members in sorted(groups) if members)


def _resources(analysis: Analysis) -> tuple[plan.Resource, ...]:
    """Everything with a capacity that a job, a stream or a recovery passes."""
    passed = {one.name: one for flow in analysis.demand.flows for one in flow.resources}
    for outage in analysis.outages.values():
        for recovery in outage.recoveries:
            passed |= {one.name: one for transfer in recovery.transfers for one in transfer.resources}
    found = []
    for name, one in sorted(passed.items()):
        usable = derated(one, analysis.program.headroom.value)
        if one.capacity is not None and usable is not None:
            found.append(plan.Resource(name=name, capacity=int(one.capacity.amount), usable=int(usable)))
    return tuple(found)


def _credentials(credentials: Credentials | None) -> plan.CredentialReference | None:
    if credentials is None:
        return None
    return plan.CredentialReference(kind=credentials.kind, names=credentials.names)


def _stays_here(database: Database) -> bool:
    """Whether nothing that is said to the server leaves its machine: only then TLS may be left out unasked."""
    host, _ = host_and_port(database.address)
    return not host or never_leaves(host)


def _database(database: Database) -> plan.Database:
    default = "off" if _stays_here(database) else "verify-identity"
    tls = plan.TransportSecurity(
        mode=database.tls.mode if database.tls else default,  # type: ignore[arg-type] # resolved to one of the four
        ca=database.tls.ca if database.tls else None,
    )
    return plan.Database(
        name=database.name,
        site=database.site,
        address=database.address,
        credentials=_credentials(database.credentials),
        tls=tls,
        size_bytes=database.size.value.bytes_up(),
        log_rate=ceil(database.writes.value.bytes_per_second),
        tables=database.tables.value.number if database.tables else None,
    )


def _store(store: Store, region: str) -> plan.Store:
    storage = store.storage_class.value if store.storage_class else None
    thaw = storage.thaw.value if storage and storage.thaw else ZERO_DURATION
    return plan.Store(
        name=store.name,
        site=store.site,
        kind="oss" if store.kind == "oss" else "directory",
        location=store.location,
        endpoint=store.endpoint,
        region=region,
        storage_class=storage.name if storage else None,
        redundancy=store.redundancy.value if store.redundancy else None,
        thaw_ms=thaw.milliseconds_up(),
        credentials=_credentials(store.credentials),
    )


def _reserve(flow: JobDemand | StreamDemand) -> tuple[plan.Reservation, ...]:
    names = sorted({one.name for one in flow.resources if one.capacity is not None})
    slot = flow.slot if isinstance(flow, JobDemand) else None
    return tuple(plan.Reservation(resource=name, rate=slot.on(name) if slot else flow.rate) for name in names)


def _recipients(policy: Policy) -> tuple[str, ...]:
    return policy.encryption.recipients if policy.encryption else ()


def _jobs(analysis: Analysis) -> tuple[plan.Job, ...]:
    policies = {one.database: one.policy for one in analysis.program.protections}
    # A job that fits nowhere is an error of `check` already; what else there is can still be looked at.
    jobs = [
        _job(job, job.slot, policies[job.database], analysis) for job in analysis.demand.jobs if job.slot is not None
    ]
    return tuple(sorted(jobs, key=lambda job: job.id))


def _job(job: JobDemand, slot: Slot, policy: Policy, analysis: Analysis) -> plan.Job:
    beside = analysis.demand.jobs_by_database[job.database]
    if job.incremental:
        needed = [one.id for one in beside if one.store == job.store and one.begins_chains]
    else:
        needed = [one.id for one in beside if one.store == job.source] if job.source else []
    return plan.Job(
        id=job.id,
        kind="copy" if job.source else "backup.incremental" if job.incremental else "backup.full",
        database=job.database,
        schedule=_schedule(job.schedule, slot),
        source_store=job.source,
        stores=(job.store,),
        recipients=_recipients(policy),
        engine="logical" if isinstance(job.level, ColdLevel) else job.level.engine,
        limit=_limit(job),
        reserve=_reserve(job),
        expect_bytes=job.bytes.bytes_up(),
        timeout_ms=max(slot.end, job.window.milliseconds_up()) * SLACK,
        retry=_retry(job, slot, analysis.program.retries.value),
        requires=tuple(sorted(needed)),
        thaw_ms=job.lead,
    )


def _limit(job: JobDemand) -> int | None:
    """What it may use at most: its reservation, where others share a way whose capacity is declared."""
    limits = [int(job.limit.value.amount)] if job.limit else []
    if any(one.firm and not one.name.startswith("database:") for one in job.resources):
        limits.append(job.rate)
    return min(limits, default=None)


def _retry(job: JobDemand, slot: Slot, retries: Fraction) -> plan.Retry:
    """What failed attempts may cost, of the time the job's bytes take; the pauses, which double, fit into half."""
    budget = int(job.bytes.amount * retries * 1000 / slot.rate) if slot.rate else 0
    if slot.reads:
        budget += int((job.read.amount - job.bytes.amount) * retries * 1000 / slot.reads)
    budget += int(job.beside * retries)
    return plan.Retry(attempts=ATTEMPTS, pause_ms=min(LONGEST_PAUSE, budget // 6), budget_ms=budget)


def _schedule(schedule: Schedule, slot: Slot) -> plan.Schedule:
    window = schedule.window.value if schedule.window else schedule.period
    return plan.Schedule(
        cadence=schedule.cadence.value,
        period_ms=schedule.period.milliseconds_up(),
        at_minute=schedule.at,
        weekday=schedule.weekday,
        day=schedule.day,
        timezone=schedule.timezone,
        offset_ms=slot.offset,
        slot_ms=slot.length,
        window_ms=max(slot.end, int(window.amount * 1000)),
    )


def _streams(analysis: Analysis, policies: dict[str, Policy]) -> tuple[plan.Stream, ...]:
    by_id: dict[str, list[StreamDemand]] = {}
    for stream in analysis.demand.streams:
        if not stream.fits:  # an error of `check` already
            continue
        by_id.setdefault(stream.id, []).append(stream)
    return tuple(_stream(id_, flows, policies[flows[0].database]) for id_, flows in sorted(by_id.items()))


def _stream(id_: str, flows: list[StreamDemand], policy: Policy) -> plan.Stream:
    level = flows[0].level
    total: dict[str, int] = {}
    for reservation in (one for flow in flows for one in _reserve(flow)):
        total[reservation.resource] = total.get(reservation.resource, 0) + reservation.rate
    rates = {flow.store: flow.rate for flow in flows}
    lag_warn = policy.flow.lag_warn if policy.flow else None
    lag_fail = policy.flow.lag_fail if policy.flow else None
    return plan.Stream(
        id=id_,
        database=flows[0].database,
        stores=tuple(sorted(rates)),
        flush_ms=int(level.flush.value.amount * 1000),
        sync=level.sync,
        quorum=level.quorum,
        on_outage=level.on_outage,
        degrade_after_ms=level.degrade_after.value.milliseconds_up() if level.degrade_after else None,
        recipients=_recipients(policy),
        rates=tuple(rate for _, rate in sorted(rates.items())),
        reserve=tuple(plan.Reservation(resource=name, rate=rate) for name, rate in sorted(total.items())),
        lag_warn_ms=lag_warn.value.milliseconds_up() if lag_warn else None,
        lag_fail_ms=lag_fail.value.milliseconds_up() if lag_fail else None,
        known_ms=flows[0].known,
    )


def _preflight(analysis: Analysis, protection: Protection) -> plan.Preflight:
    """The server keeps its binlogs twice as long as images are apart: the stream may be down that long."""
    policy = protection.policy
    periods = [level.schedule.period for level in policy.images]
    longest = max((period.times(2) for period in periods), default=SHORTEST_EXPIRY)
    database = analysis.setting.databases[protection.database]
    transfer = bool(policy.encryption and policy.encryption.transfer)
    return plan.Preflight(
        database=protection.database,
        binlog=bool(policy.hot),
        binlog_expiry_ms=max(longest, SHORTEST_EXPIRY).milliseconds_up() if policy.hot else 0,
        require_tls=transfer and not _stays_here(database),
    )
