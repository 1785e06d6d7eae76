"""Bounds against a simulation that shares no code with them: plain numbers, random schedules and failures."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.program.model import Cadence, Schedule, Scope
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as build

HOUR = 3600
SEEDS = range(100)


def releases(period: int, phase: int, until: int) -> list[int]:
    return list(range(phase, until, period))


def simulated_loss(random: Random, full: tuple[int, int, int], cold: tuple[int, int, int], fails: float) -> float:
    """Each job starts and ends anywhere in its window; a copy takes the newest whole image at its start."""
    until = int(fails) + 1
    images = []
    for release in releases(full[0], full[1], until):
        start, end = sorted(release + random.random() * full[2] for _ in range(2))
        images.append((start, end))
    newest = None
    for release in releases(cold[0], cold[1], until):
        start, end = sorted(release + random.random() * cold[2] for _ in range(2))
        whole = [snapshot for snapshot, done in images if done <= start]
        if whole and end <= fails:
            newest = max([*whole, *([] if newest is None else [newest])])
    assert newest is not None, "the failure comes after the first copies"
    return fails - newest


@pytest.mark.parametrize("seed", SEEDS)
def test_no_schedule_loses_more_than_the_upper_bound(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - a simulation
    full_period, cold_period = random.choice([6, 12, 24, 48]), random.choice([6, 12, 24, 48, 168])
    full_window, cold_window = random.randint(1, full_period), random.randint(1, cold_period)

    def schedule(period: int, window: int) -> Schedule:
        return Schedule(
            Cadence.EVERY, duration(period, "h"), None, None, None,
            build.given(duration(window, "h")), "UTC", build.here(),
        )  # fmt: skip

    tier = build.policy(
        build.promise(Scope.SITE, duration(1, "s"), None),
        images=(build.full("near", schedule=schedule(full_period, full_window)),),
        colds=(build.cold("near", "far", schedule=schedule(cold_period, cold_window)),),
        keep=None,
    )
    built = build.program(
        {"here": "a", "there": "b"},
        (build.store("near", "here"), build.store("far", "there")),
        {build.database("orders", "here", standby="there"): tier},
        links=(build.link("here", "there", rate(10, "Gbit")),),
    )
    (answer,) = analyse(built).answers
    assert answer.upper is not None
    bound = float(answer.upper.total.amount)
    full = (full_period * HOUR, random.randrange(full_period * HOUR), full_window * HOUR)
    cold = (cold_period * HOUR, random.randrange(cold_period * HOUR), cold_window * HOUR)
    for _ in range(20):
        fails = (1000 + 500 * random.random()) * HOUR
        assert simulated_loss(random, full, cold, fails) <= bound


@pytest.mark.parametrize("seed", SEEDS)
def test_no_burst_waits_longer_than_the_log_bound(seed: int) -> None:
    """A log fed by bursts of the declared size, drained at exactly the reserved rate."""
    random = Random(seed)  # noqa: S311 - a simulation
    writes, burst = random.randint(1, 10**6), random.randint(1, 10**8)
    tier = build.policy(
        build.promise(Scope.HOST, duration(random.randint(6, 60)), None), images=(build.full("near"),),
        hots=(build.hot("near"),),
    )  # fmt: skip
    orders = build.database("orders", "here", writes=rate(writes), burst=size(burst))
    built = build.program({"here": "a"}, (build.store("near", "here"),), {orders: tier})
    analysis = analyse(built)
    (answer,), (stream,) = analysis.answers, analysis.demand.streams
    assert answer.upper is not None
    bucket, backlog, worst = Fraction(burst), Fraction(0), Fraction(0)
    for _ in range(300):  # one step a second: arrivals obey burst + rate·t
        sent = bucket if random.random() < 0.2 else Fraction(random.randint(0, int(bucket)))
        bucket = min(Fraction(burst), bucket - sent + writes)
        backlog += sent
        worst = max(worst, 5 + backlog / stream.rate)
        backlog = max(Fraction(0), backlog - stream.rate)
    assert worst <= answer.upper.total.amount
