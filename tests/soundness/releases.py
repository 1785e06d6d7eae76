"""When jobs are released, reckoned apart from the compiler and the runtime, and which spans of time to look at.

Instants are whole milliseconds since 2001-01-01T00:00Z, a Monday.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from math import lcm
from zoneinfo import ZoneInfo

from bkpc_grammar.plan import Schedule

EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
HOUR = 3_600_000
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365 * DAY + DAY // 4
_FIXED = {"hourly": HOUR, "daily": DAY, "weekly": WEEK, "monthly": 365 * DAY}


@dataclass(frozen=True, slots=True)
class Window:
    """A span to simulate; one millisecond of it stands for `weight` milliseconds of a year."""

    start: int
    end: int
    weight: float


def instant(moment: datetime) -> int:
    """`moment` in milliseconds since the epoch."""
    return round((moment - EPOCH).total_seconds() * 1000)


def releases(schedule: Schedule, start: int, end: int) -> list[int]:
    """Every release in [start, end)."""
    if schedule.cadence in {"every", "hourly"}:
        period = HOUR if schedule.cadence == "hourly" else schedule.period_ms
        return list(range(-(-start // period) * period, end, period))
    first, last = start // DAY - 1, end // DAY + 2
    found = []
    for day in _days(schedule, first, last):
        release = local_instant(day, schedule.at_minute or 0, schedule.timezone)
        if start <= release < end:
            found.append(release)
    return found


def _days(schedule: Schedule, first: int, last: int) -> Iterable[int]:
    """The days from `first` to before `last` on which it is released."""
    if schedule.cadence == "weekly":
        weekday = schedule.weekday or 0
        return range(first + (weekday - first) % 7, last, 7)
    if schedule.cadence == "monthly":
        return [day for day in _days_of_months(schedule.day or 1, first, last) if first <= day < last]
    return range(first, last)


def _days_of_months(wanted: int, first: int, last: int) -> Iterator[int]:
    """Day number `wanted` of each month; a month too short for it has it on its last."""
    month = EPOCH.date() + timedelta(days=first)
    end = EPOCH.date() + timedelta(days=last)
    year, number = month.year, month.month
    while date(year, number, 1) <= end:
        yield (date(year, number, min(wanted, monthrange(year, number)[1])) - EPOCH.date()).days
        year, number = (year + 1, 1) if number == 12 else (year, number + 1)


@lru_cache(maxsize=1 << 16)
def local_instant(day: int, minute: int, timezone: str) -> int:
    """Local `minute` of day number `day`. One that the clocks skip comes that much later; of two, the first."""
    local = datetime.combine(EPOCH.date() + timedelta(days=day), time(minute // 60, minute % 60), ZoneInfo(timezone))
    return instant(local.astimezone(UTC))


@lru_cache(maxsize=1 << 10)
def clock_changes(timezone: str, year: int) -> tuple[int, ...]:
    """The instants (to the hour) at which clocks change in `year`."""
    first = (date(year, 1, 1) - EPOCH.date()).days
    midnights = [local_instant(day, 0, timezone) for day in range(first, first + 366)]
    return tuple(one + 3 * HOUR for one, after in pairwise(midnights) if after - one != DAY)


def hyperperiod(schedules: Iterable[Schedule]) -> int:
    """After this all releases repeat, clock changes aside."""
    return lcm(*(_FIXED.get(one.cadence, one.period_ms) for one in schedules))


def windows(schedules: Iterable[Schedule], year: int) -> tuple[Window, ...]:
    """One hyperperiod; where clocks change, one of each season and the time about each change."""
    chosen = tuple(schedules)
    length = hyperperiod(chosen)
    zones = {one.timezone for one in chosen if one.cadence in {"daily", "weekly", "monthly"}}
    changes = sorted({change for zone in zones for change in clock_changes(zone, year)})
    winter = instant(datetime(year, 1, 14, tzinfo=UTC))
    if len(changes) != 2:
        return (Window(winter, winter + length, 1.0),)
    after = 2 * max(_FIXED.get(one.cadence, one.period_ms) for one in chosen) + DAY
    after = -(-(after + DAY) // length) * length - DAY  # whole hyperperiods: no part of one counts twice
    summer_length = changes[1] - changes[0] - after
    winter_length = YEAR - summer_length - 2 * (after + DAY)
    summer = instant(datetime(year, 6, 10, tzinfo=UTC))
    return (
        Window(winter, winter + length, winter_length / length),
        *(Window(change - DAY, change + after, 1.0) for change in changes),
        Window(summer, summer + length, summer_length / length),
    )
