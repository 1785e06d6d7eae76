"""A policy as levels: which image and log reaches which store, how old it may be there, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from bkpc_compiler.estate.failures import loss_of, survives
from bkpc_compiler.estate.resources import links_of, reads_of, writes_of
from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import Demand, JobDemand, StreamDemand, transfer_at_best
from bkpc_compiler.program.model import ColdLevel, Database, HotLevel, ImageLevel, Policy, Program, Store
from bkpc_grammar.quantities import ZERO_DURATION, Duration

MOST_HOPS = 4
"""Copies of copies of copies: a chain longer than this is not followed."""


@dataclass(frozen=True, slots=True)
class ImageCopy:
    """The images of one database in one store.

    `age`: how old the newest usable one may be, over every instant; None where nothing bounds it.
    `age_at_least`: what no schedule betters in the worst instant. `gap`: between two snapshots at least.
    """

    id: str
    store: Store
    age: Bound | None
    age_at_least: Bound
    jobs: tuple[JobDemand, ...]

    @property
    def gap(self) -> Duration:
        """The longest period on the way: two snapshots here are that far apart at some time."""
        return max(job.schedule.period for job in self.jobs)


def jobs_of(program: Program, routes: Routes, database: Database, policy: Policy) -> tuple[JobDemand, ...]:
    """Every full-image and copy job of `database`; levels whose stores can't be reached are left out."""
    stores = {store.name: store for store in program.stores}
    taken: dict[str, int] = {}
    jobs: list[JobDemand] = []
    levels: tuple[ImageLevel | ColdLevel, ...] = (*policy.images, *policy.cold)
    for level in levels:
        if isinstance(level, ImageLevel) and level.kind != "full":
            continue
        for target in level.stores:
            source = stores[level.source.value] if isinstance(level, ColdLevel) else None
            job = _job(routes, database, policy, level, store=stores[target.value], source=source)
            if job is not None:
                jobs.append(_numbered(job, taken))
    return tuple(jobs)


def _job(
    routes: Routes,
    database: Database,
    policy: Policy,
    level: ImageLevel | ColdLevel,
    *,
    store: Store,
    source: Store | None,
) -> JobDemand | None:
    route = routes.between(source.site if source else database.site, store.site)
    if route is None:
        return None
    kind = "cold" if source else "full"
    reading = (reads_of(source),) if source else ()
    return JobDemand(
        id=f"{database.name}/{kind}/{store.name}",
        database=database.name,
        level=level,
        source=source.name if source else None,
        store=store.name,
        bytes=database.size.value,
        resources=(*reading, *links_of(route), writes_of(store)),
        limit=policy.flow.limit if policy.flow else None,
        within=None,
    )


def _numbered(job: JobDemand, taken: dict[str, int]) -> JobDemand:
    taken[job.id] = taken.get(job.id, 0) + 1
    return job if taken[job.id] == 1 else replace(job, id=f"{job.id}/{taken[job.id]}")


def streams_of(program: Program, routes: Routes, database: Database, policy: Policy) -> tuple[StreamDemand, ...]:
    """One stream per hot level and store, with the least rate that meets the promises it serves."""
    stores = {store.name: store for store in program.stores}
    streams = []
    for number, level in enumerate(policy.hot, 1):
        for target in level.stores:
            route = routes.between(database.site, stores[target.value].site)
            if route is None:
                continue
            name = f"{database.name}/hot" if number == 1 else f"{database.name}/hot/{number}"
            streams.append(
                StreamDemand(
                    id=name,
                    database=database.name,
                    level=level,
                    store=target.value,
                    resources=(*links_of(route), writes_of(stores[target.value])),
                    latency=route.latency,
                    writes=database.writes,
                    burst=database.burst,
                    rate=max(1, ceil(database.writes.value.amount)),
                )
            )
    return _with_least_rates(program, database, policy, tuple(streams))


