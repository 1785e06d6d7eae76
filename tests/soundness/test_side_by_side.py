"""What is proved of a recovery of several databases is kept by the rules by which the runtime has them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import pytest

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.passes import compile_sources
from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.plan import Plan, Recovery
from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer
from tests.soundness import side_by_side
from tests.soundness.capacity import Load
from tests.soundness.ground import USUAL, dense
from tests.soundness.harness import drawn
from tests.soundness.side_by_side import Carried
from tests.soundness.topology import Topology

CORNERS = Path(__file__).parents[1] / "cases" / "corners"
CASES = 600
YEAR = 2026
TIMES = 3
"""How often each recovery is carried out: what ends early is drawn anew."""


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    program: Program
    plan: Plan


@cache
def cases() -> tuple[Case, ...]:
    """Those with a plan, half of them dense with groups."""
    found = []
    for number in range(CASES):
        program, said = drawn(Random(f"beside:{number}"), dense("grouped") if number % 2 else USUAL)  # noqa: S311
        if said.plan is not None and any(len(one.databases) > 1 for one in said.plan.recoveries):
            found.append(Case(number, program, said.plan))
    return tuple(found)


def carried(case: Case) -> Iterator[tuple[Carried, str]]:
    """Each recovery of several databases, and what is wrong with it; the same in each run."""
    random, topology, load = Random(case.number), Topology(case.program), Load(case.plan, YEAR)  # noqa: S311
    for recovery in (one for one in case.plan.recoveries if len(one.databases) > 1):
        failure = topology.failure(Scope(recovery.scope), recovery.down[0])
        for _ in range(TIMES):
            one = Carried(case.plan, recovery, random)
            what = f"case {case.number}, {recovery.scope} of {recovery.lost}"
            yield one, "; ".join(f"{what}: {text}" for text in one.run(load, failure))


def test_none_is_later_than_proved_and_nobody_else_loses_what_is_reserved() -> None:
    recoveries = ahead = 0
    for case in cases():
        for one, wrong in carried(case):
            assert not wrong
            recoveries += 1
            ahead += one.went_ahead > 0
    assert recoveries > 900
    assert ahead > 150


@pytest.mark.parametrize(
    "name", ["what_thaws_has_its_turn_before_a_later_one", "what_jobs_hold_at_once_lets_two_come_back"]
)
def test_of_corner_cases_too(name: str) -> None:
    plan, checked = compile_sources([f"{name}.bkp"], FileReader(CORNERS), "0")
    assert plan is not None
    assert checked.program is not None
    for number in range(20):
        for _, wrong in carried(Case(number, checked.program, plan)):
            assert not wrong


class _PassesBy(SideBySide):
    """What is held is in nobody's way: as it once was."""

    def hold(self, databases: Iterable[str]) -> None:
        names = set(databases)
        self._later = [one for one in self._left if one.database in names]
        self._left = [one for one in self._left if one.database not in names]

    def release(self, database: str) -> None:
        back = [one for one in self._later if one.database == database]
        self._later = [one for one in self._later if one.database != database]
        self._left = sorted([*self._left, *back], key=lambda one: one.start_ms)

    @property
    def over(self) -> bool:
        return super().over and not self._later


class _GivesWayToNobody(SideBySide):
    """What went ahead keeps what it reserves."""

    def rates(self) -> dict[str, int | None]:
        reserved = {one.id: one.rate for one in self._ahead}
        return {name: max(rate or 0, reserved.get(name, 0)) for name, rate in super().rates().items()}


class _OneAfterTheOther(SideBySide):
    """Only what fits beside what runs, as room has it."""

    def _has_its_turn(self, wanted: Transfer) -> bool:
        beside = [one for one in self._running if one.resources & wanted.resources]
        return not beside or self._fits(wanted, beside)


def _alone(plan: Plan, _: Recovery) -> dict[str, int]:
    return {one.name: one.usable for one in plan.resources}


def _none(plan: Plan, _: Recovery) -> dict[str, int]:
    return {one.name: 0 for one in plan.resources}


@pytest.mark.parametrize(
    ("planted", "room"),
    [(_PassesBy, None), (_GivesWayToNobody, None), (_OneAfterTheOther, _none), (SideBySide, _alone)],
)
def test_a_planted_mistake_is_noticed(
    planted: type[SideBySide], room: Callable[[Plan, Recovery], dict[str, int]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "SideBySide", planted)
    if room is not None:
        monkeypatch.setattr(side_by_side, "room_beside", room)
    assert any(wrong for case in cases() for _, wrong in carried(case))


def test_however_little_room_is_known_of_none_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "room_beside", _none)
    assert not any(wrong for case in cases() for _, wrong in carried(case))
