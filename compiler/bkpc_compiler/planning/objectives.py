"""What was promised and what was proved, with the figures it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.together import Outage
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
    """One per (database, scope), sorted; worked out failure by failure, so that no more is kept than of one."""
    failures: dict[Outage, dict[tuple[str, str], list[Answer]]] = {}
    for answer in analysis.answers:
        grouped = failures.setdefault(analysis.outage(answer), {})
        grouped.setdefault((answer.database.name, answer.promise.scope.value), []).append(answer)
    clauses = _Clauses(line_of, analysis.program.measured)
    found = []
    for outage, grouped in failures.items():
        found += [_objective(answers, clauses) for answers in grouped.values()]
        _let_go(outage)
    return tuple(sorted(found, key=lambda one: (one.database, one.scope)))


def _let_go(outage: Outage) -> None:
    """Of all that was worked out of it, to be worked out again should it be asked for: of a large estate that is more
    than all the rest."""
    vars(outage).clear()
    for one in outage.choices.values():
        vars(one).clear()
        for line in one.lines:
            line.moved.clear()


def _objective(answers: list[Answer], clauses: _Clauses) -> plan.Objective:
    by_kind = {answer.kind: answer for answer in answers}
    rpo, rto = by_kind.get("rpo"), by_kind.get("rto")
    # Not kept with the answers: of a large estate the terms of all bounds are more than all the rest.
    of_rpo, of_rto = (one.judging.upper() if one else None for one in (rpo, rto))
    return plan.Objective(
        database=answers[0].database.name,
        scope=answers[0].promise.scope.value,
        rpo_ms=rpo.objective.value.milliseconds_up() if rpo else None,
        rpo_proved_ms=of_rpo.total.milliseconds_up() if of_rpo else None,
        rto_ms=rto.objective.value.milliseconds_up() if rto else None,
        rto_proved_ms=of_rto.total.milliseconds_up() if of_rto else None,
        rpo_least_ms=int(rpo.least.amount * 1000) if rpo and rpo.least else None,
        rto_least_ms=int(rto.least.amount * 1000) if rto and rto.least else None,
        rpo_millionths=millionths_of(answers[0].promise.rpo_quantile),
        rto_millionths=millionths_of(answers[0].promise.rto_quantile),
        rpo_terms=_terms(of_rpo, clauses),
        rto_terms=_terms(of_rto, clauses),
        assumptions=clauses.assumed(bound for bound in (of_rpo, of_rto) if bound),
    )


def _terms(bound: Bound | None, clauses: _Clauses) -> tuple[plan.Term, ...]:
    """The proved bound's summands, in whole milliseconds that add up to the bound's."""
    terms = []
    reached, told = Fraction(0), 0
    for term in bound.terms if bound else ():
        reached += term.duration.amount
        until = ceil(reached * 1000)
        terms.append(clauses.term(term, until - told))
        told = until
    return tuple(terms)


class _Clauses:
    """Each clause and each term made once: in a large estate thousands of bounds rest on the same ones."""

    def __init__(self, line_of: LineOf, measured: Iterable[Measurement], today: date | None = None) -> None:
        self._line_of, self._today = line_of, today
        self._measured = {one.span: one for one in measured}
        self._known: dict[Span, plan.Assumption] = {}
        self._places: dict[tuple[Span, ...], tuple[str, ...]] = {}
        self._terms: dict[plan.Term, plan.Term] = {}

    def assumption(self, span: Span) -> plan.Assumption:
        found = self._known.get(span)
        if found is None:
            where, what = self._line_of(span)
            told = self._measured[span].told(self._today) if span in self._measured else None
            origin = Origin.MEASURED if told else Origin.STANDARD if span.file.startswith("std/") else Origin.DECLARED
            found = plan.Assumption(what=what, where=where, origin=origin.value, measured=told)
            self._known[span] = found
        return found

    def assumed(self, bounds: Iterable[Bound]) -> tuple[plan.Assumption, ...]:
        """All that `bounds` rest on, once, by place."""
        spans = {span for bound in bounds for term in bound.terms for span in term.spans}
        return tuple(sorted(dict.fromkeys(self.assumption(span) for span in spans), key=_place))

    def term(self, term: Term, takes: int) -> plan.Term:
        places = self._places.get(term.spans)
        if places is None:
            places = tuple(dict.fromkeys(self.assumption(span).where for span in term.spans))
            self._places[term.spans] = places
        origin = Origin.MEASURED if any(span in self._measured for span in term.spans) else term.origin
        made = plan.Term(what=term.label, takes_ms=takes, where=places, origin=origin.value)
        return self._terms.setdefault(made, made)


def assumptions_of(
    answers: Iterable[Answer], line_of: LineOf, measured: Iterable[Measurement], today: date | None = None
) -> tuple[plan.Assumption, ...]:
    """Every clause that a bound of `answers` uses, once, by place; with `today`, how old measured figures are."""
    return _Clauses(line_of, measured, today).assumed(one.upper for one in answers if one.upper)


def spans_of(answer: Answer) -> Iterator[Span]:
    """The clauses that the upper bound of `answer` is made of."""
    for term in answer.upper.terms if answer.upper else ():
        yield from term.spans


def _place(one: plan.Assumption) -> tuple[str, int, str, str, str]:
    file, _, line = one.where.rpartition(":")
    return (file, int(line), one.what, one.origin, one.measured or "")
