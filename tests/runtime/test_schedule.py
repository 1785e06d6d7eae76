"""Jobs start at the planner's offset after their release: the rates proved hold only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bkpc_grammar.plan import Schedule
from bkpc_runtime.schedule import first_start, is_due, last_start

HOUR = 3_600_000


def daily(offset_ms: int, timezone: str = "UTC") -> Schedule:
    return Schedule(
        cadence="daily", period_ms=24 * HOUR, at_minute=60, weekday=None, day=None, timezone=timezone,
        offset_ms=offset_ms, slot_ms=HOUR, window_ms=4 * HOUR,
    )  # fmt: skip


def test_a_job_is_not_due_between_its_release_and_its_start() -> None:
    yesterday = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    released = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    schedule = daily(2 * HOUR)
    assert not is_due(schedule, yesterday, released + timedelta(hours=1, minutes=59))
    assert is_due(schedule, yesterday, released + timedelta(hours=2))


def test_an_image_begun_at_its_start_is_not_due_again() -> None:
    start = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    assert last_start(daily(2 * HOUR), start + timedelta(minutes=5)) == start
    assert not is_due(daily(2 * HOUR), start, start + timedelta(hours=23))


def test_without_an_offset_the_release_is_the_start() -> None:
    release = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
    assert last_start(daily(0, "Europe/Berlin"), release + timedelta(minutes=1)) == release


def test_the_first_start_after_an_instant() -> None:
    often = Schedule(
        cadence="every", period_ms=5000, at_minute=None, weekday=None, day=None, timezone="UTC",
        offset_ms=700, slot_ms=100, window_ms=5000,
    )  # fmt: skip
    start = datetime(2026, 11, 23, 3, 0, 0, 700_000, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert first_start(often, start, start + 20 * second) == start + 5 * second
    assert first_start(often, start - second, start + 20 * second) == start
    assert first_start(often, start, start + 4 * second) is None
    three = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    assert first_start(daily(2 * HOUR), three - second, three + 20 * second) == three
    assert first_start(daily(2 * HOUR), three, three + 20 * second) is None
