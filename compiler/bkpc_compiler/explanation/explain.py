"""From an analysis to how the bounds of one database come about."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from bkpc_compiler.explanation.clauses import Clauses, LineOf
from bkpc_compiler.explanation.explanation import Explanation, Failure, Objective, Source, Summand, Waterfall
from bkpc_compiler.explanation.lines import gone_of, lines_of
from bkpc_compiler.explanation.logs import links_of
from bkpc_compiler.explanation.remarks import remarks_on
from bkpc_compiler.explanation.reservations import jobs_behind, streams_behind
from bkpc_compiler.explanation.workings import Workings
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.feasibility.working import Logging, Part, Waiting
from bkpc_compiler.program.model import Origin, Scope
from bkpc_compiler.source import Span

if TYPE_CHECKING:
    from datetime import date


def explain(
    analysis: Analysis, database: str, scope: Scope | None, line_of: LineOf, today: date | None = None
) -> Explanation:
    """What was judged about `database`: against every scope it is promised for, or against `scope` alone.

    With `today`, how old measured figures are.
    """
    clauses = Clauses(analysis.program, line_of, today)
    answers = [one for one in analysis.answers if one.database.name == database and scope in {None, one.promise.scope}]
    scopes = dict.fromkeys(one.promise.scope for one in answers)
    explained = _Explaining(analysis, clauses)
    failures = tuple(explained.failure([one for one in answers if one.promise.scope is its]) for its in scopes)
    policy = next((one.policy.name for one in analysis.program.protections if one.database == database), "")
    return Explanation(database, policy, failures, _assumed(failures))


class _Explaining:
    def __init__(self, analysis: Analysis, clauses: Clauses) -> None:
        self.analysis, self.clauses = analysis, clauses

    def failure(self, answers: list[Answer]) -> Failure:
        """The objectives of one scope."""
        first = answers[0]
        choice, outage = first.choice, self.analysis.outage(first)
        terms = [term for one in answers for bound in (one.upper, one.lower) for term in (bound.terms if bound else ())]
        workings = Workings(self.analysis, outage, self.clauses)
        return Failure(
            scope=first.promise.scope,
            lost=choice.loss.phrase(),
            down=tuple(sorted(outage.hit & outage.choices.keys())),
            along=choice.loss.along,
            objectives=tuple(self._objective(one, workings) for one in answers),
            lines=lines_of(choice),
            gone=gone_of(self.analysis, choice),
            jobs=jobs_behind(choice, terms, self.clauses, self.analysis.demand, self.analysis.program.retries.value),
            streams=streams_behind(choice, terms, self.clauses),
        )

    def _objective(self, answer: Answer, workings: Workings) -> Objective:
        promise = answer.promise
        return Objective(
            kind=answer.kind,
            promised=answer.objective.value,
            share=promise.share(answer.kind),
            source=self.clauses.source(answer.objective.span),
            verdict=answer.verdict,
            upper=self._waterfall(answer.upper, workings),
            lower=self._waterfall(answer.lower, workings),
            remarks=tuple(remarks_on(self.analysis, answer)),
        )

    def _waterfall(self, bound: Bound | None, workings: Workings) -> Waterfall | None:
        if bound is None:
            return None
        begins = Fraction(0)
        summands = []
        for term in bound.terms:
            lasts = term.duration.amount
            sources = self.clauses.sources(self._spans(term))
            summands.append(Summand(term.label, begins, lasts, sources, workings.cells(term)))
            begins += lasts
        return Waterfall(tuple(summands))

    def _spans(self, term: Term) -> Iterable[Span]:
        """The clauses of a term; of one that has none, those of what it waits for or crosses."""
        working = term.working
        if term.spans:
            return term.spans
        if isinstance(working, Logging) and working.part is Part.LATENCY:
            return [link.latency.span for link in links_of(working.stream, self.analysis.program)]
        if isinstance(working, Waiting):
            waited = (one.span for one in working.move.transfer.resources if one.words == working.move.waited)
            return [span for span in waited if span is not None]
        return ()


def _assumed(failures: Iterable[Failure]) -> tuple[Source, ...]:
    """Every clause that nobody declared and that a figure rests on, once, by place."""
    found: set[Source] = set()
    for failure in failures:
        for objective in failure.objectives:
            for waterfall in (objective.upper, objective.lower):
                for one in waterfall.summands if waterfall else ():
                    found.update(one.sources)
                    found.update(cell.source for cell in one.cells if cell.source)
    return tuple(sorted((one for one in found if one.origin is not Origin.DECLARED), key=_place))


def _place(source: Source) -> tuple[str, int, str]:
    file, _, line = source.where.rpartition(":")
    return (file, int(line), source.text)
