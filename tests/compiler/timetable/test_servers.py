"""Of one server one image is taken at a time: slots of its images never meet, whatever their periods."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.timetable.calendar import DAY, HOUR, WEEK, Rhythm
from bkpc_compiler.timetable.placement import timetable_of
from bkpc_compiler.timetable.requests import Request, Slot
from bkpc_compiler.timetable.servers import Held, held, hop

MONTH = 31 * DAY
RATE = 1000  # bytes per second


def rhythm(period: int, phase: int = 0, shift: int = 0) -> Rhythm:
    if period == MONTH:
        return Rhythm(MONTH, phase, shift, MONTH + shift, 28 * DAY - shift, False, False)
    return Rhythm(period, phase, shift, period + shift, period - shift, WEEK % period == 0, True)


def image(name: str, period: int, window: int, lasts: int, **more: object) -> Request:
    """It takes `lasts` ms at most, alone on the way; `x` is wide enough for all of them."""
    one = {"rhythm": rhythm(period), "server": "db", **more}
    return Request(id=name, window=window, effort=lasts * RATE // 1000, resources=("x",), ceiling=RATE, **one)  # type: ignore[arg-type]


def placed(*asked: Request) -> dict[str, Slot | None]:
    return dict(timetable_of(asked, {"x": 1000 * RATE}, {}).slots)


@st.composite
def images(draw: st.DrawFn) -> list[Request]:
    found = []
    for number in range(draw(st.integers(2, 4))):
        period = draw(st.sampled_from((HOUR, 4 * HOUR, 5 * HOUR, 6 * HOUR, DAY, WEEK, MONTH)))
        shift = draw(st.sampled_from((0, HOUR))) if period >= DAY else 0
        when = rhythm(period, draw(st.integers(0, min(period, WEEK) - 1)) // HOUR * HOUR, shift)
        window = draw(st.integers(HOUR // 2, min(period, DAY)))
        lasts = draw(st.integers(1, window // 2))
        incremental = draw(st.booleans())
        found.append(image(f"i{number}", period, window, lasts, rhythm=when, incremental=incremental))
    return found


def taken(one: Request, slot: Slot, turn: int) -> list[tuple[int, int]]:
    """Its slots over some weeks, with clocks changed in every second one; months of `turn` and 30 days by turns."""
    starts, at, number = [], one.rhythm.phase % WEEK, 0
    while at < 12 * WEEK:
        starts.append(at + (one.rhythm.shift if at // WEEK % 2 else 0))
        number += 1
        at += one.rhythm.period if one.rhythm.fixed else (turn if number % 2 else 30) * DAY
    return [(start + slot.offset, start + slot.offset + slot.length) for start in starts]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(asked=images(), turn=st.integers(28, 31))
def test_slots_of_one_server_never_meet(asked: list[Request], turn: int) -> None:
    slots = placed(*asked)
    for kind in (False, True):
        runs = [
            run
            for one in asked
            if one.incremental == kind and (slot := slots[one.id]) is not None
            for run in taken(one, slot, turn)
        ]
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(runs)))


def test_both_into_one_window_one_after_the_other() -> None:
    """Each takes half of it at most, though more would leave more to others on its way."""
    found = placed(image("a", DAY, 4 * HOUR, 2 * HOUR), image("b", DAY, 4 * HOUR, 2 * HOUR))
    assert [(one.offset, one.end) for one in found.values() if one] == [(0, 2 * HOUR), (2 * HOUR, 4 * HOUR)]


def test_an_image_that_takes_no_time_is_taken_at_an_instant_and_not_within_another() -> None:
    full = held(rhythm(DAY), HOUR, 3 * HOUR)
    assert hop(held(rhythm(4 * HOUR, 2 * HOUR), 0, 0), [full]) != 0
    assert hop(held(rhythm(4 * HOUR), 0, 0), [full]) == 0


def test_a_copy_does_not_wait() -> None:
    found = placed(image("a", DAY, 4 * HOUR, 4 * HOUR), image("b", DAY, 4 * HOUR, 4 * HOUR, server=None))
    assert [one.offset for one in found.values() if one] == [0, 0]


def test_what_finds_no_room_at_its_server_has_no_slot_in_its_window() -> None:
    found = placed(image("a", DAY, 4 * HOUR, 3 * HOUR), image("b", DAY, 4 * HOUR, 3 * HOUR))
    assert found["a"] == Slot(0, 3 * HOUR, RATE)
    assert found["b"] == Slot(3 * HOUR, 3 * HOUR, RATE)  # late


def test_what_needs_most_of_its_window_comes_first_where_that_helps() -> None:
    """The short one is due first, and anywhere else in the first hours it would be in the way."""
    short = image("short", DAY, 24 * HOUR, 2 * HOUR)
    long = image("long", DAY, 22 * HOUR + HOUR // 2, 22 * HOUR, rhythm=rhythm(DAY, 23 * HOUR))
    assert placed(short, long) == {"short": Slot(21 * HOUR, 2 * HOUR, RATE), "long": Slot(0, 22 * HOUR, RATE)}


def test_an_incremental_one_comes_after_a_full_one_or_is_left_out() -> None:
    full = image("full", DAY, 4 * HOUR, HOUR // 2)
    after = placed(full, image("adding", HOUR, HOUR, HOUR // 4, incremental=True))
    assert after["adding"] == Slot(HOUR // 2, HOUR // 4, RATE)
    long = image("full", DAY, 4 * HOUR, 3 * HOUR)
    left_out = placed(long, image("adding", HOUR, HOUR, HOUR // 4, incremental=True))
    assert left_out["adding"] == Slot(0, HOUR // 4, RATE)


def test_where_two_meet_the_later_one_hops_over() -> None:
    nightly = Held(DAY, 0, 3 * HOUR)
    assert hop(Held(DAY, 3 * HOUR, HOUR), [nightly]) == 0
    assert hop(Held(DAY, HOUR, HOUR), [nightly]) == 2 * HOUR
    assert hop(Held(DAY, 23 * HOUR, 2 * HOUR), [nightly]) == 4 * HOUR  # it runs into the next night
    assert hop(Held(5 * HOUR, 0, HOUR), [Held(DAY, 0, HOUR // 2)]) is None  # some day they meet
    assert hop(Held(5 * HOUR, HOUR // 2, HOUR // 2), [Held(DAY, 0, HOUR // 2)]) == 0
    assert hop(Held(DAY, 0, 0), [nightly]) == 0  # nothing on its way is known to be narrow
