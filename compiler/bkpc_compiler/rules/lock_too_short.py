"""BKP5001 lock-too-short: an intruder can delete the copies before anyone notices, or while they are read."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.holding import Short
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.rules.words import longest_shorts, why_held


def lock_too_short(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per database whose lock ends before its recovery from an image of that age has read all."""
    for answer, short in longest_shorts(analysis, locked=True):
        yield _diagnostic(answer, short)


def _diagnostic(answer: Answer, short: Short) -> Diagnostic:
    lock, policy = short.policy.lock, short.acted
    assert lock is not None
    detect = (Label(policy.detect.span, "noticed this late"),) if policy.detect else ()
    needed = short.needed.human() if short.needed else None
    primary = f"must be at least {needed}" if needed else "nothing bounds how long it must be"
    help_ = "mend first what keeps the recovery from being planned"
    if needed:
        help_ = f"`lock {needed.replace(' ', '')}` or longer: until a recovery has read the newest image"
    return Diagnostic(
        code="BKP5001",
        name="lock-too-short",
        severity=Severity.ERROR,
        message=f"an intruder can outwait the lock on the copies of `{short.database.name}`",
        primary=Label(lock.span, primary),
        secondary=(*detect, Label(answer.promise.span, "promised against an intruder")),
        notes=why_held(short),
        help=help_,
    )
