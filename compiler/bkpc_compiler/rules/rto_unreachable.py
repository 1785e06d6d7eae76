"""BKP3001 rto-unreachable: no schedule brings the database back in time."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.words import also, labels_of, subject


def rto_unreachable(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per refuted RTO of a database; where nothing survives, BKP2001 may have said so already;
    where there is nowhere to rebuild it, BKP3003 does."""
    for answer in analysis.answers:
        if answer.kind == "rto" and answer.verdict is Verdict.REFUTED:
            if answer.nowhere or (answer.lower is None and answer.promise.rpo is not None):
                continue
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    words = "nothing to recover from survives"
    if answer.lower is not None:
        words = f"at least {answer.lower.total.human()}, whatever the schedule"
    primary = Label(answer.objective.span, words)
    costs = labels_of(answer.lower, primary)
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP3001",
        name="rto-unreachable",
        severity=Severity.ERROR,
        message=f"`{answer.database.name}` cannot be back in service within {answer.objective.value} {subject(answer)}",
        primary=primary,
        secondary=costs,
        notes=also(answer.lower, costs),
        help=remedy.help,
        edit=remedy.edit,
    )
