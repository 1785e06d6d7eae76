"""BKP2002 rpo-unproved: the promised loss lies between what is certain and what is possible."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.judging import PointJudging
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.rules.alone import told_alone, too_long_alone
from bkpc_compiler.rules.words import also, labels_of, most_told, subject
from bkpc_grammar.quantities import Rate


def rpo_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per undecided RPO of a database, unless BKP4003 or BKP5001 says why."""
    for answer in analysis.unproved:
        if answer.kind == "rpo" and answer.verdict is Verdict.UNDECIDED and answer.kept_long_enough:
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    whole, terms = most_told(answer)
    promised = answer.objective.value
    least = answer.least.human_down(promised) if answer.least else "0s"
    most = f"at most {whole}" if answer.upper else "no upper bound"
    primary = Label(answer.objective.span, f"at least {least}, {most}")
    costs = labels_of(terms, primary)
    log = answer.choice.line.log if answer.choice.line else None
    if answer.upper is None and log is not None and not log.fits:
        costs = _crowd(analysis, log)
    reasons = () if answer.upper else (_unbounded(analysis, answer),)
    remedy = remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP2002",
        name="rpo-unproved",
        severity=Severity.ERROR,
        message=f"it is not proved that `{answer.database.name}` loses at most {answer.promised} {subject(answer)}",
        primary=primary,
        secondary=costs,
        notes=(*also(terms, costs), *reasons),
        help=remedy.help,
        edit=remedy.edit,
    )


def _crowd(analysis: Analysis, log: StreamDemand) -> tuple[Label, ...]:
    """The resource that is too narrow, and the streams that share it."""
    found = {}
    for short in analysis.demand.shortages:
        if short.resource in log.resources:
            if short.resource.span:
                words = f"{short.available.human()} after headroom"
                found[short.resource.span] = Label(short.resource.span, words)
            for one in analysis.demand.streams:
                if short.resource in one.resources:
                    told = f"{one.id} needs {Rate(Fraction(one.rate)).human()} of it"
                    found.setdefault(one.writes.span, Label(one.writes.span, told))
                    found.setdefault(one.level.span, Label(one.level.span, "this log passes it"))
    return tuple(found.values())


def _unbounded(analysis: Analysis, answer: Answer) -> str:
    """Why there is no upper bound."""
    log = answer.choice.line.log if answer.choice.line else None
    if log is not None and not log.fits:
        return "the log's reserved rate does not fit beside the other streams"
    others = answer.judging.members() if isinstance(answer.judging, PointJudging) else ()
    lines = [other.line for _, other in others if other.line is not None]
    if sum(one.log is None for one in (answer.choice.line, *lines) if one is not None) > 1:
        return "its group goes back to one point, and members without a log have none in common"
    late = [job for job in (answer.choice.line.image.jobs if answer.choice.line else ()) if job.late]
    for job in late:
        if too_long_alone(analysis.program, job):
            return told_alone(analysis.program, job)
    return "the jobs that refresh the image do not fit beside each other within their periods"
