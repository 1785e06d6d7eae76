"""Which jobs run beside each other: what the plan has reserved for, and what fits."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from bkpc_grammar import plan as contract
from bkpc_runtime import room
from bkpc_runtime.room import Room, lanes_of, most_at_once, most_reserved
from tests.compiler.one_file import changed, planned

NIGHT = datetime(2026, 11, 23, 2, 10, tzinfo=UTC)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def job(name: str, rate: int, at: int = 120, slot: int = 30) -> contract.Job:
    """Daily, `at` minutes after midnight, for `slot` minutes."""
    plan = planned(changed())
    one = next(one for one in plan.jobs if one.kind == "backup.full")
    when = replace(one.schedule, at_minute=at, offset_ms=0, slot_ms=slot * 60_000, timezone="UTC")
    reserve = (contract.Reservation(resource="link:a -- b", rate=rate),)
    return replace(one, id=name, schedule=when, reserve=reserve)


def begun(jobs: list[contract.Job], now: datetime) -> list[bool]:
    """Whether each can begin beside those before it that can."""
    running = Room(jobs, lambda: now)
    with ExitStack() as held:
        return [held.enter_context(running.taken(one, _Soon())) for one in jobs]


class _Soon(threading.Event):
    """Gives up after the first look."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def is_set(self) -> bool:
        self._looks += 1
        return self._looks > 1


def test_in_their_slots_all_begin() -> None:
    assert begun([job("a", 60), job("b", 60), job("c", 60)], NIGHT) == [True, True, True]


def test_late_ones_take_no_more_than_the_plan_ever_reserves() -> None:
    apart = [job("a", 60, 120), job("b", 60, 180), job("c", 30, 240)]
    assert most_reserved(apart, NOON) == {"link:a -- b": 60}
    assert begun(apart, NOON) == [True, False, False]
    beside = [job("a", 60, 120), job("b", 60, 120), job("c", 30, 240)]
    assert most_reserved(beside, NOON) == {"link:a -- b": 120}
    assert begun(beside, NOON) == [True, True, False]


def test_how_many_the_plan_has_at_once() -> None:
    beside = [job("a", 1, 120), job("b", 1, 140), job("c", 1, 150), replace(job("d", 1, 120), kind="verify")]
    assert most_at_once(beside, NOON) == 2  # the first ends as the third begins


def test_one_in_its_slot_does_not_wait_for_late_ones() -> None:
    assert begun([job("late", 60, 0), job("due", 60, 120)], NIGHT) == [True, True]


def test_late_ones_are_no_more_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 2)
    assert begun([job("a", 1), job("b", 1), job("c", 1)], NOON) == [True, True, False]
    assert begun([job("a", 1), job("b", 1), job("c", 1)], NIGHT) == [True, True, True]


def test_one_image_of_a_server_at_a_time_and_copies_beside() -> None:
    levels = "  cold daily at 05:00 within 8h from disk to far\n  full weekly on sunday at 01:00 to far\n"
    plan = planned(changed(("  hot ", f"{levels}  hot ")))
    lanes = [[one.id for one in jobs] for jobs in lanes_of(plan, plan.jobs).values()]
    assert sorted(lanes) == [["shop/cold/far"], ["shop/full/disk", "shop/full/far"]]
