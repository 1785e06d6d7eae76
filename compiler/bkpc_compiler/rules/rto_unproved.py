"""BKP3002 rto-unproved: the promised time lies between what is certain and what is possible."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.together import missing
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.words import also, labels_of, subject


def rto_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per undecided RTO, unless BKP3003, BKP4003 or BKP5001 says why."""
    for answer in analysis.answers:
        if answer.kind != "rto" or answer.verdict is not Verdict.UNDECIDED:
            continue
        if answer.choice.kept_long_enough and answer.choice.recovery is not None:
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    least = answer.lower.total.human() if answer.lower else "0s"
    most = f"at most {answer.upper.total.human()}" if answer.upper else "no upper bound"
    primary = Label(answer.objective.span, f"at least {least}, {most}")
    costs = labels_of(answer.upper, primary)
    unknown = missing(analysis.outage(answer), answer.database)
    needs = tuple(
        Label(need.span, f"nothing says how `{need.value}` comes back from this")
        for need in answer.database.needs
        if need.value in unknown
    )
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP3002",
        name="rto-unproved",
        severity=Severity.ERROR,
        message=f"it is not proved that `{answer.database.name}` is back in service within "
        f"{answer.objective.value} {subject(answer)}",
        primary=primary,
        secondary=(*costs, *needs),
        notes=also(answer.upper, costs),
        help=remedy.help,
        edit=remedy.edit,
    )
