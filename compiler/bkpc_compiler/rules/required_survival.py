"""BKP6001 required-survival: a rule of the organisation asks for a scope that nothing promises."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.rules.required import required


def required_survival(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per required scope without a promise."""
    for requirement, protection in required(analysis.program, "survives"):
        promised = {promise.scope for promise in protection.policy.promises}
        for scope in requirement.scopes:
            if scope not in promised:
                yield Diagnostic(
                    code="BKP6001",
                    name="required-survival",
                    severity=Severity.ERROR,
                    message=f"`{protection.database}` must survive `{scope}`, and nothing promises it",
                    primary=Label(protection.policy.span, f"no promise against {scope}"),
                    secondary=(Label(requirement.span, "required here"),),
                    help=f"`promise against {scope} {{ rpo … rto … }}`",
                )
