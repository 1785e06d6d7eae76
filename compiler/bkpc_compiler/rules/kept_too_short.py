"""BKP4003 kept-too-short: when damage is noticed, no point from before it is left."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.recovery_time import held_for
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.program.model import Scope
from bkpc_compiler.rules.words import needed_hold, subject


def kept_too_short(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per (database, scope) whose retention is shorter than detection plus the image's age."""
    seen = set()
    for answer in analysis.answers:
        if answer.choice.kept_long_enough:
            continue
        key = (answer.database.name, answer.promise.scope)
        needed = needed_hold(answer)
        held = held_for(answer.protection.policy)
        if key in seen or held is None or needed is None or held >= needed:
            continue
        if answer.verdict is Verdict.REFUTED:
            continue
        seen.add(key)
        yield _diagnostic(answer, needed.human())


def _diagnostic(answer: Answer, needed: str) -> Diagnostic:
    policy = answer.protection.policy
    assert policy.keep is not None
    detect = (Label(policy.detect.span, "noticed this late"),) if policy.detect else ()
    images = tuple(Label(level.span, "an image this old may be the newest") for level in policy.images)
    ending = " from before the damage" if answer.promise.scope is Scope.CORRUPTION else ""
    return Diagnostic(
        code="BKP4003",
        name="kept-too-short",
        severity=Severity.ERROR,
        message=f"no recovery point of `{answer.database.name}`{ending} may be left {subject(answer)}",
        primary=Label(policy.keep.span, f"must be at least {needed}"),
        secondary=(*detect, *images),
        help=f"`keep {needed.replace(' ', '')}` or longer",
    )
