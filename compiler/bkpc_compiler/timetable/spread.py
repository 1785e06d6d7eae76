"""Where jobs that take turns should start: as evenly over time as their windows allow.

Each leaves an image of the same database; the newest counts. So the longest time between two starts, whichever jobs
they are of, is to be as short as can be. A wish only: the planner starts a job later or earlier where that has room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import lcm

MOST_STARTS = 256
"""In one cycle of all; where there are more, nothing is wished for."""
_ROUNDS = 12
_GAPS = 2
"""So many of the longest gaps are tried to be halved."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A job that takes turns with others: released every `period` at `phase`, it may start between `earliest` and
    `latest` after that; milliseconds."""

    period: int
    phase: int
    earliest: int
    latest: int


@lru_cache(4096)
def spread(turns: tuple[Turn, ...]) -> tuple[int, ...] | None:
    """Milliseconds after its release at which each should start; None where there are too many to look at.

    Each in its turn is moved to where the longest gap becomes shortest, until none gains by it.
    """
    cycle = lcm(*(one.period for one in turns))
    if sum(cycle // one.period for one in turns) > MOST_STARTS:
        return None
    found = [_settled(turns, cycle, list(seed)) for seed in dict.fromkeys((_early(turns), _even(turns)))]
    return tuple(min(found, key=lambda offsets: (_longest(_starts(turns, offsets, cycle), cycle), sum(offsets))))


def _early(turns: Sequence[Turn]) -> tuple[int, ...]:
    return tuple(one.earliest for one in turns)


def _even(turns: Sequence[Turn]) -> tuple[int, ...]:
    """Each as far from the first release as its share of the shortest period, if its window allows."""
    step = min(one.period for one in turns) // len(turns)
    first = turns[0].phase
    wished = ((first + number * step - one.phase) % one.period for number, one in enumerate(turns))
    return tuple(max(one.earliest, min(one.latest, at)) for one, at in zip(turns, wished, strict=True))


def _settled(turns: Sequence[Turn], cycle: int, offsets: list[int]) -> list[int]:
    for _ in range(_ROUNDS):
        before = list(offsets)
        for number in range(len(turns)):
            offsets[number] = _best(turns, cycle, offsets, number)
        if offsets == before:
            break
    return offsets


def _best(turns: Sequence[Turn], cycle: int, offsets: Sequence[int], number: int) -> int:
    """Where one should start while the others stay; where it is, unless that is better."""
    one = turns[number]
    others = _starts(
        [turn for index, turn in enumerate(turns) if index != number],
        [offset for index, offset in enumerate(offsets) if index != number],
        cycle,
    )

    def longest(offset: int) -> int:
        return _longest(sorted((*others, *_starts((one,), (offset,), cycle))), cycle)

    candidates = dict.fromkeys((offsets[number], one.earliest, one.latest, *_halving(one, others, cycle)))
    return min(candidates, key=longest)


def _halving(one: Turn, others: Sequence[int], cycle: int) -> list[int]:
    """Offsets that halve one of the longest gaps, or come as near to that as the window allows."""
    gaps = sorted(((end - start, start) for start, end in pairwise((*others, others[0] + cycle))), reverse=True)
    found = []
    for lasts, start in gaps[:_GAPS]:
        offset = (start + lasts // 2 - one.phase) % one.period
        found.append(max(one.earliest, min(one.latest, offset)))
    return found


def _starts(turns: Iterable[Turn], offsets: Iterable[int], cycle: int) -> list[int]:
    return sorted(
        (one.phase + offset + at) % cycle
        for one, offset in zip(turns, offsets, strict=True)
        for at in range(0, cycle, one.period)
    )


def _longest(starts: Sequence[int], cycle: int) -> int:
    return max(end - start for start, end in pairwise((*starts, starts[0] + cycle)))
