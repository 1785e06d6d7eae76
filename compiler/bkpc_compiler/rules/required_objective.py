"""BKP6002 required-objective: a promise is weaker than a rule of the organisation."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Given, Protection, Requirement, Scope
from bkpc_compiler.rules.required import COMPARE, required
from bkpc_grammar.quantities import Duration


def required_objective(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per required RPO or RTO that is promised worse, or not at all."""
    for requirement, protection in required(analysis.program, "rpo", "rto"):
        for scope in requirement.scopes:
            promised = _promised(protection, requirement.kind, scope)
            assert requirement.limit is not None
            assert requirement.comparison is not None
            if promised is None or not COMPARE[requirement.comparison](promised.value, requirement.limit):
                yield _diagnostic(requirement, protection, scope, promised)


def _promised(protection: Protection, kind: str, scope: Scope) -> Given[Duration] | None:
    for promise in protection.policy.promises:
        if promise.scope is scope:
            return promise.rpo if kind == "rpo" else promise.rto
    return None


def _diagnostic(
    requirement: Requirement, protection: Protection, scope: Scope, promised: Given[Duration] | None
) -> Diagnostic:
    wanted = f"{requirement.kind} {requirement.comparison} {requirement.limit}"
    primary = Label(protection.policy.span, f"promises no {requirement.kind} against {scope}")
    if promised is not None:
        primary = Label(promised.span, f"{requirement.kind} against {scope}")
    return Diagnostic(
        code="BKP6002",
        name="required-objective",
        severity=Severity.ERROR,
        message=f"`{protection.database}` must promise {wanted} against {scope}",
        primary=primary,
        secondary=(Label(requirement.span, "required here"),),
        help=f"promise `{requirement.kind} {requirement.limit}` against {scope}",
    )
