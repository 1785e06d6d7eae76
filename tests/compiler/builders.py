"""Small estates and policies, built without text: each argument is one thing that a test varies."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from bkpc_compiler.program.model import (
    Cadence,
    ColdLevel,
    Database,
    Given,
    HotLevel,
    ImageLevel,
    Keep,
    Link,
    Policy,
    Program,
    Promise,
    Protection,
    Schedule,
    Scope,
    Site,
    Standby,
    StorageClass,
    Store,
)
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration, Rate, Size, duration, rate, size

T = TypeVar("T")
LATENCY = duration(30, "ms")
SIZE = size(300, "GiB")
WRITES = rate(2, "GiB", "h")
BURST = size(128, "MiB")
FLUSH = duration(5)
KEPT = duration(35, "d")
AT_ONCE = duration(0)
_places = iter(range(10**9))


def here() -> Span:
    """A span of its own, so that two clauses are never taken for one."""
    place = next(_places)
    return Span("test.bkp", place, place + 1)


def given(value: T) -> Given[T]:
    return Given(value, here())


def link(source: str, target: str, bandwidth: Rate, latency: Duration = LATENCY) -> Link:
    return Link(source, target, True, given(bandwidth), given(latency), here())


def store(
    name: str,
    site: str,
    *,
    kind: str = "oss",
    reads: Rate | None = None,
    writes: Rate | None = None,
    thaw: Duration | None = None,
    redundancy: str | None = None,
) -> Store:
    storage = StorageClass("made_up", given(thaw) if thaw else None, None, True, here())
    return Store(
        name, site, kind, name, "https://oss.example" if kind == "oss" else None,
        given(storage) if kind == "oss" else None, given(redundancy) if redundancy else None, None,
        given(reads) if reads else None, given(writes) if writes else None, here(),
    )  # fmt: skip


def database(
    name: str,
    site: str,
    *,
    holds: Size = SIZE,
    writes: Rate = WRITES,
    burst: Size = BURST,
    needs: tuple[str, ...] = (),
    standby: str | None = None,
    address: str | None = None,
) -> Database:
    return Database(
        name, site, address or f"{name}.example:3306", None, None, given(holds), None, given(writes),
        given(burst), given(rate(200, "MiB")), given(rate(40, "MiB")), tuple(given(one) for one in needs),
        (Standby(standby, given(duration(20, "min"))),) if standby else (), (), here(),
    )  # fmt: skip


def daily(hour: int, within: Duration) -> Schedule:
    return Schedule(Cadence.DAILY, duration(1, "d"), hour * 60, None, None, given(within), "Asia/Shanghai", here())


def full(*stores: str, schedule: Schedule | None = None) -> ImageLevel:
    return ImageLevel("full", schedule or daily(1, duration(4, "h")), tuple(given(one) for one in stores), here())


def hot(*stores: str, every: Duration = FLUSH) -> HotLevel:
    return HotLevel(tuple(given(s) for s in stores), given(every), False, len(stores), None, None, here())


def cold(source: str, *stores: str, schedule: Schedule | None = None) -> ColdLevel:
    return ColdLevel(schedule or daily(5, duration(8, "h")), given(source), tuple(given(one) for one in stores), here())


def promise(scope: Scope, rpo: Duration | None, rto: Duration | None, quantile: Fraction = Fraction(1)) -> Promise:
    return Promise(scope, given(rpo) if rpo else None, given(rto) if rto else None, quantile, Fraction(1), here())


def policy(
    *promises: Promise,
    images: tuple[ImageLevel, ...] = (),
    hots: tuple[HotLevel, ...] = (),
    colds: tuple[ColdLevel, ...] = (),
    keep: Duration | None = KEPT,
    lock: Duration | None = None,
    detect: Duration | None = None,
    activate: Duration | None = None,
) -> Policy:
    return Policy(
        "tier", promises, given(detect) if detect else None, given(activate) if activate else None, images,
        hots, colds, Keep(given(keep), 0, 0, 0, 0, here()) if keep else None, given(lock) if lock else None,
        (), None, None, here(),
    )  # fmt: skip


def program(
    sites: dict[str, str],
    stores: tuple[Store, ...],
    protected: dict[Database, Policy],
    *,
    links: tuple[Link, ...] = (),
    headroom: Fraction = Fraction(1, 10),
    retries: Fraction = Fraction(0),
    verification: Duration = AT_ONCE,
) -> Program:
    return Program(
        edition=1,
        files=(("test.bkp", "0" * 64),),
        sites=tuple(Site(name, region, here()) for name, region in sorted(sites.items())),
        links=links,
        stores=tuple(sorted(stores, key=lambda one: one.name)),
        databases=tuple(sorted(protected, key=lambda one: one.name)),
        groups=(),
        policies=(),
        protections=tuple(
            Protection(one.name, chosen, here())
            for one, chosen in sorted(protected.items(), key=lambda pair: pair[0].name)
        ),
        requirements=(),
        tests=(),
        headroom=given(headroom),
        retries=given(retries),
        verification=given(verification),
    )


def faster_links(built: Program, factor: Fraction) -> Program:
    """`built` with every link's bandwidth multiplied."""
    links = tuple(
        replace(one, bandwidth=replace(one.bandwidth, value=one.bandwidth.value.times(factor))) for one in built.links
    )
    return replace(built, links=links)
