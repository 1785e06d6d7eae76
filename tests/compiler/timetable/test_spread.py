"""Jobs that take turns: the longest time between two starts gets as short as their windows allow."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bkpc_compiler.timetable.calendar import DAY, HOUR
from bkpc_compiler.timetable.placement import timetable_of
from bkpc_compiler.timetable.requests import Request, Slot
from bkpc_compiler.timetable.spread import MOST_STARTS, Turn, spread
from tests.compiler.timetable.test_placement import rhythm


def longest(turns: tuple[Turn, ...], offsets: tuple[int, ...], cycle: int) -> int:
    starts = sorted(
        (one.phase + offset + at) % cycle
        for one, offset in zip(turns, offsets, strict=True)
        for at in range(0, cycle, one.period)
    )
    return max(after - before for before, after in pairwise((*starts, starts[0] + cycle)))


@pytest.mark.parametrize(
    ("turns", "gap"),
    [
        ((Turn(DAY, 0, 0, DAY), Turn(DAY, 0, 0, DAY)), 12 * HOUR),
        ((Turn(DAY, 0, 0, DAY), Turn(DAY, 0, 0, DAY), Turn(DAY, 0, 0, DAY)), 8 * HOUR),
        ((Turn(DAY, 0, 0, 4 * HOUR), Turn(DAY, 0, 0, 4 * HOUR)), 20 * HOUR),  # no further apart than the window
        ((Turn(DAY, 0, 0, 4 * HOUR), Turn(DAY, 14 * HOUR, 0, 4 * HOUR)), 12 * HOUR),  # 2 h after midnight, or at it
        ((Turn(DAY, 0, 0, 0), Turn(DAY, 0, 0, DAY)), 12 * HOUR),  # one that stays where it is
        ((Turn(8 * HOUR, 0, 0, HOUR), Turn(DAY, 0, 0, DAY)), 8 * HOUR),  # one a day can't halve three gaps
    ],
)
def test_the_longest_gap_is_as_short_as_it_can_be(turns: tuple[Turn, ...], gap: int) -> None:
    cycle = DAY
    offsets = spread(turns)
    assert offsets is not None
    assert all(one.earliest <= offset <= one.latest for one, offset in zip(turns, offsets, strict=True))
    assert longest(turns, offsets, cycle) <= gap + 1


def test_too_many_starts_are_not_looked_at() -> None:
    minute = HOUR // 60
    assert spread((Turn(minute, 0, 0, minute), Turn(DAY, 0, 0, DAY))) is None
    assert DAY // minute > MOST_STARTS


def request(name: str, wish: int | None) -> Request:
    return Request(name, rhythm(DAY), DAY, 3600 * 1000, ("x",), None, wish=wish)


def test_a_job_starts_when_it_should_if_there_is_room() -> None:
    table = timetable_of([request("a", 0), request("b", 12 * HOUR)], {"x": 4000}, {})
    assert table.slots == {"a": Slot(0, HOUR, 1000), "b": Slot(12 * HOUR, HOUR, 1000)}


def test_one_that_should_start_too_late_is_done_in_its_window() -> None:
    (slot,) = timetable_of([request("a", DAY)], {"x": 4000}, {}).slots.values()
    assert slot == Slot(DAY - HOUR, HOUR, 1000)


def test_nobody_is_spread_where_that_leaves_no_room() -> None:
    """Beside 15 hours of all there is in a day, one that starts at 6:00 leaves too little before and after."""
    both = [
        Request("a", rhythm(DAY), 18 * HOUR, 6 * 3600 * 1000, ("x",), None, wish=9 * HOUR),
        Request("b", rhythm(DAY), DAY, 15 * 3600 * 1000, ("x",), None),
    ]
    table = timetable_of(both, {"x": 1000}, {})
    assert None not in table.slots.values()
    assert {slot.offset for slot in table.slots.values() if slot} == {0}


def test_one_that_fits_nowhere_keeps_nobody_from_being_spread() -> None:
    never = Request("never", rhythm(DAY), HOUR, 2 * 3600 * 1000, ("x",), None)
    table = timetable_of([request("a", 0), request("b", 12 * HOUR), never], {"x": 1000}, {})
    slots = {name: slot.offset for name, slot in table.slots.items() if slot}
    assert slots == {"a": 0, "b": 12 * HOUR, "never": 4 * HOUR}


def test_a_slot_is_as_short_as_is_wanted_if_there_is_room() -> None:
    swift = Request("a", rhythm(DAY), DAY, 3600 * 1000, ("x",), None, swift=HOUR // 2)
    assert timetable_of([swift], {"x": 4000}, {}).slots == {"a": Slot(0, HOUR // 2, 2000)}
    never = Request("a", rhythm(DAY), DAY, 3600 * 1000, ("x",), None, swift=1)
    assert timetable_of([never], {"x": 4000}, {}).slots == {"a": Slot(0, HOUR, 1000)}
