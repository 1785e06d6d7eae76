"""Whose turn it is at a server: an incremental image never runs into a full one."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from bkpc_grammar import plan as contract
from bkpc_runtime.turns import fulls_beside, in_the_way, last_taken, servers_of, waits_for
from tests.compiler.one_file import changed, planned

PLAN = planned(changed())


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)


def image(name: str, kind: str, cadence: str, start: int, slot: int, budget: int = 0) -> contract.Job:
    """`start`: minutes after midnight, or after the hour; `slot` and `budget` in minutes."""
    one = next(one for one in PLAN.jobs if one.kind == "backup.full")
    when = replace(
        one.schedule,
        cadence=cadence,
        period_ms={"hourly": 60, "daily": 1440}[cadence] * 60_000,
        at_minute=0 if cadence == "daily" else None,
        offset_ms=start * 60_000,
        slot_ms=slot * 60_000,
        timezone="UTC",
    )
    return replace(one, id=name, kind=kind, schedule=when, retry=replace(one.retry, budget_ms=budget * 60_000))


NIGHTLY = image("full", "backup.full", "daily", 60, 150)  # 1:00 to 3:30
ADDING = image("adding", "backup.incremental", "hourly", 0, 10)


def test_an_incremental_image_whose_slot_meets_a_full_one_is_left_out() -> None:
    assert last_taken(ADDING, [NIGHTLY], at(0, 30)) == at(0)
    assert last_taken(ADDING, [NIGHTLY], at(3, 59)) == at(0)  # none at 1:00, 2:00 and 3:00
    assert last_taken(ADDING, [NIGHTLY], at(4)) == at(4)
    assert last_taken(ADDING, [], at(3, 59)) == at(3)


def test_one_that_ends_as_the_other_begins_is_taken() -> None:
    short = image("adding", "backup.incremental", "hourly", 30, 30)  # 0:30 to 1:00
    assert last_taken(short, [NIGHTLY], at(1, 40)) == at(0, 30)
    assert last_taken(short, [NIGHTLY], at(3, 40)) == at(3, 30)


def test_a_late_one_waits_where_it_would_run_into_the_slot_of_a_full_one() -> None:
    late = image("adding", "backup.incremental", "daily", 0, 30)
    assert waits_for(late, [NIGHTLY], at(0)) is None
    assert waits_for(late, [NIGHTLY], at(0, 29)) is None  # it is done at 0:59
    assert waits_for(late, [NIGHTLY], at(0, 40)) == at(3, 30)
    assert waits_for(late, [NIGHTLY], at(3, 30)) is None


def test_one_whose_attempts_fail_is_still_in_its_slot() -> None:
    other = image("other", "backup.full", "daily", 20, 40, budget=10)  # 0:20 to 1:00
    assert waits_for(other, [NIGHTLY], at(0, 30)) is None
    assert waits_for(other, [NIGHTLY], at(0, 31)) == at(3, 30)


def test_what_takes_no_time_by_the_plan_is_in_nobodys_way() -> None:
    assert in_the_way([image("full", "backup.full", "daily", 60, 0)], at(0), at(12)) is None


def test_one_server_however_its_address_is_spelled() -> None:
    first = PLAN.estate.databases[0]
    two = replace(first, name="two", address=first.address.upper())
    away = replace(first, name="away", site="elsewhere")
    plan = replace(
        PLAN,
        estate=replace(PLAN.estate, databases=(first, two, away)),
        jobs=(NIGHTLY, replace(NIGHTLY, id="b", database="two"), replace(NIGHTLY, id="c", database="away")),
    )
    servers = servers_of(plan)
    assert servers[first.name] == servers["two"] != servers["away"]
    assert [one.id for one in fulls_beside(plan, NIGHTLY)] == ["b"]
