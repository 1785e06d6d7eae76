"""Random policies, about as good as what people promise needs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

from bkpc_compiler.program.model import (
    Cadence,
    ColdLevel,
    Database,
    Flow,
    Given,
    HotLevel,
    ImageLevel,
    Keep,
    Policy,
    Promise,
    Schedule,
    Scope,
)
from bkpc_grammar.quantities import Duration, Rate, duration, rate
from tests.compiler.builders import given, here
from tests.soundness.ground import Ground, Odds

_QUANTILES = (Fraction(99, 100), Fraction(95, 100), Fraction(1, 2))
_HOURS = {Cadence.HOURLY: 1, Cadence.DAILY: 24, Cadence.WEEKLY: 168, Cadence.MONTHLY: 744}


def random_policy(random: Random, database: Database, ground: Ground, odds: Odds) -> Policy:
    near = ground.stores_within_reach(database.site)
    if not near:  # nothing can be kept anywhere: the policy names a store all the same
        near = list(ground.stores)
    chosen = random.sample(near, min(len(near), random.choice((1, 1, 2))))
    fulls = [ImageLevel("full", _schedule(random, ground, odds), tuple(given(one.name) for one in chosen), here())]
    if random.random() < 0.15:
        again = (given(random.choice(near).name),)
        fulls.append(ImageLevel("full", _schedule(random, ground, odds), again, here()))
    colds = _colds(random, fulls, ground, odds)
    levels = _with_increments(random, fulls, ground) if random.random() < odds.incremental else fulls
    imaged = sorted({store.value for one in fulls for store in one.stores} | {one.stores[0].value for one in colds})
    schedules = [one.schedule for one in levels] + [one.schedule for one in colds]
    monthly = any(one.cadence is Cadence.MONTHLY for one in schedules)
    lock = _lock(random, monthly) if random.random() < odds.intruder else None
    kept = random.choice((70, 100, 100, 200) if monthly else (14, 35, 35, 90))
    return Policy(
        f"tier-{database.name}", _promises(random, lock),
        _sometimes(random, 0.8, (0, 1, 5, 15)), _sometimes(random, 0.7, (1, 10)), tuple(levels),
        _hots(random, imaged, [one.name for one in near], odds), colds,
        Keep(given(duration(kept, "d")), 0, 0, 0, 0, here()), lock, (), _flow(random, odds), None, here(),
    )  # fmt: skip


def _sometimes(random: Random, share: float, minutes: tuple[int, ...]) -> Given[Duration] | None:
    return given(duration(random.choice(minutes), "min")) if random.random() < share else None


def _lock(random: Random, monthly: bool) -> Given[Duration]:
    """Mostly long enough; now and then gone before anybody looks."""
    hours = random.choice((1, 24 * 4)) if random.random() < 0.1 else 24 * random.choice((14, 30, 60))
    return given(duration(hours + (24 * 60 if monthly else 0), "h"))


def _flow(random: Random, odds: Odds) -> Flow | None:
    if random.random() >= odds.limit:
        return None
    limit: Given[Rate] = given(rate(random.choice((50, 200, 500, 1000, 2000)), "Mbit"))
    return Flow(limit, None, None, None, None, False, None, here())


def _with_increments(random: Random, fulls: list[ImageLevel], ground: Ground) -> list[ImageLevel]:
    """Full images as the server's files, and between those of the first level what has changed, into one or all of its
    stores."""
    first, *others = (replace(one, engine="physical") for one in fulls)
    shorter = [hours for hours in (1, 2, 4, 6, 12, 24) if 2 * hours <= first.schedule.period.seconds / 3600] or [1]
    hours = random.choice(shorter)
    kind = {1: Cadence.HOURLY, 24: Cadence.DAILY}.get(hours, Cadence.EVERY)
    window = given(duration(60 * hours // random.choice((1, 2, 4)), "min")) if random.random() < 0.8 else None
    at = random.randrange(0, 1440, 15) if kind is Cadence.DAILY else None
    schedule = Schedule(kind, duration(hours, "h"), at, None, None, window, ground.timezone, here())
    stores = first.stores if random.random() < 0.5 else first.stores[:1]
    return [first, *others, ImageLevel("incremental", schedule, stores, here(), "physical")]


def _colds(random: Random, fulls: list[ImageLevel], ground: Ground, odds: Odds) -> tuple[ColdLevel, ...]:
    """Copies, if any, into stores that are not written yet: never in a circle."""
    written = {one.value for level in fulls for one in level.stores}
    found: list[ColdLevel] = []
    for _ in range(random.choice((0, 1, 1, 2))):
        source = random.choice(sorted(written))
        site = ground.site_of(source)
        left = [one.name for one in ground.stores_within_reach(site) if one.name not in written]
        if left:
            target = random.choice(left)
            found.append(ColdLevel(_schedule(random, ground, odds), given(source), (given(target),), here()))
            written.add(target)
    return tuple(found)


def _hots(random: Random, imaged: list[str], near: list[str], odds: Odds) -> tuple[HotLevel, ...]:
    usual = [one for one in near if one in imaged]
    if random.random() < 0.25 or not usual:
        return ()
    sync = random.random() < odds.sync
    stores = random.sample(usual, min(len(usual), random.choice((2, 3) if sync else (1, 1, 2))))
    quorum = random.randint(1, len(stores)) if sync else len(stores)
    flush = duration(random.choice((1, 2, 5, 10, 30, 60)))
    outage = "hold" if sync else None
    return (HotLevel(tuple(given(one) for one in stores), given(flush), sync, quorum, outage, None, here()),)


def _schedule(random: Random, ground: Ground, odds: Odds) -> Schedule:
    kind = random.choice((Cadence.DAILY, Cadence.DAILY, Cadence.WEEKLY, Cadence.EVERY, Cadence.EVERY))
    kind = Cadence.MONTHLY if random.random() < odds.monthly else kind
    hours = _HOURS.get(kind) or random.choice((4, 6, 8, 12, 24, 48))
    at = random.randrange(0, 1440, 15) if kind is not Cadence.EVERY else None
    weekday = random.randrange(7) if kind is Cadence.WEEKLY else None
    day = random.randint(1, 31) if kind is Cadence.MONTHLY else None
    longest = min(hours, 24)
    window = given(duration(random.choice((longest, max(1, longest // 2), max(1, longest // 4))), "h"))
    return Schedule(
        kind, duration(hours, "h"), at, weekday, day, window if random.random() < 0.85 else None, ground.timezone,
        here(),
    )  # fmt: skip


def _promises(random: Random, lock: Given[Duration] | None) -> tuple[Promise, ...]:
    drawn = (Scope.CORRUPTION, Scope.HOST, Scope.SITE)
    scopes = [one for one in drawn if random.random() < 0.6] or [Scope.HOST]
    if random.random() < 0.1:
        scopes.append(Scope.REGION)
    if lock is not None and random.random() < 0.9:
        scopes.append(Scope.INTRUDER)
    return tuple(_promise(random, one) for one in scopes)


def _promise(random: Random, scope: Scope) -> Promise:
    """Objectives of a day: the harness draws others once it knows the bounds."""
    both = random.random()
    rpo, rto = (given(duration(1, "d")) if wanted else None for wanted in (both > 0.15, both < 0.85))
    quantile = random.choice(_QUANTILES) if random.random() < 0.2 else Fraction(1)
    rto_quantile = random.choice(_QUANTILES) if random.random() < 0.1 else Fraction(1)
    return Promise(scope, rpo, rto, quantile, rto_quantile, here())
