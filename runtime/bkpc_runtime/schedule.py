"""When a job is due: releases of a schedule in its own time zone, clock changes included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bkpc_grammar.plan import Schedule

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
"""`every 6h` counts from a Monday's midnight in UTC: any two runners agree on its releases."""


def last_release(schedule: Schedule, now: datetime) -> datetime:
    """The newest release at or before `now` (aware), in UTC."""
    if schedule.cadence in {"every", "hourly"}:
        period = timedelta(milliseconds=schedule.period_ms)
        return _EPOCH + (now - _EPOCH) // period * period
    zone = ZoneInfo(schedule.timezone)
    day = now.astimezone(zone).date()
    for back in range(63):
        candidate = day - timedelta(days=back)
        minutes = schedule.at_minute or 0
        at = datetime(candidate.year, candidate.month, candidate.day, minutes // 60, minutes % 60, tzinfo=zone)
        if at.astimezone(UTC) <= now and _released(schedule, at):
            return at.astimezone(UTC)
    raise AssertionError("every schedule is released within two months")


def _released(schedule: Schedule, at: datetime) -> bool:
    if schedule.cadence == "weekly":
        return at.weekday() == schedule.weekday
    if schedule.cadence == "monthly":
        tomorrow = at + timedelta(days=1)
        last_day = tomorrow.month != at.month
        return at.day == schedule.day or (last_day and at.day < (schedule.day or 1))
    return True


def last_start(schedule: Schedule, now: datetime) -> datetime:
    """The newest planned start at or before `now`: the planner's offset after a release."""
    offset = timedelta(milliseconds=schedule.offset_ms)
    return last_release(schedule, now - offset) + offset


def first_start(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The first planned start after one instant and no later than another within a day; None: there is none."""
    start = last_start(schedule, until)
    if schedule.cadence in {"every", "hourly"}:
        start = min(start, last_start(schedule, after) + timedelta(milliseconds=schedule.period_ms))
    return start if start > after else None


def is_due(schedule: Schedule, newest: datetime | None, now: datetime) -> bool:
    """Whether a job whose newest output began at `newest` should run now."""
    return newest is None or newest < last_start(schedule, now)
