"""A policy as levels: which image and log reaches which store, and what each asks of the resources on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from msgspec.structs import replace

from bkpc_compiler.estate.failures import Loss, Losses, survives
from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.increments import Increments, increments_in, limited_by_changes
from bkpc_compiler.feasibility.job_objects import objects_moved, with_more
from bkpc_compiler.feasibility.log_delay import least_rate
from bkpc_compiler.feasibility.starting import job_starting
from bkpc_compiler.feasibility.stream import StreamDemand, arrivals_of
from bkpc_compiler.program.model import ColdLevel, Database, ImageLevel, Policy, Protection, Schedule, Scope, Store
from bkpc_compiler.timetable.calendar import rhythm_of
from bkpc_grammar.log_objects import KNOWN_LEAST_MS, KNOWN_MOST_MS, KNOWN_SHARE

KEEPS_UP = Fraction(5, 4)
"""What a stream is reserved at least where there is room, as a multiple of what is written: a log that waited catches
up soon. Where there is none, what its promises ask is enough."""


def jobs_of(ways: Ways, stores: Mapping[str, Store], database: Database, policy: Policy) -> tuple[JobDemand, ...]:
    """Every image and copy job of `database`; levels whose stores can't be reached are left out."""
    taken: dict[str, int] = {}
    jobs: list[JobDemand] = []
    levels: tuple[ImageLevel | ColdLevel, ...] = (*policy.images, *policy.cold)
    for level in levels:
        for target in level.stores:
            source = stores[level.source.value] if isinstance(level, ColdLevel) else None
            job = _job(ways, database, policy, level, store=stores[target.value], source=source)
            if job is not None:
                jobs.append(_numbered(job, taken))
    return tuple(jobs)


def with_increments(jobs: Sequence[JobDemand], left_out: Mapping[str, int] | None = None) -> list[JobDemand]:
    """`jobs` of all databases, each incremental one with what it may hold, and copies with what they move of them.

    `left_out`: how many in a row are, by id; None: as many as windows allow.
    """
    mixed = {job.database for job in jobs if job.incremental}
    if not mixed:
        return list(jobs)
    servers = {job.server for job in jobs if job.database in mixed}
    beside: dict[str, list[JobDemand]] = {}
    for job in jobs:
        if job.server in servers:
            beside.setdefault(job.server, []).append(job)
    found = [limited_by_changes(job, beside[job.server], left_out) if job.incremental else job for job in jobs]
    of: dict[str, list[JobDemand]] = {}
    for job in found:
        if job.database in mixed:
            of.setdefault(job.database, []).append(job)
    behind = {name: increments_in(its, planned=False) for name, its in of.items()}
    return [_carrying(job, behind.get(job.database, {})) if job.source else job for job in found]


def _carrying(job: JobDemand, behind: Mapping[str, Increments]) -> JobDemand:
    """A copy moves the newest image with all that it builds on."""
    if not job.source or job.source not in behind:
        return job
    more = behind[job.source]
    if job.objects is None:
        return replace(job, behind=more.bytes)
    objects = with_more(job.objects, more.bytes, more.count)
    beside = job.beside + objects.wait - job.objects.wait
    return replace(job, behind=more.bytes, objects=objects, beside=beside)


def _job(
    ways: Ways,
    database: Database,
    policy: Policy,
    level: ImageLevel | ColdLevel,
    *,
    store: Store,
    source: Store | None,
) -> JobDemand | None:
    way = ways.writing(source.site if source else database.site, store)
    if way is None:
        return None
    reading = ways.reads_of(source) if source else (ways.dumps_of(database),)
    route = ways.routes.between(source.site if source else database.site, store.site)
    objects = objects_moved(database, policy, level, route.links if route else (), way[1])
    return JobDemand(
        id=f"{database.name}/{'cold' if isinstance(level, ColdLevel) else level.kind}/{store.name}",
        database=database.name,
        level=level,
        source=source.name if source else None,
        store=store.name,
        size=database.size,
        resources=(*reading, *way[1]),
        rhythm=ways.rhythm(level.schedule),
        limit=policy.flow.limit if policy.flow else None,
        changes=database.changes,
        server=ways.server_of(database),
        beside=job_starting(database, policy, level) + (objects.wait if objects else 0),
        objects=objects,
    )


def _numbered(job: JobDemand, taken: dict[str, int]) -> JobDemand:
    taken[job.id] = taken.get(job.id, 0) + 1
    return job if taken[job.id] == 1 else replace(job, id=f"{job.id}/{taken[job.id]}")


Limit = tuple[Loss, Fraction]
"""A failure, and the seconds that may be lost by it."""


def limits_of(
    losses: Losses, databases: Mapping[str, Database], protections: Sequence[Protection]
) -> tuple[Limit, ...]:
    """What is promised of the loss of a database; or of all of a group, which go back to one point: each limit once."""
    found: dict[tuple[Scope, str, tuple[int, int]], Limit] = {}
    for protection in protections:
        for promise in protection.policy.promises:
            if promise.rpo is not None:
                loss = losses.of(databases[protection.database], promise.scope)
                lost = "" if promise.scope is Scope.CORRUPTION else loss.lost  # all stores are left
                within = promise.rpo.value.amount
                for limit in (within, _beside_images(within, loss, protections)) if len(protections) > 1 else (within,):
                    found.setdefault((loss.scope, lost, limit.as_integer_ratio()), (loss, limit))
    return tuple(found.values())


