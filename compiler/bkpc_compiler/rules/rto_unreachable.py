"""BKP3001 rto-unreachable: no schedule brings the database back in time."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.together import never_back
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.words import also, hopeless_labels, labels_of, least_told, nothing_left, routed, subject


def rto_unreachable(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per refuted RTO of a database; where nothing survives, BKP2001 may have said so already;
    where there is nowhere to rebuild it, BKP3003 or BKP3004 does."""
    for answer in analysis.unproved:
        if answer.kind == "rto" and answer.verdict is Verdict.REFUTED:
            if answer.nowhere or (not answer.choice.lines and answer.promise.rpo is not None):
                continue
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    least, terms = least_told(answer)
    words = nothing_left(answer)
    never = never_back(analysis.outage(answer), answer.database.name)
    if answer.choice.lines and never is not None:
        words = f"never: `{never}`, which it needs, cannot be brought back"
    elif answer.lower is not None:
        words = f"at least {least}, whatever the schedule"
    primary = Label(answer.objective.span, words)
    costs = labels_of(terms, primary)
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP3001",
        name="rto-unreachable",
        severity=Severity.ERROR,
        message=f"`{answer.database.name}` cannot be back in service within {answer.promised} {subject(answer)}",
        primary=primary,
        secondary=(*costs, *hopeless_labels(answer)),
        notes=(*also(terms, costs), *routed(analysis, answer)),
        help=remedy.help,
        edit=remedy.edit,
    )
