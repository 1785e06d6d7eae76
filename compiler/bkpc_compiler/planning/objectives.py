"""What was promised and what was proved, with the figures it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.measurement import Measurement
from bkpc_compiler.program.model import Origin
from bkpc_compiler.source import Span
from bkpc_grammar import plan
from bkpc_grammar.shares import millionths_of

if TYPE_CHECKING:
    from datetime import date

LineOf = Callable[[Span], tuple[str, str]]
"""The place (`file:line`) and the text of a span."""


def objectives_of(analysis: Analysis, line_of: LineOf) -> tuple[plan.Objective, ...]:
    """One per (database, scope), sorted."""
    grouped: dict[tuple[str, str], list[Answer]] = {}
    for answer in analysis.answers:
        grouped.setdefault((answer.database.name, answer.promise.scope.value), []).append(answer)
    measured = analysis.program.measured
    return tuple(_objective(answers, line_of, measured) for _, answers in sorted(grouped.items()))


def _objective(answers: list[Answer], line_of: LineOf, measured: tuple[Measurement, ...]) -> plan.Objective:
    by_kind = {answer.kind: answer for answer in answers}
    rpo, rto = by_kind.get("rpo"), by_kind.get("rto")
    return plan.Objective(
        database=answers[0].database.name,
        scope=answers[0].promise.scope.value,
        rpo_ms=rpo.objective.value.milliseconds_up() if rpo else None,
        rpo_proved_ms=rpo.upper.total.milliseconds_up() if rpo and rpo.upper else None,
        rto_ms=rto.objective.value.milliseconds_up() if rto else None,
        rto_proved_ms=rto.upper.total.milliseconds_up() if rto and rto.upper else None,
        rpo_least_ms=int(rpo.least.amount * 1000) if rpo and rpo.least else None,
        rto_least_ms=int(rto.least.amount * 1000) if rto and rto.least else None,
        rpo_millionths=millionths_of(answers[0].promise.rpo_quantile),
        rto_millionths=millionths_of(answers[0].promise.rto_quantile),
        rpo_terms=_terms(rpo, line_of, measured),
        rto_terms=_terms(rto, line_of, measured),
        assumptions=assumptions_of(answers, line_of, measured),
    )


def _terms(answer: Answer | None, line_of: LineOf, measured: tuple[Measurement, ...]) -> tuple[plan.Term, ...]:
    """The proved bound's summands, in whole milliseconds that add up to the bound's."""
    measured_places = {one.span for one in measured}
    if answer is None or answer.upper is None:
        return ()
    terms = []
    reached, told = Fraction(0), 0
    for term in answer.upper.terms:
        reached += term.duration.amount
        until = ceil(reached * 1000)
        places = tuple(dict.fromkeys(line_of(span)[0] for span in term.spans))
        origin = Origin.MEASURED if measured_places.intersection(term.spans) else term.origin
        terms.append(plan.Term(what=term.label, takes_ms=until - told, where=places, origin=origin.value))
        told = until
    return tuple(terms)


def assumptions_of(
    answers: Iterable[Answer], line_of: LineOf, measured: Iterable[Measurement], today: date | None = None
) -> tuple[plan.Assumption, ...]:
    """Every clause that a bound of `answers` uses, once, by place; with `today`, how old measured figures are."""
    places = {one.span: one for one in measured}
    found = []
    for span in {span for answer in answers for span in spans_of(answer)}:
        where, what = line_of(span)
        told = places[span].told(today) if span in places else None
        origin = Origin.MEASURED if told else Origin.STANDARD if span.file.startswith("std/") else Origin.DECLARED
        found.append(plan.Assumption(what=what, where=where, origin=origin.value, measured=told))
    return tuple(sorted(dict.fromkeys(found), key=_place))


def spans_of(answer: Answer) -> Iterator[Span]:
    """The clauses that the upper bound of `answer` is made of."""
    for term in answer.upper.terms if answer.upper else ():
        yield from term.spans


def _place(one: plan.Assumption) -> tuple[str, int, str, str, str]:
    file, _, line = one.where.rpartition(":")
    return (file, int(line), one.what, one.origin, one.measured or "")
