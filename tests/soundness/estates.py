"""Random estates with policies: small, and about as good as what people promise needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from bkpc_compiler.program.model import (
    Cadence,
    ColdLevel,
    Database,
    Given,
    Group,
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
from bkpc_grammar.quantities import Duration, Rate, duration, rate, size
from tests.compiler.builders import given, here

Drawn = Callable[[str, Scope, str], Duration | None]
"""The objective of (database, scope, "rpo" or "rto"); None: nothing is promised."""
_QUANTILES = (Fraction(99, 100), Fraction(95, 100), Fraction(1, 2))
_ZONES = ("UTC", "UTC", "UTC", "Asia/Shanghai", "Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Ground:
    """Sites, links and stores: what policies can be laid out on."""

    sites: tuple[Site, ...]
    links: tuple[Link, ...]
    stores: tuple[Store, ...]
    timezone: str

    def reach(self, site: str) -> frozenset[str]:
        """The sites to which there is a way from `site`."""
        found = {site}
        for _ in self.sites:
            found |= {one.target for one in self.links if one.source in found}
            found |= {one.source for one in self.links if one.both_ways and one.target in found}
        return frozenset(found)

    def stores_within_reach(self, site: str) -> list[Store]:
        return [one for one in self.stores if one.site in self.reach(site)]

    def site_of(self, store: str) -> str:
        return next(one.site for one in self.stores if one.name == store)


def random_program(random: Random) -> Program:
    """A program of one to four databases, each under a policy of its own."""
    ground = _ground(random)
    names = [f"d{number}" for number in range(random.choice((1, 1, 2, 2, 3, 4)))]
    sites = {name: random.choice(ground.sites).name for name in names}
    databases = tuple(_database(random, name, sites, ground) for name in names)
    # The policies come after every database is known, so that promises look at where each is.
    protections = tuple(Protection(one.name, _policy(random, one, ground), here()) for one in databases)
    groups = _groups(protections)
    return Program(
        edition=1,
        files=(("test.bkp", "0" * 64),),
        sites=ground.sites,
        links=ground.links,
        stores=ground.stores,
        databases=databases,
        groups=groups,
        policies=(),
        protections=protections,
        requirements=(),
        tests=(),
        retries=given(Fraction(1, 10)),
        headroom=given(random.choice((Fraction(1, 10), Fraction(1, 10), Fraction(1, 10), Fraction(0)))),
        verification=given(random.choice((duration(0), duration(1, "min"), duration(5, "min")))),
    )


def _groups(protections: tuple[Protection, ...]) -> tuple[Group, ...]:
    """Now and then one, of databases with a log; one of them may have none. Drawn from what is there: what else is
    drawn stays as it is without."""
    told = [
        (
            one.database,
            [store.value for hot in one.policy.hot for store in hot.stores],
            [(level.schedule.at, str(level.schedule.period)) for level in one.policy.images],
        )
        for one in protections
    ]
    random = Random(repr(told))  # noqa: S311 - drawn again from what is printed
    logged = [one.database for one in protections if one.policy.hot]
    if len(logged) < 2 or random.random() < 0.97:
        return ()
    members = random.sample(logged, random.randint(2, len(logged)))
    others = [one.database for one in protections if not one.policy.hot]
    if others and random.random() < 0.3:
        members[0] = random.choice(others)
    return (Group("pair", tuple(sorted(members)), here()),)


def with_objectives(program: Program, drawn: Drawn) -> Program:
    """`program` with what `drawn` gives in place of the objectives of every promise; without those of neither."""

    def again(database: str, one: Promise) -> Promise:
        rpo, rto = drawn(database, one.scope, "rpo"), drawn(database, one.scope, "rto")
        return replace(one, rpo=given(rpo) if rpo else None, rto=given(rto) if rto else None)

    protections = []
    for one in program.protections:
        promises = tuple(again(one.database, promise) for promise in one.policy.promises)
        kept = tuple(promise for promise in promises if promise.rpo or promise.rto)
        protections.append(replace(one, policy=replace(one.policy, promises=kept)))
    return replace(program, protections=tuple(protections))


# ---------------------------------------------------------------- facts


def _ground(random: Random) -> Ground:
    names = ["a", "b", "c"][: random.choice((1, 2, 2, 2, 3))]
    regions = random.random() < 0.3
    sites = tuple(Site(name, "one" if regions and name != "c" else f"region-{name}", here()) for name in names)
    pairs = [(near, far) for index, near in enumerate(names) for far in names[index + 1 :]]
    dropped = random.choice(pairs) if len(pairs) == 3 and random.random() < 0.4 else None
    links = tuple(_link(random, *pair) for pair in pairs if pair != dropped and random.random() < 0.95)
    stores = tuple(_store(random, f"s{number}", random.choice(names)) for number in range(random.randint(1, 4)))
    return Ground(sites, links, stores, random.choice(_ZONES))


def _link(random: Random, near: str, far: str) -> Link:
    one_way = random.random() < 0.15
    source, target = random.choice(((near, far), (far, near))) if one_way else (near, far)
    bandwidth = rate(random.choice((200, 500, 1000, 1000, 2000, 5000, 10_000)), "Mbit")
    return Link(source, target, not one_way, given(bandwidth), given(duration(random.randint(1, 80), "ms")), here())


def _store(random: Random, name: str, site: str) -> Store:
    kind = random.choice(("oss", "oss", "directory"))
    thaw = random.choice((None, None, None, duration(1, "min"), duration(5, "h")))
    zones = random.random() < 0.5
    storage = StorageClass("made_up", given(thaw) if thaw else None, None, zones, here())
    redundancy = random.choice(("lrs", "zrs") if zones else ("lrs",))
    is_oss = kind == "oss"
    return Store(
        name, site, kind, name, "https://oss.example" if is_oss else None, given(storage) if is_oss else None,
        given(redundancy) if is_oss else None, None, _sometimes(random), _sometimes(random), here(),
    )  # fmt: skip


def _sometimes(random: Random) -> Given[Rate] | None:
    """What a store sustains, where it is known."""
    return given(rate(random.choice((50, 100, 200, 400, 800)), "MiB")) if random.random() < 0.4 else None


def _database(random: Random, name: str, sites: dict[str, str], ground: Ground) -> Database:
    earlier = [one for one in sites if one < name]
    needs = tuple(given(one) for one in earlier if random.random() < 0.35)
    others = [one.name for one in ground.sites if one.name != sites[name]]
    standby = Standby(random.choice(others), given(duration(random.randint(1, 40), "min"))) if others else None
    hourly = random.choice((Fraction(1, 10), Fraction(1, 2), 1, 2, 5, 20))
    return Database(
        name, sites[name], random.choice((f"{name}.example:3306", f"{name}.example:3306", "127.0.0.1:3306")),
        None, None, given(size(random.choice((1, 5, 20, 80, 200, 600)), "GiB")), None,
        given(rate(hourly, "GiB", "h")), given(size(random.choice((1, 8, 16, 64, 128, 512)), "MiB")),
        given(rate(random.choice((50, 100, 200, 400)), "MiB")), given(rate(random.choice((10, 20, 40, 80)), "MiB")),
        needs, (standby,) if standby and random.random() < 0.85 else (), (), here(),
    )  # fmt: skip


# ---------------------------------------------------------------- wishes


def _policy(random: Random, database: Database, ground: Ground) -> Policy:
    near = ground.stores_within_reach(database.site)
    if not near:  # nothing can be kept anywhere: the policy names a store all the same
        near = list(ground.stores)
    chosen = random.sample(near, min(len(near), random.choice((1, 1, 2))))
    fulls = [ImageLevel("full", _schedule(random, ground.timezone), tuple(given(one.name) for one in chosen), here())]
    if random.random() < 0.15:
        again = (given(random.choice(near).name),)
        fulls.append(ImageLevel("full", _schedule(random, ground.timezone), again, here()))
    colds = _colds(random, fulls, ground)
    imaged = sorted({store.value for one in fulls for store in one.stores} | {one.stores[0].value for one in colds})
    hots = _hots(random, imaged, [one.name for one in near])
    detect = given(duration(random.choice((0, 1, 5, 15)), "min")) if random.random() < 0.8 else None
    activate = given(duration(random.choice((1, 10)), "min")) if random.random() < 0.7 else None
    keep = Keep(given(duration(random.choice((14, 35, 35, 90)), "d")), 0, 0, 0, 0, here())
    return Policy(
        f"tier-{database.name}", _promises(random), detect, activate, tuple(fulls), hots, colds, keep,
        None, (), None, None, here(),
    )  # fmt: skip


def _colds(random: Random, fulls: list[ImageLevel], ground: Ground) -> tuple[ColdLevel, ...]:
    """Copies, if any, into stores that are not written yet: never in a circle."""
    written = {one.value for level in fulls for one in level.stores}
    found: list[ColdLevel] = []
    for _ in range(random.choice((0, 1, 1, 2))):
        source = random.choice(sorted(written))
        site = ground.site_of(source)
        left = [one.name for one in ground.stores_within_reach(site) if one.name not in written]
        if left:
            target = random.choice(left)
            found.append(ColdLevel(_schedule(random, ground.timezone), given(source), (given(target),), here()))
            written.add(target)
    return tuple(found)


def _hots(random: Random, imaged: list[str], near: list[str]) -> tuple[HotLevel, ...]:
    usual = [one for one in near if one in imaged]
    if random.random() < 0.25 or not usual:
        return ()
    stores = random.sample(usual, min(len(usual), random.choice((1, 1, 2))))
    flush = duration(random.choice((1, 2, 5, 10, 30, 60)))
    return (HotLevel(tuple(given(one) for one in stores), given(flush), False, len(stores), None, None, here()),)


def _schedule(random: Random, timezone: str) -> Schedule:
    kind = random.choice((Cadence.DAILY, Cadence.DAILY, Cadence.WEEKLY, Cadence.EVERY, Cadence.EVERY))
    hours = {Cadence.DAILY: 24, Cadence.WEEKLY: 168}.get(kind) or random.choice((4, 6, 8, 12, 24, 48))
    at = random.randrange(0, 1440, 15) if kind is not Cadence.EVERY else None
    weekday = random.randrange(7) if kind is Cadence.WEEKLY else None
    longest = min(hours, 24)
    window = given(duration(random.choice((longest, max(1, longest // 2), max(1, longest // 4))), "h"))
    return Schedule(
        kind, duration(hours, "h"), at, weekday, None, window if random.random() < 0.85 else None, timezone, here()
    )  # fmt: skip


def _promises(random: Random) -> tuple[Promise, ...]:
    scopes = [one for one in (Scope.CORRUPTION, Scope.HOST, Scope.SITE) if random.random() < 0.6] or [Scope.HOST]
    return tuple(_promise(random, one) for one in scopes)


def _promise(random: Random, scope: Scope) -> Promise:
    """Objectives of a day: the harness draws others once it knows the bounds."""
    both = random.random()
    rpo, rto = (given(duration(1, "d")) if wanted else None for wanted in (both > 0.15, both < 0.85))
    quantile = random.choice(_QUANTILES) if random.random() < 0.2 else Fraction(1)
    rto_quantile = random.choice(_QUANTILES) if random.random() < 0.1 else Fraction(1)
    return Promise(scope, rpo, rto, quantile, rto_quantile, here())
