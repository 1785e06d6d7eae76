"""When jobs are released: schedules as phases of a week in UTC, in whole milliseconds.

A zone with clock changes has several offsets from UTC: a job of such a zone may be released anywhere between
its earliest phase and `shift` later. The week begins on a Monday at 00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bkpc_compiler.program.model import Cadence, Schedule

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
FEBRUARY = 28 * DAY
"""From a day of it to the same of March: no two monthly releases are closer, but for the clocks."""
_YEARS = range(2026, 2037)
"""Clock changes are looked up for these years: fixed, so that a plan does not depend on when it is made."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`period`: of the releases; `phase`: the earliest instant in it; `shift`: how far clock changes move it.

    `gap`: the longest time between two releases; `least`: the shortest. `steady`: whether the phases hold
    in every week; a job whose period does not divide a week, or that comes once a month, may be released at any time
    of it. `fixed`: whether the phases hold from the Monday on from which all schedules count: those of two jobs stand
    to each other as they do in every cycle of both, and only months differ.
    """

    period: int
    phase: int
    shift: int
    gap: int
    least: int
    steady: bool
    fixed: bool


@lru_cache(maxsize=4096)
def rhythm_of(schedule: Schedule) -> Rhythm:
    """The rhythm of `schedule`."""
    period = max(1, int(schedule.period.amount * 1000))
    if schedule.cadence in {Cadence.EVERY, Cadence.HOURLY}:
        gap = schedule.period.milliseconds_up()
        return Rhythm(period, 0, 0, gap, period, WEEK % period == 0, gap == period)
    offsets = offsets_of(schedule.timezone)
    shift = offsets[-1] - offsets[0]
    local = (schedule.at or 0) * MINUTE
    if schedule.cadence is Cadence.WEEKLY:
        local += (schedule.weekday or 0) * DAY
    monthly = schedule.cadence is Cadence.MONTHLY
    least = (FEBRUARY if monthly else period) - shift
    return Rhythm(period, (local - offsets[-1]) % period, shift, period + shift, least, not monthly, not monthly)


@lru_cache(maxsize=256)
def offsets_of(timezone: str) -> tuple[int, ...]:
    """Every offset of `timezone` from UTC, in milliseconds, ascending."""
    zone = ZoneInfo(timezone)
    days = (datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) for year in _YEARS for day in range(0, 366, 5))
    return tuple(sorted({_milliseconds(day.astimezone(zone).utcoffset()) for day in days}))


def _milliseconds(offset: timedelta | None) -> int:
    return int((offset or timedelta()).total_seconds() * 1000)
