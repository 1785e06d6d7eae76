"""Plans made by hand, for tests of the simulator itself: each argument is one thing that a test varies."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Literal

from bkpc_compiler.program.model import Cadence, ColdLevel, ImageLevel, Program
from bkpc_compiler.program.model import Schedule as Wish
from bkpc_grammar.plan import (
    Estate,
    Header,
    Job,
    Plan,
    Recovery,
    Reservation,
    Resource,
    Retention,
    Retry,
    Schedule,
    Step,
    Stream,
)
from tests.soundness.topology import Failure, Topology, thaw_seconds

HOUR = 3_600_000
DAY = 24 * HOUR
MIB = 2**20


def reserving(**rates: int) -> tuple[Reservation, ...]:
    """`reserving(link=5)`: 5 B/s on the resource `link`."""
    return tuple(Reservation(resource=name, rate=rate) for name, rate in sorted(rates.items()))


def schedule(
    period_ms: int, offset_ms: int, slot_ms: int, *, window_ms: int | None = None, cadence: str = "every"
) -> Schedule:
    at = 0 if cadence == "daily" else None
    return Schedule(
        cadence=Cadence(cadence).value, period_ms=period_ms, at_minute=at, weekday=None, day=None, timezone="UTC",
        offset_ms=offset_ms, slot_ms=slot_ms, window_ms=window_ms or period_ms,
    )  # fmt: skip


def job(
    database: str,
    when: Schedule,
    *stores: str,
    source: str | None = None,
    reserve: tuple[Reservation, ...] = (),
    budget_ms: int = 0,
    incremental: bool = False,
) -> Job:
    kind: Literal["copy", "backup.full", "backup.incremental"] = "copy" if source else "backup.full"
    kind = "backup.incremental" if incremental else kind
    return Job(
        id=f"{kind}.{database}.{'.'.join(stores)}", kind=kind, database=database,
        schedule=when, source_store=source, stores=stores, recipients=(), engine="logical", limit=None,
        reserve=reserve, expect_bytes=0, timeout_ms=when.slot_ms,
        retry=Retry(attempts=3, pause_ms=1000, budget_ms=budget_ms), requires=(),
    )  # fmt: skip


def stream(database: str, *stores: str, flush_ms: int, reserve: tuple[Reservation, ...] = ()) -> Stream:
    return Stream(
        id=f"log.{database}", database=database, stores=stores, flush_ms=flush_ms, sync=False, quorum=len(stores),
        on_outage=None, degrade_after_ms=None, recipients=(), reserve=reserve,
        rates=tuple(min((one.rate for one in reserve), default=10**15) for _ in stores),
        lag_warn_ms=None, lag_fail_ms=None,
    )  # fmt: skip


def step(
    kind: str, database: str, start_ms: int, expect_ms: int, *needs: str, store: str | None = None,
    reserve: tuple[Reservation, ...] = (),
) -> Step:  # fmt: skip
    return Step(
        id=f"{kind}.{database}", kind=kind, database=database, store=store, needs=needs,  # type: ignore[arg-type]
        reserve=reserve, start_ms=start_ms, bytes=0, expect_ms=expect_ms,
    )  # fmt: skip


def recovery(scope: str, lost: str, *steps: Step) -> Recovery:
    names = tuple(sorted({one.database for one in steps}))
    expect = max((one.start_ms + one.expect_ms for one in steps), default=0)
    return Recovery(scope=scope, lost=lost, down=names, databases=names, steps=steps, expect_ms=expect)  # type: ignore[arg-type]


def plan(
    *jobs: Job, streams: Iterable[Stream] = (), recoveries: Iterable[Recovery] = (),
    resources: dict[str, int] | None = None, kept: Iterable[Retention] = (),
) -> Plan:  # fmt: skip
    return Plan(
        header=Header(schema_version=1, compiler_version="test", edition=1, sources=(), digest="0" * 64),
        estate=Estate(databases=(), stores=()),
        groups=(),
        resources=tuple(
            Resource(name=name, capacity=most, usable=most) for name, most in sorted((resources or {}).items())
        ),
        jobs=jobs, streams=tuple(streams), retention=tuple(kept), flow=(), settings=(), preflight=(),
        recoveries=tuple(recoveries), objectives=(),
    )  # fmt: skip


# ---------------------------------------------------------------- a plan of some kind for any program


def careless(program: Program, rate: int = 20 * MIB) -> Plan:
    """A plan that has everything in its place and heeds neither capacities nor objectives."""
    topology = Topology(program)
    jobs: list[Job] = []
    streams: list[Stream] = []
    for one in program.protections:
        database, name = topology.databases[one.database], one.database
        length = ceil(float(database.size.value.bytes) / rate * 1000) + 60_000
        levels: tuple[ImageLevel | ColdLevel, ...] = (*one.policy.images, *one.policy.cold)
        for index, level in enumerate(levels):
            source = level.source if isinstance(level, ColdLevel) else None
            found = job(
                name, scheduled(level.schedule, index * 60_000, length), *(store.value for store in level.stores),
                source=source.value if source else None, reserve=reserving(somewhere=rate), budget_ms=60_000,
                incremental=isinstance(level, ImageLevel) and level.kind == "incremental",
            )  # fmt: skip
            jobs.append(found)
        for hot in one.policy.hot:
            stores = tuple(store.value for store in hot.stores)
            flush = hot.flush.value.milliseconds_up()
            streams.append(stream(name, *stores, flush_ms=flush, reserve=reserving(somewhere=rate)))
    failures = {
        (failure.scope, failure.lost): failure
        for one in program.protections
        for failure in (topology.failure(promise.scope, one.database) for promise in one.policy.promises)
    }
    recoveries = [_recovery(topology, failure, jobs, streams, rate) for failure in failures.values()]
    return plan(*jobs, streams=streams, recoveries=recoveries, resources={"somewhere": 10**12})


def scheduled(wish: Wish, offset_ms: int, slot_ms: int) -> Schedule:
    """The schedule of a policy with a start and a slot."""
    return Schedule(
        cadence=wish.cadence.value, period_ms=wish.period.milliseconds_up(), at_minute=wish.at, weekday=wish.weekday,
        day=wish.day, timezone=wish.timezone, offset_ms=offset_ms, slot_ms=slot_ms,
        window_ms=(wish.window.value if wish.window else wish.period).milliseconds_up(),
    )  # fmt: skip


def _recovery(topology: Topology, failure: Failure, jobs: list[Job], streams: list[Stream], rate: int) -> Recovery:
    steps: list[Step] = []
    at = 10_000_000
    for name in sorted(failure.databases):
        left = {store for one in jobs if one.database == name for store in one.stores} - failure.stores
        logged = {store for one in streams if one.database == name for store in one.stores} & left
        if not left:
            continue
        store = min(logged or left)
        home = reserving(somewhere=rate)
        steps += [
            step("thaw", name, 0, round(thaw_seconds(topology.stores[store]) * 1000), store=store),
            step("restore.image", name, at, 10**8, f"thaw.{name}", store=store, reserve=home),
            step("restore.log", name, at + 10**8, 10**8, f"restore.image.{name}", store=store, reserve=home),
            step("check.service", name, at + 2 * 10**8, 10**6, f"restore.log.{name}"),
        ]
    return recovery(failure.scope.value, failure.lost, *steps)