def _beside_images(within: Fraction, loss: Loss, protections: Sequence[Protection]) -> Fraction:
    """Seconds in which the logs of a group must arrive where a member of it has images only: their point in common is
    as old as its newest image or the slowest log, and then the logs must have reached its snapshot."""
    ages = [_age_of_images(one.policy, loss) for one in protections if not one.policy.hot and one.policy.images]
    if not ages or len(ages) == len(protections) or within <= max(ages):
        return within
    return min(within - max(ages), within / 2)


def _age_of_images(policy: Policy, loss: Loss) -> Fraction:
    """Seconds that the newest image is old at most where every job is done in its window."""
    spans = [_longest(level.schedule) for level in policy.images]
    copies = [_longest(level.schedule) for level in policy.cold] if loss.sites else []
    return min(spans) + sum(copies, start=Fraction(0))


def _longest(schedule: Schedule) -> Fraction:
    window = schedule.window.value if schedule.window else schedule.period
    return Fraction(rhythm_of(schedule).gap, 1000) + window.amount


Unserved = Sequence[tuple[Store, Fraction, Fraction]]
"""Where images alone must keep a promise: a store that the failure leaves, the seconds that may be lost, for how many
of all instants."""


def unserved_of(
    losses: Losses, stores: Mapping[str, Store], database: Database, policy: Policy, streams: Sequence[StreamDemand]
) -> Unserved:
    """The promises of `database` for which no log is reserved that a failure leaves, and the stores it leaves."""
    served = [stores[one.store] for one in streams if one.enough is not None]
    found = []
    for promise in policy.promises:
        if promise.rpo is not None:
            loss = losses.of(database, promise.scope)
            if not any(survives(one, loss, policy) for one in served):
                within, share = promise.rpo.value.amount, promise.rpo_quantile
                found += [(one, within, share) for one in stores.values() if survives(one, loss, policy)]
    return found


def swift_enough(job: JobDemand, unserved: Unserved) -> JobDemand:
    """The job, its slot no longer than lets its images be as young as is promised, where that is possible."""
    if not unserved or job.source or job.incremental:
        return job
    spare = [within * 1000 - share * job.rhythm.gap for one, within, share in unserved if one.name == job.store]
    most = min((int(one) for one in spare if one > 0), default=None)
    return job if most is None else replace(job, swift=most)


def streams_of(
    ways: Ways,
    stores: Mapping[str, Store],
    limits: Sequence[Limit],
    database: Database,
    policy: Policy,
    *,
    grouped: bool,
) -> tuple[StreamDemand, ...]:
    """One stream per hot level and store, with the least rate that meets the `limits` it serves; `grouped`: others go
    back with the database to one point."""
    streams = []
    least = max(1, ceil(database.writes.value.amount * KEEPS_UP))
    for number, level in enumerate(policy.hot, 1):
        for target in level.stores:
            way = ways.writing(database.site, stores[target.value])
            if way is None:
                continue
            latency, passed = way
            streams.append(
                StreamDemand(
                    id=f"{database.name}/hot" if number == 1 else f"{database.name}/hot/{number}",
                    database=database.name,
                    level=level,
                    store=target.value,
                    resources=passed,
                    latency=latency,
                    writes=database.writes,
                    burst=database.burst,
                    rate=least,
                    least=least,
                )
            )
    return (_grouped if grouped else _with_least_rates)(ways, stores, limits, policy, streams)[0]


Served = tuple[tuple[StreamDemand, ...], int]
"""Streams with their rates, and how many limits none serves of those that are left."""


def _grouped(
    ways: Ways, stores: Mapping[str, Store], limits: Sequence[Limit], policy: Policy, streams: Sequence[StreamDemand]
) -> Served:
    """Until when the log is complete is noted seldom beside what may be lost; often where that does not keep it."""
    within = min((within for _, within in limits), default=Fraction(KNOWN_MOST_MS))
    seldom = max(KNOWN_LEAST_MS, min(KNOWN_MOST_MS, int(within * 1000 / KNOWN_SHARE)))

    def noting(every: int) -> Served:
        return _with_least_rates(ways, stores, limits, policy, [replace(one, known=every) for one in streams])

    found = noting(seldom)
    return noting(KNOWN_LEAST_MS) if found[1] else found


def _with_least_rates(
    ways: Ways,
    stores: Mapping[str, Store],
    limits: Sequence[Limit],
    policy: Policy,
    streams: Sequence[StreamDemand],
) -> Served:
    """Each limit is served by the nearest stream that survives the failure and can meet it."""
    enough: dict[int, int] = {}
    missed = 0
    nearest = sorted(range(len(streams)), key=lambda index: (streams[index].latency, streams[index].store))
    known: dict[tuple[int, tuple[int, int]], int | None] = {}
    for loss, within in limits if streams else ():
        for index in nearest:
            stream = streams[index]
            if not survives(stores[stream.store], loss, policy):
                continue
            key = (index, within.as_integer_ratio())
            if key not in known:
                known[key] = least_rate(arrivals_of(stream), within if stream.known is None else within - stream.noted)
            rate = known[key]
            if rate is not None and rate <= _carries(ways, stream):
                enough[index] = max(enough.get(index, 0), rate)
                break
        else:
            left = [one.at_most for one in streams if survives(stores[one.store], loss, policy)]
            missed += bool(left) and not any(most is not None and most <= within for most in left)
    rated = tuple(
        replace(stream, rate=max(stream.rate, enough.get(index, 0)), enough=enough.get(index))
        for index, stream in enumerate(streams)
    )
    return rated, missed


def _carries(ways: Ways, stream: StreamDemand) -> int:
    rooms = (ways.usable(one) for one in stream.resources)
    return min((room for room in rooms if room is not None), default=1 << 62)
