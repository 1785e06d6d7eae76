"""A policy as levels: which image and log reaches which store, and what each asks of the resources on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

from bkpc_compiler.estate.failures import Losses, survives
from bkpc_compiler.estate.resources import Resource, Ways, derated
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import JobDemand, StreamDemand
from bkpc_compiler.feasibility.log_delay import Arrivals, delay, least_delay, least_rate
from bkpc_compiler.program.model import ColdLevel, Database, ImageLevel, Policy, Program, Store
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration, Size

KEEPS_UP = Fraction(5, 4)
"""A stream's least reservation, as a multiple of what is written: a log that waited catches up."""


def jobs_of(ways: Ways, stores: Mapping[str, Store], database: Database, policy: Policy) -> tuple[JobDemand, ...]:
    """Every full-image and copy job of `database`; levels whose stores can't be reached are left out."""
    taken: dict[str, int] = {}
    jobs: list[JobDemand] = []
    levels: tuple[ImageLevel | ColdLevel, ...] = (*policy.images, *policy.cold)
    for level in levels:
        if isinstance(level, ImageLevel) and level.kind != "full":
            continue
        for target in level.stores:
            source = stores[level.source.value] if isinstance(level, ColdLevel) else None
            job = _job(ways, database, policy, level, store=stores[target.value], source=source)
            if job is not None:
                jobs.append(_numbered(job, taken))
    return tuple(jobs)


def _job(
    ways: Ways,
    database: Database,
    policy: Policy,
    level: ImageLevel | ColdLevel,
    *,
    store: Store,
    source: Store | None,
) -> JobDemand | None:
    route = ways.routes.between(source.site if source else database.site, store.site)
    if route is None:
        return None
    reading = ways.reads_of(source) if source else ways.dumps_of(database)
    return JobDemand(
        id=f"{database.name}/{'cold' if source else 'full'}/{store.name}",
        database=database.name,
        level=level,
        source=source.name if source else None,
        store=store.name,
        size=database.size,
        resources=(reading, *ways.links(route), ways.writes_of(store)),
        limit=policy.flow.limit if policy.flow else None,
    )


def _numbered(job: JobDemand, taken: dict[str, int]) -> JobDemand:
    taken[job.id] = taken.get(job.id, 0) + 1
    return job if taken[job.id] == 1 else replace(job, id=f"{job.id}/{taken[job.id]}")


def streams_of(
    ways: Ways, stores: Mapping[str, Store], losses: Losses, database: Database, policy: Policy
) -> tuple[StreamDemand, ...]:
    """One stream per hot level and store, with the least rate that meets the promises it serves."""
    streams = []
    least = max(1, ceil(database.writes.value.amount * KEEPS_UP))
    for number, level in enumerate(policy.hot, 1):
        for target in level.stores:
            route = ways.routes.between(database.site, stores[target.value].site)
            if route is None:
                continue
            streams.append(
                StreamDemand(
                    id=f"{database.name}/hot" if number == 1 else f"{database.name}/hot/{number}",
                    database=database.name,
                    level=level,
                    store=target.value,
                    resources=(*ways.links(route), ways.writes_of(stores[target.value])),
                    latency=route.latency,
                    writes=database.writes,
                    burst=database.burst,
                    rate=least,
                    least=least,
                )
            )
    return _with_least_rates(ways.program, stores, losses, database, policy, streams)


def arrivals_of(stream: StreamDemand) -> Arrivals:
    """What the log of `stream` asks of its way."""
    return Arrivals(
        stream.writes.value.amount,
        stream.burst.value.amount,
        stream.level.flush.value.amount,
        stream.latency.amount,
    )


def _with_least_rates(
    program: Program,
    stores: Mapping[str, Store],
    losses: Losses,
    database: Database,
    policy: Policy,
    streams: list[StreamDemand],
) -> tuple[StreamDemand, ...]:
    """Each promise with an RPO is served by the nearest stream that survives its scope and can meet it."""
    rates = [stream.rate for stream in streams]
    for promise in policy.promises if streams else ():
        if promise.rpo is None:
            continue
        loss = losses.of(database, promise.scope)
        fit = {
            index: rate
            for index, stream in enumerate(streams)
            if survives(stores[stream.store], loss, database, policy)
            and (rate := least_rate(arrivals_of(stream), promise.rpo.value.amount)) is not None
            and rate <= _carries(program, stream)
        }
        if fit:
            best = min(fit, key=lambda index: (streams[index].latency, streams[index].store, index))
            rates[best] = max(rates[best], fit[best])
    return tuple(replace(stream, rate=rate) for stream, rate in zip(streams, rates, strict=True))


def _carries(program: Program, stream: StreamDemand) -> Fraction:
    rooms = (derated(one, program.headroom.value) for one in stream.resources)
    return min((room for room in rooms if room is not None), default=Fraction(1 << 62))


def transfer_at_best(resources: Sequence[Resource], size: Size) -> Fraction:
    """Seconds that `size` takes at the full capacity of the narrowest resource known; 0 where none is."""
    rates = [one.most for one in resources if one.firm]
    return size.amount / min(rates) if rates else Fraction(0)


def log_delay(stream: StreamDemand) -> tuple[Bound | None, Bound | None]:
    """How long a committed transaction may be on its way to the store: upper and lower bound.

    The upper one at the reserved rate, the lower one with the whole way for itself; None where the log
    falls behind for ever.
    """
    log = arrivals_of(stream)
    known = [one.most for one in stream.resources if one.firm]
    best = least_delay(log, min(known, default=Fraction(1 << 62)))
    reserved = delay(log, Fraction(stream.rate)) if stream.fits else None
    at_best = min((one for one in stream.resources if one.firm), key=lambda one: (one.capacity, one.name), default=None)
    lower = None
    if best is not None:
        where = at_best.words if at_best else "the way"
        spans = (stream.burst.span, *((at_best.span,) if at_best and at_best.span else ()))
        lower = _terms(stream, best.collected, best.carried, f"a burst through {where}", spans)
    upper = None
    if reserved is not None:
        label = f"a burst of {stream.burst.value} and what is written meanwhile, at the reserved rate"
        upper = _terms(stream, reserved.collected, reserved.carried, label, (stream.burst.span, stream.writes.span))
    return upper, lower


def _terms(stream: StreamDemand, collected: Fraction, carried: Fraction, label: str, spans: tuple[Span, ...]) -> Bound:
    flush = stream.level.flush
    return Bound(
        (
            Term("until the log is flushed", Duration(collected), (flush.span,), flush.origin),
            Term(f"latency on the way to `{stream.store}`", stream.latency),
            Term(label, Duration(carried), spans, stream.burst.origin),
        )
    )


def hopeless_rate(stream: StreamDemand) -> bool:
    """Whether the log is written faster than its way can ever carry it."""
    return any(one.firm and stream.writes.value.amount > one.most for one in stream.resources)
