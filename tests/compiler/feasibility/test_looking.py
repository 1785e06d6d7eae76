"""What a restore looks at before it loads anything: workers and ways are gone through, and take no more."""

from __future__ import annotations

from heapq import heapify, heapreplace
from random import Random

import pytest

from bkpc_compiler.feasibility.looking import side_by_side
from bkpc_grammar.log_objects import TOGETHER


@pytest.mark.parametrize("seed", range(50))
def test_names_that_are_listed_side_by_side(seed: int) -> None:
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    takes = [draw.randint(0, 10 ** draw.randint(1, 5)) for _ in range(draw.randint(0, 60))]
    free = [0] * TOGETHER
    heapify(free)
    for one in takes:
        heapreplace(free, free[0] + one)
    assert max(free) <= side_by_side(takes) <= 2 * max(free)


@pytest.mark.parametrize("seed", range(50))
def test_members_that_read_side_by_side_take_no_longer_than_one_after_the_other(seed: int) -> None:
    """Whoever may go faster does, so that always some resource of each is full: the least fair shares that do so."""
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    rooms = [draw.uniform(1, 10) for _ in range(draw.randint(1, 5))]
    ways = [draw.sample(range(len(rooms)), draw.randint(1, len(rooms))) for _ in range(draw.randint(1, TOGETHER))]
    left = [draw.uniform(1, 100) for _ in ways]
    alone = sum(bytes_ / min(rooms[one] for one in way) for bytes_, way in zip(left, ways, strict=True))
    now = 0.0
    while any(one > 1e-9 for one in left):
        order = [member for member, one in enumerate(left) if one > 1e-9]
        draw.shuffle(order)
        spare, rates = list(rooms), [0.0] * len(ways)
        for member in order:  # the first takes all it can get
            rates[member] = min(spare[one] for one in ways[member])
            for one in ways[member]:
                spare[one] -= rates[member]
        step = min(left[member] / rates[member] for member in order if rates[member] > 1e-12)
        left = [max(0.0, one - rate * step) for one, rate in zip(left, rates, strict=True)]
        now += step
    assert now <= alone * (1 + 1e-9)
