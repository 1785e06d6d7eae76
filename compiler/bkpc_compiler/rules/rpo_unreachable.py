"""BKP2001 rpo-unreachable: no schedule keeps the promised loss."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.judging import PointJudging, no_point_in_common
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.words import also, hopeless_labels, labels_of, least_told, nothing_left, routed, subject
from bkpc_grammar.quantities import Rate

SHOWN = 3
"""Databases that a note names."""


def rpo_unreachable(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per refuted RPO of a database; where no links lead back, BKP3004 says so."""
    for answer in analysis.unproved:
        if answer.kind == "rpo" and answer.verdict is Verdict.REFUTED and not answer.choice.cut_off:
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    least, terms = least_told(answer)
    missing = _missing_log(answer)
    if answer.lower is None:
        primary = Label(answer.objective.span, _no_point(answer) or nothing_left(answer))
    elif answer.overfull is not None:
        primary = Label(answer.objective.span, "no bound: of the logs that go this way, one falls behind without end")
    else:
        primary = Label(answer.objective.span, f"at least {least}, whatever the schedule")
    costs = () if answer.overfull else labels_of(terms, primary, *missing)
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP2001",
        name="rpo-unreachable",
        severity=Severity.ERROR,
        message=f"`{answer.database.name}` can lose more than {answer.promised} {subject(answer)}",
        primary=primary,
        secondary=(*costs, *missing, *hopeless_labels(answer), *(_together(analysis, answer) or _writes(answer))),
        notes=_all_written(answer) or (*also(terms, costs), *routed(analysis, answer)),
        help=remedy.help,
        edit=remedy.edit,
    )


def _no_point(answer: Answer) -> str:
    """Why its group has no point in common; empty where it is not for that."""
    judging = answer.judging
    if not isinstance(judging, PointJudging) or answer.choice.line is None or not judging.apart:
        return ""
    return no_point_in_common(judging)


def _missing_log(answer: Answer) -> tuple[Label, ...]:
    """Where a log would have helped: the hot levels that reach nothing left, or the policy."""
    if answer.choice.hopeless or any(line.log is not None for line in answer.choice.lines):
        return ()
    policy = answer.protection.policy
    if not policy.hot:
        return (Label(policy.span, "no `hot` level: no log leaves the database"),)
    words = "this log reaches no store that survives"
    return tuple(Label(level.span, words) for level in policy.hot)


def _together(analysis: Analysis, answer: Answer) -> tuple[Label, ...]:
    """Its own log, the log of the largest other one, and what can't carry both."""
    overfull = answer.overfull
    if overfull is None:
        return ()
    one = overfull.resource
    own = Label(answer.database.writes.span, "the binlog written")
    others = [analysis.setting.databases[name] for name in overfull.databases if name != answer.database.name]
    beside = Label(others[0].writes.span, f"that of `{others[0].name}`, which goes the same way")
    labels = (own, beside, Label(one.span, f"{one.words} can't carry all of them") if one.span else own)
    return tuple({label.span: label for label in labels}.values())


def _all_written(answer: Answer) -> tuple[str, ...]:
    overfull = answer.overfull
    if overfull is None:
        return ()
    names = [f"`{name}`" for name in overfull.databases if name != answer.database.name]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    words, written = overfull.resource.words, overfull.written.human()
    carried = f"{words} carries at most {Rate(overfull.resource.most).human()}"
    beside = f"with {', '.join(names[:SHOWN])}{more} {written} are written, and {carried}"
    return (f"{beside}: one of these promises at least is broken, whatever the plan",)


def _writes(answer: Answer) -> tuple[Label, ...]:
    log = answer.choice.line.log if answer.choice.line else None
    if log is None or not log.hopeless:
        return ()
    narrow = [one for one in log.resources if one.capacity is not None and log.writes.value > one.capacity]
    at = tuple(Label(one.span, f"{one.words} can't carry that") for one in narrow if one.span)
    return (Label(log.writes.span, "the binlog written"), *at)
