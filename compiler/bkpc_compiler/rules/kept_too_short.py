"""BKP4003 kept-too-short: when damage is noticed, no point from before it is left."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.holding import Short
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.model import Keep, Scope
from bkpc_compiler.rules.words import longest_shorts, subject, why_held


def kept_too_short(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per (database, scope) whose retention is shorter than a recovery of it, or of its group, needs."""
    for answer, short in longest_shorts(analysis, locked=False):
        yield _diagnostic(answer, short)


def _diagnostic(answer: Answer, short: Short) -> Diagnostic:
    keep, policy = short.policy.keep, short.policy
    assert keep is not None
    images = tuple(Label(level.span, "an image this old may be the newest") for level in policy.images)
    ending = " from before the damage" if answer.promise.scope is Scope.CORRUPTION else ""
    needed = short.needed.human() if short.needed else None
    primary = f"must be at least {needed}" if needed else "nothing bounds how long it must be"
    if short.thinned:
        primary = "keeps one of many: not always the one that is needed, nor the log up to it"
    return Diagnostic(
        code="BKP4003",
        name="kept-too-short",
        severity=Severity.ERROR,
        message=f"no recovery point of `{short.database.name}`{ending} may be left {subject(answer)}",
        primary=Label(keep.span, primary),
        secondary=(*_noticed(answer, short), *images),
        notes=why_held(short),
        help=_help(keep, needed) if needed else "mend first what keeps the recovery from being planned",
    )


def _noticed(answer: Answer, short: Short) -> tuple[Label, ...]:
    policy, loss = short.acted, answer.choice.loss
    detect = (Label(policy.detect.span, "noticed this late"),) if policy.detect else ()
    up = loss.scope in (Scope.CORRUPTION, Scope.INTRUDER) or short.database.name not in loss.databases
    return (*detect, *((Label(policy.activate.span, "then nothing is read yet"),) if up and policy.activate else ()))


def _help(keep: Keep, needed: str) -> str:
    units = (("daily", keep.daily), ("weekly", keep.weekly), ("monthly", keep.monthly), ("yearly", keep.yearly))
    counts = [f"{count} {unit}" for unit, count in units if count]
    return f"`keep {', '.join((needed.replace(' ', ''), *counts))}` or longer"
