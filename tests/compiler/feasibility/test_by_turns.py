"""Two stores that have full images by turns: what they achieve together, and what the plan says of it."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from bkpc_compiler.feasibility.verdict import Analysis, Verdict, analyse
from bkpc_compiler.planning.emit import emit
from bkpc_compiler.planning.verified import faults
from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.plan import Plan
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as of

HOUR = 3600


def estate(within: int, promised: int) -> Program:
    """3.6 GB, written and read at 4 MB/s: 900 s and, at a quarter after headroom, 4000 s."""
    promise = of.promise(Scope.HOST, duration(promised, "s"), duration(2, "h"))
    schedule = of.daily(0, duration(within, "h"))
    database = of.database("d", "here", holds=size(3600, "MB"), writes=rate(1, "kB"), burst=size(0), standby="there")
    return of.program(
        {"here": "region-1", "there": "region-2"},
        tuple(of.store(name, "here", writes=rate(4, "MB"), reads=rate(4, "MB")) for name in ("near", "next")),
        {database: of.policy(promise, images=(of.full("near", "next", schedule=schedule),))},
    )


def planned(analysis: Analysis) -> Plan:
    return emit(analysis, "test", lambda _: ("file:1", "text"))


def verdict(program: Program) -> Verdict:
    return next(one.verdict for one in analyse(program).answers if one.kind == "rpo")


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(12, Verdict.REFUTED), (13, Verdict.UNDECIDED), (14, Verdict.PROVED), (25, Verdict.PROVED)],
)
def test_daily_images_of_two_stores_are_twelve_hours_apart(hours: int, expected: Verdict) -> None:
    assert verdict(estate(24, hours * HOUR)) is expected


def test_no_further_apart_than_their_windows() -> None:
    """4 h of a day: 20 h in which none may begin; the second begins in time to be done in 4000 s, and a bit."""
    assert verdict(estate(4, 20 * HOUR)) is Verdict.REFUTED
    assert verdict(estate(4, 22 * HOUR)) is Verdict.UNDECIDED
    assert verdict(estate(4, 22 * HOUR + 1340)) is Verdict.PROVED


def test_the_plan_names_both_stores_and_reserves_both_ways() -> None:
    program = estate(24, 14 * HOUR)
    analysis = analyse(program)
    plan = planned(analysis)
    (recovery,) = plan.recoveries
    (step,) = (one for one in recovery.steps if one.kind == "restore.image")
    assert (step.store, step.beside) == ("near", ("next",))
    assert {one.resource for one in step.reserve} >= {"store:near:reads", "store:next:reads"}
    assert min(job.schedule.offset_ms for job in plan.jobs if job.kind == "backup.full") == 0
    assert faults(plan, program) == []


def test_the_checker_misses_the_way_to_the_other_store() -> None:
    program = estate(24, 14 * HOUR)
    plan = planned(analyse(program))
    (recovery,) = plan.recoveries
    steps = tuple(
        msgspec.structs.replace(one, reserve=tuple(x for x in one.reserve if x.resource != "store:next:reads"))
        for one in recovery.steps
    )
    broken = msgspec.structs.replace(plan, recoveries=(msgspec.structs.replace(recovery, steps=steps),))
    assert any("store:next:reads" in one for one in faults(broken, program))


def test_half_of_all_instants() -> None:
    program = estate(24, 14 * HOUR)
    image = next(line.image for _, line, _ in analyse(program).answers[0].choice.ways if line.image.beside)
    assert image.age_for(Fraction(1, 2)) is not None
    assert image.age is not None
    half = image.age_for(Fraction(1, 2))
    assert half is not None
    assert half.total < image.age.total
