"""Every figure of an explanation can be worked out again from the ones before it, and the terms add up to the bound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings

from bkpc_compiler.explanation.chain import oldest
from bkpc_compiler.explanation.explain import explain
from bkpc_compiler.explanation.explanation import Cell, Explanation, Objective, Waterfall
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.verdict import Analysis, Verdict, analyse
from bkpc_compiler.feasibility.working import Ageing, Apart, AtBest, Copying, Logging, Moving, Waiting, Working
from bkpc_compiler.program.model import Program
from bkpc_compiler.source import Span
from tests.compiler import shop
from tests.compiler.explanation.recomputed import worked_out
from tests.compiler.feasibility.test_monotone import programs
from tests.soundness.estates import random_program


def nowhere(span: Span) -> tuple[str, str]:
    """Hand-built programs have no text."""
    return f"{span.file}:{span.start + 1}", "clause"


def explained(analysis: Analysis) -> Iterator[Explanation]:
    for name in dict.fromkeys(one.database.name for one in analysis.answers):
        yield explain(analysis, name, None, nowhere)


def check_cells(cells: tuple[Cell, ...], lasts: Fraction) -> None:
    """Each follows from those before it; the last one is the duration."""
    known: dict[str, Fraction] = {}
    for cell in cells:
        assert cell.name not in known, cell
        if cell.expression:
            assert worked_out(cell.expression, known) == cell.value, (cell, known)
        known[cell.name] = cell.value
        if cell.name == "jobs":  # what is left beside the streams is some jobs', and they are named
            assert cell.value > 0
            assert not cell.note.endswith(": "), cell
    if cells:
        assert cells[-1].value == lasts, cells


def check_waterfall(waterfall: Waterfall | None, bound: Bound | None) -> None:
    assert (waterfall is None) == (bound is None)
    if waterfall is None or bound is None:
        return
    assert waterfall.total == bound.total.amount
    reached = Fraction(0)
    for one, term in zip(waterfall.summands, bound.terms, strict=True):
        assert (one.begins, one.lasts, one.label) == (reached, term.duration.amount, term.label)
        reached += one.lasts
        check_cells(one.cells, one.lasts)
        assert (term.working is None) == (not one.cells)
        if isinstance(term.working, Waiting):  # others end: room comes then, and only then
            assert any(cell.name == "begins" and cell.expression for cell in one.cells)
        assert not any(cell.note.endswith("beside ") for cell in one.cells)


def check_all(program: Program) -> list[Working]:
    """Explains all of `program`; the kinds of working that were met."""
    analysis = analyse(program)
    answers = {(one.database.name, one.promise.scope, one.kind): one for one in analysis.answers}
    met: list[Working] = []
    for explanation in explained(analysis):
        for failure in explanation.failures:
            for objective in failure.objectives:
                answer = answers.pop((explanation.database, failure.scope, objective.kind))
                assert objective.verdict is answer.verdict
                check_waterfall(objective.upper, answer.upper)
                check_waterfall(objective.lower, answer.lower)
                check_why(objective)
                for bound in (answer.upper, answer.lower):
                    met += [term.working for term in bound.terms if term.working] if bound else []
            # Of copies from which no links lead back none is chosen; without a place, one that might be brought there.
            chosen = bool(failure.lines) and not answer.choice.cut_off
            assert sum(one.chosen for one in failure.lines) == int(chosen)
    assert not answers
    return met


def check_why(objective: Objective) -> None:
    """What is not there is accounted for, and so is a verdict that the bounds alone don't give."""
    bounded = objective.upper is not None and objective.lower is not None
    margin = objective.margin
    if not bounded or (objective.verdict is Verdict.UNDECIDED and margin is not None and margin >= 0):
        assert objective.remarks


@settings(max_examples=80, deadline=None, derandomize=True)
@given(built=programs())
def test_two_sites(built: Program) -> None:
    check_all(built)


def test_random_estates() -> None:
    """The ones of the soundness test: chains, summer time, quantiles, shared hosts, several databases at once."""
    met = [one for number in range(300) for one in check_all(random_program(Random(f"explain:{number}")))]  # noqa: S311
    kinds = {type(one) for one in met}
    assert kinds >= {Ageing, Apart, AtBest, Copying, Logging, Moving, Waiting}
    ages = [one for one in met if isinstance(one, Ageing)]
    assert any(one.share < 1 for one in ages)
    chains = [one.image.jobs for one in ages if len(one.image.jobs) > 1]
    assert any(oldest(jobs) for jobs in chains)
    assert any(any(job.rhythm.shift for job in jobs) for jobs in chains)


@pytest.mark.parametrize("built", [shop.payments(), shop.broken()], ids=["payments", "broken"])
def test_the_shop(built: Program) -> None:
    check_all(built)
