"""BKP2001 rpo-unreachable: no schedule keeps the promised loss."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.words import also, labels_of, subject


def rpo_unreachable(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per refuted RPO of a database."""
    for answer in analysis.answers:
        if answer.kind == "rpo" and answer.verdict is Verdict.REFUTED:
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    missing = _missing_log(answer)
    if answer.lower is None:
        primary = Label(answer.objective.span, "nothing to recover from survives")
    elif answer.lower.total <= answer.objective.value:
        primary = Label(answer.objective.span, "no bound: the log falls behind without end")
    else:
        primary = Label(answer.objective.span, f"at least {answer.lower.total.human()}, whatever the schedule")
    costs = labels_of(answer.lower, primary, *missing)
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP2001",
        name="rpo-unreachable",
        severity=Severity.ERROR,
        message=f"`{answer.database.name}` can lose more than {answer.objective.value} {subject(answer)}",
        primary=primary,
        secondary=(*costs, *missing, *_writes(answer)),
        notes=also(answer.lower, costs),
        help=remedy.help,
        edit=remedy.edit,
    )


def _missing_log(answer: Answer) -> tuple[Label, ...]:
    """Where a log would have helped: the hot levels that reach nothing left, or the policy."""
    if any(line.log is not None for line in answer.choice.lines):
        return ()
    policy = answer.protection.policy
    if not policy.hot:
        return (Label(policy.span, "no `hot` level: no log leaves the database"),)
    words = "this log reaches no store that survives"
    return tuple(Label(level.span, words) for level in policy.hot)


def _writes(answer: Answer) -> tuple[Label, ...]:
    log = answer.choice.line.log if answer.choice.line else None
    if log is None or answer.lower is None or answer.lower.total > answer.objective.value:
        return ()
    narrow = [one for one in log.resources if one.capacity is not None and log.writes.value > one.capacity]
    at = tuple(Label(one.span, f"{one.words} can't carry that") for one in narrow if one.span)
    return (Label(log.writes.span, "the binlog written"), *at)
