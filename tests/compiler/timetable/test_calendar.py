"""Rhythms of schedules against every release of ten years, looked up in the zone's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bkpc_compiler.planning.verified.calendar import shortest_month
from bkpc_compiler.program.model import Cadence, Schedule
from bkpc_compiler.timetable.calendar import DAY, HOUR, MINUTE, WEEK, rhythm_of
from bkpc_grammar.quantities import duration
from tests.compiler import builders as build

ZONES = (
    "UTC", "Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "America/Sao_Paulo",
    "America/Nuuk", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Chatham", "Antarctica/Troll",
)  # fmt: skip
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
FIRST, LAST = date(2027, 1, 1), date(2036, 12, 31)
TIMES = ((0, 0), (1, 30), (2, 0), (2, 30), (3, 0), (12, 0), (23, 59))


def schedule(cadence: Cadence, zone: str, at: tuple[int, int], weekday: int | None, day: int | None) -> Schedule:
    period = {Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}[cadence]
    minutes = at[0] * 60 + at[1]
    return Schedule(cadence, duration(period, "d"), minutes, weekday, day, None, zone, build.here())


def releases(one: Schedule) -> Iterator[int]:
    """In milliseconds since a Monday's midnight in UTC; a day that a month does not have is its last."""
    zone, day = ZoneInfo(one.timezone), FIRST
    clock = time((one.at or 0) // 60, (one.at or 0) % 60)
    while day <= LAST:
        ends = (day + timedelta(days=1)).month != day.month
        wanted = {
            Cadence.DAILY: True,
            Cadence.WEEKLY: day.weekday() == one.weekday,
            Cadence.MONTHLY: day.day == one.day or (ends and day.day < (one.day or 1)),
        }[one.cadence]
        if wanted:
            yield (datetime.combine(day, clock, zone).astimezone(UTC) - MONDAY) // timedelta(milliseconds=1)
        day += timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", TIMES)
def test_every_release_of_ten_years_is_in_the_rhythm(zone: str, at: tuple[int, int]) -> None:
    for one in (schedule(Cadence.DAILY, zone, at, None, None), schedule(Cadence.WEEKLY, zone, at, 6, None)):
        rhythm = rhythm_of(one)
        found = list(releases(one))
        late = {(release - rhythm.phase) % rhythm.period for release in found}
        assert max(late) <= rhythm.shift
        assert {0, rhythm.shift} <= late  # neither side is wider than it must be
        longest = max(after - before for before, after in pairwise(found))
        assert longest <= rhythm.gap
        assert rhythm.steady
        assert WEEK % rhythm.period == 0


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", [1, 15, 28, 29, 30, 31])
def test_no_two_releases_of_a_month_are_further_apart_or_closer(zone: str, day: int) -> None:
    one = schedule(Cadence.MONTHLY, zone, (2, 30), None, day)
    found = list(releases(one))
    rhythm = rhythm_of(one)
    assert len(found) == 120
    assert max(after - before for before, after in pairwise(found)) <= rhythm.gap
    assert rhythm.gap == 31 * DAY + rhythm.shift
    least = min(after - before for before, after in pairwise(found))
    assert 28 * DAY - rhythm.shift == rhythm.least <= shortest_month(one.at or 0, day, zone)
    assert rhythm.least <= least <= 28 * DAY + (2 * DAY if day in {29, 30} else 0)
    assert not rhythm.steady


@pytest.mark.parametrize(("period", "steady"), [(HOUR, True), (7 * HOUR, True), (5 * HOUR, False), (10 * DAY, False)])
def test_periods_that_divide_a_week_keep_their_phase(period: int, steady: bool) -> None:
    every = duration(period // MINUTE, "min")
    rhythm = rhythm_of(Schedule(Cadence.EVERY, every, None, None, None, None, "Europe/Berlin", build.here()))
    assert (rhythm.period, rhythm.phase, rhythm.shift, rhythm.gap, rhythm.steady) == (period, 0, 0, period, steady)
    assert rhythm.least == period
