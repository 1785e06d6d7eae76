"""Spans of time for people: rounded to the safe side, and sums that add up as they are printed."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_grammar.quantities import SECONDS, Duration, duration
from bkpc_grammar.rounding import summed, told, told_down, told_up

spans = st.fractions(min_value=0, max_value=10**8, max_denominator=10**6) | st.builds(
    lambda n, unit: n * unit, st.integers(0, 10**6), st.sampled_from(sorted(SECONDS.values()))
)


def read(text: str) -> Fraction:
    """What a reader takes it for."""
    found = re.findall(r"([0-9.]+)(d|h|min|ms|s)", text)
    assert " ".join(f"{number}{unit}" for number, unit in found) == text
    return sum((Fraction(number) * SECONDS[unit] for number, unit in found), start=Fraction(0))


@pytest.mark.parametrize(
    ("seconds", "up", "down"),
    [
        (Fraction(0), "0s", "0s"),
        (Fraction(1, 100_000), "1ms", "0s"),
        (Fraction(30_5, 10_000), "31ms", "30ms"),
        (Fraction(901, 100), "9.1s", "9s"),
        (Fraction(70_788, 1000), "1min 11s", "1min 10s"),
        (Fraction(8590), "2h 24min", "2h 23min"),
        (Fraction(7 * 86400 + 11), "7d 1h", "7d"),
        (Fraction(59_999, 1000), "1min", "59s"),
    ],
)
def test_usually(seconds: Fraction, up: str, down: str) -> None:
    assert (told_up(seconds), told_down(seconds)) == (up, down)
    assert Duration(seconds).human() == up
    assert Duration(seconds).human_down() == down


@given(spans)
def test_nobody_is_promised_more_than_there_is(seconds: Fraction) -> None:
    assert read(told_down(seconds)) <= seconds <= read(told_up(seconds))


@given(spans, spans)
def test_what_is_beyond_a_promise_is_so_as_printed_and_nothing_else_is(seconds: Fraction, promised: Fraction) -> None:
    seconds, promised = (Fraction(round(one * 10**6), 10**6) for one in (seconds, promised))
    assert (read(told_up(seconds, promised)) > promised) == (seconds > promised)
    assert (read(told_down(seconds, promised)) > promised) == (seconds > promised)
    assert read(told_down(seconds, promised)) <= seconds <= read(told_up(seconds, promised))


def test_a_bound_that_is_just_beyond_a_promise() -> None:
    week = duration(1, "w").amount
    assert told_down(week + 11, week) == "7d 11s"
    assert told_up(week - Fraction(1, 1000), week) == "7d"
    assert told_up(Fraction(60_200, 1000), Fraction(60_500, 1000)) == "1min 0.2s"


@given(st.lists(spans, max_size=6), st.booleans(), st.none() | spans)
def test_parts_add_up_as_printed(parts: list[Fraction], up: bool, against: Fraction | None) -> None:
    whole, shown = summed(parts, against, up=up)
    assert sum((Fraction(0) if one.startswith("<") else read(one) for one in shown), start=Fraction(0)) == read(whole)
    total = sum(parts, start=Fraction(0))
    assert read(whole) >= total if up else read(whole) <= total
    for part, one in zip(parts, shown, strict=True):
        near = Fraction(0) if one.startswith("<") else read(one)
        assert abs(near - part) < 3600
        assert (one == "0s") == (part == 0)


def test_small_parts_are_not_lost_in_large_ones() -> None:
    parts = [Fraction(50), Fraction(30, 1000), Fraction(11)]
    assert summed(parts, up=True) == ("1min 1.03s", ("50s", "30ms", "11s"))
    assert summed([Fraction(7 * 86400), Fraction(10_24, 100)], up=False) == ("7d 10s", ("7d", "10s"))


def test_exactly() -> None:
    assert told(Fraction(3661)) == "1h 1min 1s"
    assert told(Fraction(1, 8000)) == "0.125ms"
