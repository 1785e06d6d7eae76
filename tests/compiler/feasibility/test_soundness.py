"""The log's bound against a fluid model of its own; everything else is simulated in tests/soundness."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.program.model import Scope
from bkpc_grammar.log_objects import OBJECT
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as build

HOUR = 3600
SEEDS = range(100)


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
    bucket, free, worst = Fraction(burst), Fraction(0), Fraction(0)
    held, first = 0, 0
    for second in range(300):  # arrivals obey burst + rate·t; what is full is cut at once, what is not after 5 s
        sent = int(bucket) if random.random() < 0.2 else random.randint(0, int(bucket))
        bucket = min(Fraction(burst), bucket - sent + writes)
        first = first if held else second
        held += sent
        while held >= OBJECT or (held and second >= first + 5):
            free = max(free, Fraction(second)) + Fraction(min(held, OBJECT), stream.rate)
            worst = max(worst, free - first)
            held, first = held - min(held, OBJECT), second
    assert worst <= answer.upper.total.amount
