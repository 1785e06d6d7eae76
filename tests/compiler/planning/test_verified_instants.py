"""The second opinion on instants: clock changes anywhere, slots begun long before, and what goes on after a failure."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from bkpc_compiler.planning.verified import faults
from bkpc_compiler.planning.verified.calendar import DAY, Calendar, clock_changes
from bkpc_compiler.program.model import Program
from bkpc_grammar.plan import Job, Plan, Reservation, Schedule
from tests.compiler.planning.test_verified import job_of, of_corner, the_shop, with_job

HOUR = 3_600_000
NEAR = "store:near:writes"


def daily(zone: str, minute: int, lasts: int = HOUR) -> Schedule:
    return Schedule(
        cadence="daily", period_ms=DAY, at_minute=minute, weekday=None, day=None, timezone=zone,
        offset_ms=0, slot_ms=lasts, window_ms=lasts,
    )  # fmt: skip


def monthly(day: int, lasts: int) -> Schedule:
    return replace(daily("UTC", 0, lasts), cadence="monthly", period_ms=31 * DAY, day=day)


def two_on_one_store(one: Schedule, other: Schedule) -> tuple[Plan, Program]:
    """Two jobs that each take six tenths of what a store takes in."""
    plan, program = the_shop()
    usable = next(each.usable for each in plan.resources if each.name == NEAR)
    first, second = job_of(plan, "orders/full/near"), job_of(plan, "config/full/near")
    reserve = (Reservation(resource=NEAR, rate=usable * 6 // 10),)
    jobs = (replace(second, schedule=other, reserve=reserve), replace(first, schedule=one, reserve=reserve))
    return replace(plan, jobs=jobs, streams=(), recoveries=()), program


def twice(plan: Plan, program: Program) -> list[str]:
    return [one for one in faults(plan, program) if "promised twice" in one]


@pytest.mark.parametrize(
    ("zone", "minute", "at"),
    [
        ("America/New_York", 150, "2026-03-08 07:30:00 UTC"),
        ("America/Los_Angeles", 150, "2026-03-08 10:30:00 UTC"),
        ("Europe/Berlin", 150, "2026-03-29 01:30:00 UTC"),
        ("Australia/Sydney", 150, "2026-10-03 16:30:00 UTC"),
        ("Australia/Lord_Howe", 130, "2026-10-03 15:40:00 UTC"),
        ("America/Santiago", 30, "2026-09-06 04:30:00 UTC"),
        ("Pacific/Auckland", 150, "2026-09-26 14:30:00 UTC"),
    ],
)
def test_what_meets_only_when_clocks_are_put_forward_is_found(zone: str, minute: int, at: str) -> None:
    """A job of the hour that is left out that night begins with one of the hour after it."""
    after = 30 if zone == "Australia/Lord_Howe" else 60
    lasts = after * 60_000
    (fault,) = twice(*two_on_one_store(daily(zone, minute, lasts), daily(zone, minute + after, lasts)))
    assert fault.startswith(f"{NEAR} is promised twice at {at}: 135000000 B/s reserved, 112500000 usable")
    assert fault.endswith(": config/full/near, orders/full/near")
    assert not twice(*two_on_one_store(daily("UTC", minute, lasts), daily("UTC", minute + after, lasts)))


def test_what_meets_only_between_two_changes_is_found() -> None:
    """Chile puts its clocks forward three weeks before New Zealand: for the rest of the year they are 16 h apart."""
    # 10:00 in Santiago is 13:00 UTC in summer, as 02:00 in Auckland is; 03:00 there is an hour later.
    assert not twice(*two_on_one_store(daily("America/Santiago", 600), daily("Pacific/Auckland", 120 + 60)))
    (fault,) = twice(*two_on_one_store(daily("America/Santiago", 600), daily("Pacific/Auckland", 60)))
    assert "at 2026-09-0" in fault


def test_every_change_of_a_zones_clocks_is_looked_at() -> None:
    assert list(clock_changes("UTC")) == []
    assert list(clock_changes("Asia/Shanghai")) == []
    assert list(clock_changes("America/New_York")) == [date(2026, 3, 8), date(2026, 11, 1)]
    assert list(clock_changes("Australia/Sydney")) == [date(2026, 4, 5), date(2026, 10, 4)]
    zones = ("America/New_York", "Australia/Sydney", "America/Santiago", "Pacific/Auckland", "Africa/Casablanca")
    calendar = Calendar(zones)
    for day in (day for zone in zones for day in clock_changes(zone)):
        assert any(1 <= (day - first).days <= 12 for first in calendar.fortnights), day


def test_a_slot_that_began_long_before_is_found() -> None:
    (fault,) = twice(*two_on_one_store(monthly(3, 26 * DAY), monthly(28, HOUR)))
    assert f"{NEAR} is promised twice at 2025-12-28 00:00:00 UTC" in fault
    assert not twice(*two_on_one_store(monthly(3, 25 * DAY), monthly(28, HOUR)))


def test_a_month_without_its_day_releases_on_its_last() -> None:
    (fault,) = twice(*two_on_one_store(monthly(31, HOUR), monthly(28, HOUR)))
    assert "at 2026-02-28 00:00:00 UTC" in fault


def test_a_job_every_five_hours_meets_a_weekly_one_in_some_week() -> None:
    often = replace(daily("UTC", 0), cadence="every", period_ms=5 * HOUR, at_minute=None)
    weekly = replace(daily("UTC", 720, 1), cadence="weekly", period_ms=7 * DAY, weekday=2)
    assert twice(*two_on_one_store(often, weekly))


def test_what_ends_as_another_begins_is_not_twice() -> None:
    assert not twice(*two_on_one_store(daily("UTC", 0), daily("UTC", 60)))
    assert twice(*two_on_one_store(daily("UTC", 0), replace(daily("UTC", 60), offset_ms=0, at_minute=59)))


def test_who_holds_at_an_instant() -> None:
    job = job_of(the_shop()[0], "orders/full/near")
    held = [(replace(job, schedule=daily("UTC", 60)), 1)]
    calendar = Calendar(["UTC"])
    assert calendar.held_at(held, datetime(2026, 1, 5, 1, 30, tzinfo=UTC)) == ("orders/full/near",)
    assert calendar.held_at(held, datetime(2026, 1, 5, 2, 0, tzinfo=UTC)) == ()


def faster(plan: Plan, scope: str, id_: str) -> Plan:
    """One image is planned at all that its narrowest resource gives, and is done the sooner."""
    usable = {one.name: one.usable for one in plan.resources}
    recoveries = []
    for recovery in plan.recoveries:
        steps = []
        for step in recovery.steps:
            if recovery.scope == scope and step.id == id_:
                rate = min(usable[one.resource] for one in step.reserve)
                assert rate > max(one.rate for one in step.reserve)
                reserve = tuple(replace(one, rate=rate) for one in step.reserve)
                steps.append(replace(step, reserve=reserve))
            else:
                steps.append(step)
        recoveries.append(replace(recovery, steps=tuple(steps)))
    return replace(plan, recoveries=tuple(recoveries))


def small_last(plan: Plan) -> Plan:
    """The same, but that `small` comes back after `large`."""
    (recovery,) = [one for one in plan.recoveries if one.scope == "host"]
    (large,) = [one for one in recovery.steps if one.id == "large/restore.image"]
    starts = {"small/restore.image": large.expect_ms, "small/check.service": 2 * large.expect_ms}
    steps = tuple(replace(one, start_ms=starts.get(one.id, one.start_ms)) for one in recovery.steps)
    return replace(plan, recoveries=(replace(recovery, steps=steps),))


def small_first(plan: Plan) -> Plan:
    """The same, but that `small` comes back before `large`."""
    starts = {"small/restore.image": 0, "small/check.service": 300_000}
    starts |= {"large/restore.image": 300_000, "large/check.service": 3_300_000}
    (recovery,) = [one for one in plan.recoveries if one.scope == "host"]
    steps = tuple(replace(one, start_ms=starts.get(one.id, one.start_ms)) for one in recovery.steps)
    return replace(plan, recoveries=(replace(recovery, steps=steps),))


def test_what_is_back_streams_and_dumps_beside_what_still_loads() -> None:
    """A review found the planner to give the second database all of the link."""
    plan, program = of_corner("back_again_streams_beside_the_others")
    assert not twice(small_first(plan), program)
    (fault,) = twice(faster(small_first(plan), "host", "large/restore.image"), program)
    # 90 MB/s for `large`, 50 MB/s for the log of `small` once it is in service, and a job that meets both.
    words = "host of large: link:here -- there is promised twice 600000 ms after it: "
    assert fault.startswith(
        f"{words}150000000 B/s reserved, 90000000 usable: large/restore.image, small/hot, small/full/"
    )
    assert not twice(faster(small_last(plan), "host", "small/restore.image"), program), (
        "`large` has no log, dumps later"
    )


@pytest.mark.parametrize("name", ["log_goes_around_a_lost_site", "copies_go_around_a_lost_site"])
def test_flows_around_a_lost_site_are_on_the_way_that_is_left(name: str) -> None:
    plan, program = of_corner(name)
    assert faults(plan, program) == []
    (recovery,) = [one for one in plan.recoveries if one.scope == "site"]
    (step,) = [one for one in recovery.steps if one.kind == "restore.image"]
    found = twice(faster(plan, "site", step.id), program)
    assert any(f"site of {recovery.lost}: link:" in one and step.id in one for one in found)


def test_two_steps_on_one_link_are_found() -> None:
    plan, program = the_shop()
    (recovery,) = [one for one in plan.recoveries if one.scope == "site"]
    images = [one for one in recovery.steps if one.kind == "restore.image"]
    later = max(images, key=lambda one: one.start_ms)
    steps = tuple(
        replace(one, start_ms=min(each.start_ms for each in images)) if one == later else one for one in recovery.steps
    )
    again = replace(recovery, steps=steps)
    planted = replace(plan, recoveries=tuple(again if one == recovery else one for one in plan.recoveries))
    found = twice(planted, program)
    assert any(
        "site of hangzhou: account:cn-beijing:reads is promised twice 2100000 ms after it" in one and later.id in one
        for one in found
    )


def test_a_job_that_is_back_counts_beside_recoveries() -> None:
    """A job of a database that is back may meet what still loads at any instant of its calendar."""
    plan, program = of_corner("back_again_streams_beside_the_others")
    job = next(one for one in plan.jobs if one.reserve)
    usable = {one.name: one.usable for one in plan.resources}
    rate = min(usable[one.resource] for one in job.reserve)
    greedy: Job = replace(job, reserve=tuple(replace(one, rate=rate) for one in job.reserve))
    assert any("promised twice" in one and job.id in one for one in faults(with_job(plan, greedy), program))


def test_a_recovery_later_than_proved_is_found() -> None:
    plan, program = the_shop()
    objectives = tuple(
        replace(one, rto_proved_ms=one.rto_proved_ms - 1)
        if (one.database, one.scope) == ("orders", "site") and one.rto_proved_ms
        else one
        for one in plan.objectives
    )
    (fault,) = faults(replace(plan, objectives=objectives), program)
    assert fault.startswith("site of hangzhou: orders/check.service is done after ")


def test_a_step_that_needs_what_is_no_step_is_found() -> None:
    plan, program = the_shop()
    recovery = plan.recoveries[0]
    steps = (*recovery.steps[:-1], replace(recovery.steps[-1], needs=("nobody/detect",)))
    found = faults(replace(plan, recoveries=(replace(recovery, steps=steps), *plan.recoveries[1:])), program)
    assert any("needs nobody/detect, which is no step" in one for one in found)
