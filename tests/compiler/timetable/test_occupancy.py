"""What is reserved of a resource, against an array with one number for each instant."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.timetable.occupancy import Occupancy

LENGTH, USABLE = 24, 10
RESERVATIONS = st.lists(
    st.tuples(st.integers(0, 3 * LENGTH), st.integers(0, LENGTH), st.integers(0, USABLE)), max_size=8
)


class Array:
    """The same, instant by instant."""

    def __init__(self, steady: int) -> None:
        self.loads = [steady] * LENGTH

    def reserve(self, start: int, lasts: int, rate: int) -> None:
        for at in range(start, start + lasts):
            self.loads[at % LENGTH] += rate

    def fits(self, start: int, lasts: int, rate: int, limit: int) -> bool:
        return all(self.loads[at % LENGTH] + rate <= limit for at in range(start, start + lasts))


def both(reserved: list[tuple[int, int, int]], steady: int) -> tuple[Occupancy, Array]:
    occupied, array = Occupancy(LENGTH, USABLE, steady), Array(steady)
    for start, lasts, rate in reserved:
        occupied.reserve(start, lasts, rate)
        array.reserve(start, lasts, rate)
    return occupied, array


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    reserved=RESERVATIONS,
    steady=st.integers(0, USABLE),
    start=st.integers(0, 2 * LENGTH),
    lasts=st.integers(1, 2 * LENGTH),
    rate=st.integers(1, USABLE),
    limit=st.integers(0, USABLE),
)
def test_room_and_conflicts_are_those_of_every_instant(
    reserved: list[tuple[int, int, int]], steady: int, start: int, lasts: int, rate: int, limit: int
) -> None:
    occupied, array = both(reserved, steady)
    assert occupied.peak == max(array.loads)
    hop = occupied.conflict(start, lasts, rate, limit)
    assert (hop is None) == array.fits(start, lasts, rate, limit)
    if hop is not None:
        assert hop > 0
        assert not any(array.fits(start + skipped, lasts, rate, limit) for skipped in range(hop))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    reserved=RESERVATIONS,
    steady=st.integers(0, USABLE),
    asked=st.lists(
        st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH), st.integers(1, USABLE), st.booleans()),
        min_size=1,
        max_size=6,
    ),
)
def test_first_room_is_the_first_instant_with_room(
    reserved: list[tuple[int, int, int]], steady: int, asked: list[tuple[int, int, int, bool]]
) -> None:
    """One question after the other, some of them answered by a reservation: what is remembered stays right."""
    occupied, array = both(reserved, steady)
    for start, lasts, rate, taken in asked:
        found = occupied.first_room(start, lasts, rate)
        fitting = [at for at in range(start, LENGTH - lasts + 1) if array.fits(at, lasts, rate, USABLE)]
        assert found == (fitting[0] if fitting else LENGTH)
        for latest in (start, found - 1, found):
            within = occupied.first_room(start, lasts, rate, latest)
            assert within == found if found <= latest else within > latest
        if taken and fitting:
            occupied.reserve(found, lasts, rate)
            array.reserve(found, lasts, rate)
