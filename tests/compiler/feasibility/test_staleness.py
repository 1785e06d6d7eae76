"""Ages of images against a simulation that goes through every instant of a hyperperiod."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import lcm

from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.staleness import Leg, staleness_of, unaligned

TURNS = 6
"""Hyperperiods until the first image has gone through every leg, and one more to look at."""


@st.composite
def legs(draw: st.DrawFn, shift: int = 0) -> Leg:
    period = draw(st.sampled_from((2, 3, 4, 6, 8, 12, 24)))
    start = draw(st.integers(0, period - 1))
    end = draw(st.integers(start, period))
    return Leg(period, draw(st.integers(0, period - 1)), start, end, draw(st.sampled_from((0, shift))))


CHAINS = st.lists(legs(), min_size=1, max_size=3)


def simulated(chain: list[Leg], moved: list[list[int]], length: int) -> list[int]:
    """The age at every instant of `length` of the newest image in the last store; -1 before there is one.

    `moved`: by leg, how much later each of its releases is.
    """
    whole: list[tuple[int, int]] = []  # when, and of which snapshot; in the store before
    for number, (leg, late) in enumerate(zip(chain, moved, strict=True)):
        made = []
        for release, by in zip(range(leg.phase, length, leg.period), late, strict=False):
            begun = release + by + leg.start
            taken = [snapshot for at, snapshot in whole if at <= begun]
            if number == 0 or taken:
                made.append((release + by + leg.end, max(taken) if number else begun))
        whole = made
    ages = []
    for instant in range(length):
        here = [snapshot for at, snapshot in whole if at <= instant]
        ages.append(instant - max(here) if here else -1)
    return ages


def quantile(ages: list[int], share: Fraction) -> Fraction:
    """The least x so that the age, which grows from each of `ages` for one instant, is at most x for `share`."""
    sought = share * len(ages)
    for age in sorted(set(ages)):
        below = sum(1 for one in ages if one < age)
        here = sum(1 for one in ages if one == age)
        if below + here >= sought:
            return age + max(Fraction(0), (sought - below) / here)
    raise AssertionError("the oldest age is one of them")


def last_turn(chain: list[Leg]) -> list[int]:
    cycle = lcm(*(leg.period for leg in chain))
    length = TURNS * cycle + 100
    still = [[0] * (length // leg.period + 1) for leg in chain]
    return simulated(chain, still, length)[-cycle:]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(chain=CHAINS)
def test_worst_age_is_that_of_the_worst_instant(chain: list[Leg]) -> None:
    ages = staleness_of(chain)
    assert ages is not None
    assert ages.worst == max(last_turn(chain)) + 1  # just before the next instant
    assert ages.worst <= unaligned(chain).worst


@settings(max_examples=150, deadline=None, derandomize=True)
@given(chain=CHAINS, share=st.fractions(min_value=Fraction(1, 100), max_value=1, max_denominator=100))
def test_quantiles_are_exact(chain: list[Leg], share: Fraction) -> None:
    ages = staleness_of(chain)
    assert ages is not None
    assert ages.quantile(share) == quantile(last_turn(chain), share)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    chain=st.lists(legs(shift=1), min_size=1, max_size=3),
    change=st.integers(0, 50),
    spring=st.booleans(),
)
def test_no_change_of_clocks_makes_an_image_older(chain: list[Leg], change: int, spring: bool) -> None:
    """From one night on all legs with summer time come an hour earlier, or an hour later."""
    chain = [Leg(leg.period * 4, leg.phase, leg.start, leg.end, leg.shift) for leg in chain]
    ages = staleness_of(chain)
    assert ages is not None
    length = 4 * lcm(*(leg.period for leg in chain)) + 400
    night = length // 2 + change
    before, after = (1, 0) if spring else (0, 1)
    moved = [
        [leg.shift * (before if release < night else after) for release in range(leg.phase, length, leg.period)]
        for leg in chain
    ]
    assert max(simulated(chain, moved, length)[length // 2 - 100 :]) < ages.worst


def test_all_shifts_at_once_by_hand() -> None:
    """A daily image and its copy at noon: 12 in time, an hour for each clock and for the night."""
    daily, copy = Leg(24, 0, 0, 2, 1), Leg(24, 12, 0, 2, 1)
    ages = staleness_of((daily, copy))
    assert ages is not None
    assert ages.worst == 24 + 14 + 1 + 1
    moves = list(product((0, 1), repeat=2))
    assert len(ages.times) == len({14 + late - early for early, late in moves})


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_night_on_which_clocks_are_put_back_is_waited_for_once(data: st.DataObject) -> None:
    """Two jobs by the same clocks, which change once: releases after it come later, or earlier, than before."""
    period, shift = 48, data.draw(st.sampled_from((2, -2)))
    legs = []
    for _ in range(2):
        start = data.draw(st.integers(0, 10))
        ends = start + data.draw(st.integers(1, 20))
        legs.append(Leg(period, data.draw(st.integers(0, period - 1)), start, ends, 2, "Europe/Berlin"))
    at = data.draw(st.integers(8 * period, 10 * period))
    image, copy = (_released(leg, at, shift) for leg in legs)
    whole = [(one + legs[0].end, one + legs[0].start) for one in image]
    copied = []
    for one in copy:
        taken = [snapshot for usable, snapshot in whole if usable <= one + legs[1].start]
        if taken:
            copied.append((one + legs[1].end, max(taken)))
    worst = max(
        usable - max(snapshot for before, snapshot in copied if before < usable)
        for usable, _ in copied
        if any(before < usable for before, _ in copied)
    )
    assert worst <= unaligned(legs).worst
    apart = [
        Leg(leg.period, leg.phase, leg.start, leg.end, leg.shift, zone) for leg, zone in zip(legs, "ab", strict=True)
    ]
    assert unaligned(apart).worst == unaligned(legs).worst + 2


def _released(leg: Leg, change: int, shift: int) -> list[int]:
    nominal = [leg.phase + turn * leg.period for turn in range(20)]
    return [one if one < change else one + shift for one in nominal]
