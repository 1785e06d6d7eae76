"""The planner of jobs against what every planner must keep, and against what is known to be feasible."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.timetable.calendar import DAY, HOUR, WEEK, Rhythm
from bkpc_compiler.timetable.placement import Timetable, timetable_of
from bkpc_compiler.timetable.requests import Request

USABLE = 1000
PERIODS = (HOUR, 4 * HOUR, 6 * HOUR, 7 * HOUR, 12 * HOUR, DAY, WEEK, 5 * HOUR)


def rhythm(period: int, phase: int = 0, shift: int = 0) -> Rhythm:
    return Rhythm(period, phase, shift, period + shift, period - shift, WEEK % period == 0, True)


@st.composite
def requests(draw: st.DrawFn) -> list[Request]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        period = draw(st.sampled_from(PERIODS))
        shift = draw(st.sampled_from((0, HOUR))) if period >= DAY else 0
        window = draw(st.integers(1, period))
        names = draw(st.sets(st.sampled_from(("link", "store", "database:a:dump")), min_size=1))
        effort = draw(st.integers(1, USABLE * window // 1000 + 1))
        found.append(
            Request(
                id=f"job{number}",
                rhythm=rhythm(period, draw(st.integers(0, period - 1)) // HOUR * HOUR, shift),
                window=window,
                effort=effort,
                resources=tuple(sorted(names)),
                ceiling=draw(st.none() | st.integers(1, USABLE)),
            )
        )
    return found


def loads(asked: list[Request], table: Timetable, resource: str, shifted: bool) -> list[int]:
    """What is reserved at every start of a slot in two weeks of winter, or of summer where `shifted`."""
    taken = []
    for one in asked:
        slot = table.slots[one.id]
        if slot is None or resource not in one.resources:
            continue
        late = one.rhythm.shift if shifted else 0
        steps = range(-WEEK, 2 * WEEK, one.rhythm.period)
        begins = [one.rhythm.phase + late + step + slot.offset for step in steps]
        taken += [(begin, begin + slot.length, slot.rate) for begin in begins]
    starts = [begin for begin, _, _ in taken if 0 <= begin < WEEK]
    return [sum(rate for begin, end, rate in taken if begin <= at < end) for at in starts]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(asked=requests(), steady=st.integers(0, USABLE))
def test_nothing_is_promised_twice_nor_too_late(asked: list[Request], steady: int) -> None:
    usable = {"link": USABLE, "store": USABLE, "database:a:dump": USABLE}
    table = timetable_of(asked, usable, {"link": steady})
    for one in asked:
        slot = table.slots[one.id]
        if slot is not None:
            assert slot.rate * slot.length >= one.effort * 1000
            assert slot.rate <= (one.ceiling or USABLE)
            assert slot.offset >= 0
            assert slot.end <= one.rhythm.period - one.rhythm.shift
    for name in usable:
        streams = steady if name == "link" else 0
        for shifted in (False, True):
            assert all(load + streams <= USABLE for load in loads(asked, table, name, shifted))
            assert all(load + streams <= table.peaks[name] for load in loads(asked, table, name, shifted))


def of_one_period(efforts: list[int], period: int) -> list[Request]:
    window = period
    return [Request(f"job{n}", rhythm(period), window, effort, ("store",), None) for n, effort in enumerate(efforts)]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    period=st.sampled_from((4 * HOUR, 12 * HOUR, DAY, WEEK)),
    parts=st.lists(st.integers(1, 60), min_size=1, max_size=8).filter(lambda parts: sum(parts) <= 100),
)
def test_whatever_uses_a_resource_to_the_full_fits(period: int, parts: list[int]) -> None:
    """Windows as long as the one period, utilisation up to 1: a schedule exists, each job at its even rate."""
    efforts = [part * USABLE // 100 * period // 1000 for part in parts]
    table = timetable_of(of_one_period(efforts, period), {"store": USABLE}, {})
    assert None not in table.slots.values()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    period=st.sampled_from((4 * HOUR, DAY)),
    parts=st.lists(st.integers(1, 60), min_size=2, max_size=8).filter(lambda parts: sum(parts) > 100),
)
def test_what_asks_for_more_than_there_is_never_fits(period: int, parts: list[int]) -> None:
    efforts = [part * USABLE // 100 * period // 1000 for part in parts]
    table = timetable_of(of_one_period(efforts, period), {"store": USABLE}, {})
    assert None in table.slots.values()