def _with_least_rates(
    program: Program, database: Database, policy: Policy, streams: tuple[StreamDemand, ...]
) -> tuple[StreamDemand, ...]:
    """Each promise with an RPO is served by the nearest stream that survives its scope and can meet it."""
    stores = {store.name: store for store in program.stores}
    rates = [stream.rate for stream in streams]
    for promise in policy.promises:
        if promise.rpo is None:
            continue
        loss = loss_of(program, database, promise.scope)
        fit = [
            index
            for index, stream in enumerate(streams)
            if survives(stores[stream.store], loss, database, policy)
            and promise.rpo.value > stream.level.flush.value + stream.latency
        ]
        if fit:
            best = min(fit, key=lambda index: (streams[index].latency, streams[index].store, index))
            slack = promise.rpo.value - streams[best].level.flush.value - streams[best].latency
            rates[best] = max(rates[best], ceil(streams[best].burst.value.amount / slack.amount))
    return tuple(replace(stream, rate=rate) for stream, rate in zip(streams, rates, strict=True))


def image_copies(program: Program, database: Database, demand: Demand) -> tuple[ImageCopy, ...]:
    """Where images of `database` are, and how old, after the jobs were settled."""
    stores = {store.name: store for store in program.stores}
    jobs = [job for job in demand.jobs if job.database == database.name]
    copies: list[ImageCopy] = []
    fresh = [_image(job, stores[job.store], None, bool(_hot(demand, database))) for job in jobs if not job.source]
    for _ in range(MOST_HOPS):
        copies += fresh
        fresh = [
            _image(job, stores[job.store], upstream, bool(_hot(demand, database)))
            for job in jobs
            for upstream in fresh
            if job.source == upstream.store.name and job not in upstream.jobs
        ]
    return tuple(copies)


def _hot(demand: Demand, database: Database) -> list[HotLevel]:
    return [stream.level for stream in demand.streams if stream.database == database.name]


def _image(job: JobDemand, store: Store, upstream: ImageCopy | None, has_log: bool) -> ImageCopy:
    jobs = (*(upstream.jobs if upstream else ()), job)
    age: Bound | None = None
    if job.within is not None and (upstream is None or upstream.age is not None):
        before = upstream.age.terms if upstream and upstream.age else ()
        age = Bound((*before, *_period_and_window(job, job.within)))
    return ImageCopy(job.id, store, age, _age_at_least(jobs, has_log), jobs)


def _period_and_window(job: JobDemand, within: Duration) -> tuple[Term, ...]:
    what = f"copy to `{job.store}`" if job.source else f"full backup to `{job.store}`"
    schedule = job.schedule
    return (
        Term(f"since the {what} before was due", schedule.period, (schedule.span,)),
        Term(f"until the {what} is done", within, (schedule.window.span if schedule.window else schedule.span,)),
    )


def _age_at_least(jobs: tuple[JobDemand, ...], has_log: bool) -> Bound:
    """The longest period, and the transfers one after the other: an image is copied when it is whole.

    Where there is a log, a copy may take it along: then only the last copy's own period counts.
    """
    slowest = jobs[-1] if has_log else max(jobs, key=lambda job: job.schedule.period)
    what = f"two copies to `{slowest.store}`" if slowest.source else f"two full backups to `{slowest.store}`"
    terms = [Term(f"between {what}", slowest.schedule.period, (slowest.level.span,))]
    for job in () if has_log else jobs:
        took, span, words = transfer_at_best(job.resources, job.bytes)
        if took > ZERO_DURATION:
            what = f"copying {job.bytes} to `{job.store}`" if job.source else f"writing {job.bytes} to `{job.store}`"
            terms.append(Term(f"{what} through {words}", took, (span,) if span else ()))
    return Bound(tuple(terms))


def log_delay(stream: StreamDemand) -> tuple[Bound | None, Bound]:
    """How long a committed transaction may be on its way to the store: upper and lower bound.

    Network calculus: arrivals burst + rate·t, served at the reserved rate after flush and latency.
    """
    flush = stream.level.flush
    latency = Term(f"latency on the way to `{stream.store}`", stream.latency)
    took, span, words = transfer_at_best(stream.resources, stream.burst.value)
    lower = Bound((latency, Term(f"a burst through {words}", took, (span,) if span else ())))
    if not stream.fits:
        return None, lower
    drain = Duration(stream.burst.value.amount / stream.rate)
    upper = Bound(
        (
            Term("until the log is flushed", flush.value, (flush.span,), flush.origin),
            latency,
            Term(f"a burst of {stream.burst.value} at the reserved rate", drain, (stream.burst.span,)),
        )
    )
    return upper, lower


def hopeless_rate(stream: StreamDemand) -> bool:
    """Whether the log is written faster than its way can ever carry it."""
    return any(one.capacity is not None and stream.writes.value > one.capacity for one in stream.resources)
