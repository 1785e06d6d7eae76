"""What the objects of an image cost a recovery: a load is gone through step by step, and takes no more."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from bkpc_compiler.feasibility.image_reading import Objects, rounds_of
from bkpc_compiler.program.model import Given
from bkpc_compiler.source import Span
from bkpc_grammar.image_objects import AT_ONCE, CLIENTS, IN_MEMORY, OTHERS, RANGES, SMALL
from bkpc_grammar.quantities import Count, duration

NOWHERE = Span("x.bkp", 0, 0)


def loaded(sizes: list[int], latency: Fraction, rate: int) -> Fraction:
    """Seconds until all are loaded: by clients that take what is next, small ones asked for ahead while there is room.

    The way serves what has come through the latency, in the order of the asking.
    """
    there: dict[int, Fraction] = {}
    free = Fraction(0)
    held = asked = 0

    def ask(number: int, now: Fraction) -> None:
        nonlocal free
        free = max(free, now + latency) + Fraction(sizes[number], rate)
        there[number] = free

    clients = [Fraction(0)] * CLIENTS
    for first, size in enumerate(sizes):
        client = min(range(CLIENTS), key=lambda one: clients[one])
        now = clients[client]
        while asked < len(sizes) and asked - first < AT_ONCE:
            ahead = sizes[asked] if sizes[asked] <= SMALL else 0
            if asked > first and held + ahead > IN_MEMORY:
                break
            if ahead:
                ask(asked, now)
            held += ahead
            asked += 1
        if size > SMALL:
            ask(first, now)
        else:
            held -= size
        clients[client] = max(now, there[first])
    return max(clients)


@pytest.mark.parametrize("seed", range(60))
def test_no_load_takes_more_than_its_rounds(seed: int) -> None:
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    most = draw.choice([20, 5_000, SMALL, 3 * SMALL, 100 * SMALL])
    sizes = sorted((draw.randint(1, most) for _ in range(draw.randint(1, 1200))), reverse=True)
    latency, rate = Fraction(draw.choice([1, 20, 300]), 1000), draw.choice([10**5, 10**8, 10**10])
    rounds = rounds_of(len(sizes), sum(sizes)) + 1
    assert loaded(sizes, latency, rate) <= Fraction(sum(sizes), rate) + rounds * latency


@pytest.mark.parametrize("seed", range(20))
def test_no_large_object_takes_more_than_its_ranges(seed: int) -> None:
    """Three ranges are under way, and share it in turns as unkind as can be: none is there before the others are."""
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    size, rate = draw.randint(1, 400) << 20, draw.choice([10**6, 10**8, 10**10])
    latency, now, left = Fraction(draw.choice([1, 20, 300]), 1000), Fraction(0), size
    while left > 0:
        now += latency + Fraction(min(left, RANGES), rate)
        left -= RANGES
    assert now <= Fraction(size, rate) + (rounds_of(1, size) + 1) * latency


def of(tables: int, bytes_: int, pieces: int = 0) -> Objects:
    return Objects(bytes_, Given(Count(Fraction(tables)), NOWHERE), pieces, duration(20, "ms"), ())


def test_many_small_ones_cost_less_than_few_large_ones_and_more_never_costs_less() -> None:
    assert of(12_800 - OTHERS, 1 << 19).rounds == 100 + 10
    assert of(12_800 - OTHERS, 1 << 40).rounds > 6400
    waits = [of(100 * number, number << 28).wait for number in range(1, 200)]
    assert waits == sorted(waits)


def test_a_physical_image_comes_piece_by_piece() -> None:
    alone = Objects(10 << 30, None, 11, duration(20, "ms"), ())
    assert (alone.count, alone.rounds, alone.wait) == (11, 447, 8940)  # 426 times three ranges
    assert of(100_000, 10 << 30, pieces=11).rounds == of(100_000, 10 << 30).rounds
