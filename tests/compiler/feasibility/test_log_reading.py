"""What the objects of a log cost a recovery: a fetch and a stream are gone through step by step, and take no more."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from random import Random

import pytest

from bkpc_compiler.feasibility.log_reading import Reading
from bkpc_compiler.source import Span
from bkpc_grammar.log_objects import AT_ONCE, IN_MEMORY, OBJECT, ROUND
from bkpc_grammar.quantities import duration

NOWHERE = Span("x.bkp", 0, 0)


def fetched(sizes: list[int], latency: Fraction, rate: int) -> Fraction:
    """Seconds until all are there: asked for in order while there is room, each over the latency, then one way for all.

    The way serves what has come through the latency, in the order of the asking.
    """
    ends: list[Fraction] = []
    free = Fraction(0)
    asked = held = 0
    now = Fraction(0)
    for first in range(len(sizes)):
        while asked < len(sizes) and asked - first < AT_ONCE and (asked == first or held + sizes[asked] <= IN_MEMORY):
            free = max(free, now + latency) + Fraction(sizes[asked], rate)
            ends.append(free)
            held += sizes[asked]
            asked += 1
        now = max(now, ends[first])
        held -= sizes[first]
    return now


@pytest.mark.parametrize("seed", range(60))
def test_many_at_once_take_no_more_than_their_groups(seed: int) -> None:
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    most = draw.choice([20, 5_000, 1 << 20, OBJECT + (1 << 20)])
    sizes = [draw.randint(1, most) for _ in range(draw.randint(1, 1200))]
    latency, rate = Fraction(draw.choice([1, 20, 300]), 1000), draw.choice([10**5, 10**8, 10**10])
    groups = -(-len(sizes) // AT_ONCE) + sum(sizes) // ROUND + 1
    assert fetched(sizes, latency, rate) <= Fraction(sum(sizes), rate) + groups * latency


@pytest.mark.parametrize("seed", range(60))
def test_a_stream_cuts_no_more_objects(seed: int) -> None:
    """Transactions at random instants; a flush after the first that waits, at an event's end when full, at ends of
    binlogs by size and by request."""
    draw = Random(seed)  # noqa: S311 - cases, not secrets
    age, flush, largest = (
        draw.randint(1, 5_000_000),
        draw.choice([50, 1000, 30_000]),
        draw.choice([200, 1 << 20, 40 << 20]),
    )
    instants = sorted(draw.randint(0, age) for _ in range(draw.randint(0, 3000)))
    written = cut = waiting = in_file = 0
    since, file = 0, 0
    for at in instants:
        size = draw.randint(19, largest)
        requested = at // 600_000 > file
        file = at // 600_000
        if waiting and (at - since >= flush or requested or in_file >= OBJECT):
            cut, waiting = cut + 1, 0
        in_file = 0 if requested or in_file >= OBJECT else in_file
        since = since if waiting else at
        written, in_file, rest = written + size, in_file + size, size
        if waiting and waiting + rest >= OBJECT and draw.random() < 0.5:
            cut, waiting = cut + 1, 0  # what is whole goes before an event that is too large
        while waiting + rest >= OBJECT:
            cut, rest, waiting = cut + 1, max(0, waiting + rest - OBJECT - draw.randint(0, 1 << 19)), 0
        waiting += rest
    cut += waiting > 0
    reading = Reading(age, written, (flush,), duration(1, "s"), (), NOWHERE)
    assert cut <= reading.objects


def test_more_of_anything_never_takes_less() -> None:
    waits = [
        Reading(age, bytes_, (flush,), duration(10, "ms"), (), NOWHERE).wait
        for age, bytes_, flush in zip(count(0, 700_001), range(0, 10**10, 10**8), range(5000, 0, -50), strict=False)
    ]
    assert waits == sorted(waits)
    assert Reading(10**7, 10**9, (1000, 1), duration(1, "s"), (), NOWHERE).objects > 10**7
