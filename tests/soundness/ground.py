"""Random facts: sites, links, stores and databases."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from random import Random

from bkpc_compiler.program.model import Database, Given, Link, Site, Standby, StorageClass, Store
from bkpc_grammar.quantities import Count, Rate, duration, rate, size
from tests.compiler.builders import given, here

_ZONES = ("UTC", "UTC", "UTC", "Asia/Shanghai", "Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a case has what not all have: of all policies, streams, schedules, classes that thaw, or programs.

    Seldom as they stand; every fifth case is dense with one of them, and has more of the others.
    """

    incremental: float = 0.002
    grouped: float = 0.02
    quota: float = 0.02
    sync: float = 0.01
    intruder: float = 0.01
    monthly: float = 0.008
    limit: float = 0.01


USUAL = Odds()
FEATURES = tuple(one.name for one in fields(Odds))
TURNS = tuple(turn for name in FEATURES if name != "grouped" for turn in ("grouped", name))
"""What every fifth case is dense with, in turns: most often with groups."""


def dense(feature: str) -> Odds:
    """Much of one, and some of the others."""
    return replace(Odds(0.1, 0.7, 0.3, 0.2, 0.2, 0.08, 0.1), **{feature: 0.9})


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


def random_ground(random: Random, odds: Odds) -> Ground:
    names = ["a", "b", "c"][: random.choice((1, 2, 2, 2, 3))]
    regions = random.random() < 0.3
    sites = tuple(Site(name, "one" if regions and name != "c" else f"region-{name}", here()) for name in names)
    pairs = [(near, far) for index, near in enumerate(names) for far in names[index + 1 :]]
    dropped = random.choice(pairs) if len(pairs) == 3 and random.random() < 0.4 else None
    links = tuple(_link(random, *pair) for pair in pairs if pair != dropped and random.random() < 0.95)
    classes = _classes(random, odds)
    stores = tuple(
        _store(random, f"s{number}", random.choice(names), classes) for number in range(random.randint(1, 4))
    )
    return Ground(sites, links, stores, random.choice(_ZONES))


def _link(random: Random, near: str, far: str) -> Link:
    one_way = random.random() < 0.15
    source, target = random.choice(((near, far), (far, near))) if one_way else (near, far)
    bandwidth = rate(random.choice((200, 500, 1000, 1000, 2000, 5000, 10_000)), "Mbit")
    return Link(source, target, not one_way, given(bandwidth), given(duration(random.randint(1, 80), "ms")), here())


def _classes(random: Random, odds: Odds) -> tuple[StorageClass, ...]:
    """Classes that all stores of a program have in common; of most the quota is more than is ever asked."""
    found = [StorageClass("at_once", None, None, False, here())] * 3
    for name, thaw in (("soon", duration(1, "min")), ("late", duration(5, "h"))):
        asked = rate(random.choice((300, 1000, 3000, 10_000, 20_000)), "GB", "d")
        quota = given(asked) if random.random() < odds.quota else None
        found.append(StorageClass(name, given(thaw), None, False, here(), quota))
    return tuple(found)


def _store(random: Random, name: str, site: str, classes: tuple[StorageClass, ...]) -> Store:
    kind = random.choice(("oss", "oss", "directory"))
    storage = random.choice(classes)
    redundancy = random.choice(("lrs", "lrs", "lrs", "zrs"))
    is_oss = kind == "oss"
    return Store(
        name, site, kind, name, "https://oss.example" if is_oss else None, given(storage) if is_oss else None,
        given(redundancy) if is_oss else None, None, _sometimes(random), _sometimes(random), here(),
    )  # fmt: skip


def _sometimes(random: Random) -> Given[Rate] | None:
    """What a store sustains, where it is known."""
    return given(rate(random.choice((50, 100, 200, 400, 800)), "MiB")) if random.random() < 0.4 else None


def random_database(random: Random, name: str, sites: dict[str, str], ground: Ground) -> Database:
    earlier = [one for one in sites if one < name]
    needs = tuple(given(one) for one in earlier if random.random() < 0.35)
    others = [one.name for one in ground.sites if one.name != sites[name]]
    standby = Standby(random.choice(others), given(duration(random.randint(1, 40), "min"))) if others else None
    hourly = random.choice((Fraction(1, 10), Fraction(1, 2), 1, 2, 5, 20))
    gib = random.choice((1, 5, 20, 80, 200, 600))
    changing = rate(Fraction(gib * random.choice((1, 5, 20)), 100), "GiB", "d")
    own = Random(f"{name} {gib} {hourly} {changing.written}")  # noqa: S311 - what else is drawn stays as it was
    tables = own.choice((1, 1, 5, 20, 100, 500)) if own.random() < 0.97 else 10_000
    return Database(
        name, sites[name], random.choice((f"{name}.example:3306", f"{name}.example:3306", "127.0.0.1:3306")),
        None, None, given(size(gib, "GiB")), None,
        given(rate(hourly, "GiB", "h")), given(size(random.choice((1, 8, 16, 64, 128, 512)), "MiB")),
        given(rate(random.choice((50, 100, 200, 400)), "MiB")), given(rate(random.choice((10, 20, 40, 80)), "MiB")),
        needs, (standby,) if standby and random.random() < 0.85 else (), (), here(),
        prepares=given(duration(random.choice((5, 60, 300)))),
        tables=given(Count(Fraction(tables))),
        table=given(duration(own.choice((0, 5, 50, 500)), "ms")),
        starts=given(duration(own.choice((0, 1, 5, 60)))),
        dumps=given(rate(own.choice((100, 300, 1000, 4000)), "MiB")) if own.random() < 0.7 else None,
        changes=given(changing) if random.random() < 0.9 else None,
    )  # fmt: skip
