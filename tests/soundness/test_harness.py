"""The harness: what counts as a proof belied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import inf
from random import Random

import pytest

from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.quantities import duration
from tests.compiler import builders as of
from tests.soundness import harness
from tests.soundness.adapter import Judged, Verdict
from tests.soundness.course import Fault
from tests.soundness.plans import careless

PROMISE = of.promise(Scope.HOST, duration(1, "h"), duration(1, "h"))
PROVED = Verdict("d", PROMISE, "rto", 3600, "PROVED", 3000, 1000)


def fault(kind: str = "late", scope: str | None = "host", databases: str = "d") -> Fault:
    return Fault(kind, frozenset(databases), "", scope)


@pytest.mark.parametrize(
    ("found", "said", "breaks"),
    [
        (fault(), PROVED, True),
        (fault(databases="e"), PROVED, False),
        (fault(scope="site"), PROVED, False),
        (fault("capacity", None), PROVED, True),
        (fault(), replace(PROVED, kind="rpo"), False),
        (fault("slot", None), replace(PROVED, kind="rpo"), True),
        (fault(), replace(PROVED, verdict="REFUTED"), False),
        (fault(), replace(PROVED, promise=replace(PROMISE, rto_quantile=Fraction(1, 2))), False),
        (fault("missing"), replace(PROVED, promise=replace(PROMISE, rto_quantile=Fraction(1, 2))), True),
    ],
)
def test_fault_belies_proofs_it_touches(found: Fault, said: Verdict, breaks: bool) -> None:
    assert harness.breaks(found, Judged((said,), None)) is breaks


def boasting(verdict: str, objective: float) -> Callable[..., Judged]:
    """A checker that says the same of every objective, and a planner that does not care."""

    def judge(program: Program, planned: bool = True) -> Judged:
        said = [
            Verdict(one.database, promise, kind, objective, verdict, objective, objective)
            for one in program.protections
            for promise in one.policy.promises
            for kind in ("rpo", "rto")
            if getattr(promise, kind) is not None
        ]
        return Judged(tuple(said), careless(program) if planned else None)

    return judge


def test_boasts_do_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "judged", boasting("PROVED", 0.5))
    found = "\n".join(harness.run(40, 1, processes=1).violations)
    assert "PROVED but missed" in found
    assert "missing: " in found
    monkeypatch.setattr(harness, "judged", boasting("REFUTED", 10.0**7))
    found = "\n".join(harness.run(40, 1, processes=1).violations)
    assert "REFUTED but met" in found
    assert "PROVED" not in found


def test_what_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(program: Program, planned: bool = True) -> Judged:
        raise ZeroDivisionError(str(planned))

    monkeypatch.setattr(harness, "judged", broken)
    assert "ZeroDivisionError" in harness.one_case(1, 2).violations[0]


def test_objectives_are_drawn_near_the_bounds() -> None:
    random = Random(1)  # noqa: S311 - a repeatable draw
    found = [float(harness.near_bound(random, PROVED).seconds) for _ in range(100)]
    assert all(500 <= one <= 2000.001 or 1500 <= one <= 6000.001 for one in found)
    assert len(set(found)) > 90
    endless = replace(PROVED, upper=inf, lower=0)
    assert harness.near_bound(random, endless) == duration(1, "d")
