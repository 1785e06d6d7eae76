"""BKP5001 lock-too-short: an intruder can delete the copies before anyone notices."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.program.model import Scope
from bkpc_compiler.rules.words import needed_hold


def lock_too_short(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per database whose lock is shorter than detection plus the image's age."""
    seen = set()
    for answer in analysis.answers:
        lock = answer.protection.policy.lock
        if answer.promise.scope is not Scope.INTRUDER or lock is None or answer.database.name in seen:
            continue
        needed = needed_hold(answer)
        if answer.verdict is not Verdict.REFUTED and needed is not None and lock.value < needed:
            seen.add(answer.database.name)
            yield _diagnostic(answer, needed.human())


def _diagnostic(answer: Answer, needed: str) -> Diagnostic:
    policy = answer.protection.policy
    assert policy.lock is not None
    detect = (Label(policy.detect.span, "noticed this late"),) if policy.detect else ()
    return Diagnostic(
        code="BKP5001",
        name="lock-too-short",
        severity=Severity.ERROR,
        message=f"an intruder can outwait the lock on the copies of `{answer.database.name}`",
        primary=Label(policy.lock.span, f"must be at least {needed}"),
        secondary=(*detect, Label(answer.promise.span, "promised against an intruder")),
        help=f"`lock {needed.replace(' ', '')}` or longer: time to notice plus the newest image's age",
    )
