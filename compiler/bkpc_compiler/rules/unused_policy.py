"""BKP6007 unused-policy: a policy that protects nothing."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis


def unused_policy(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per policy that no `protect` names and no policy extends."""
    program = analysis.program
    used = {one.policy.name for one in program.protections} | {one.extends for one in program.policies}
    for policy in program.policies:
        if policy.name not in used:
            yield Diagnostic(
                code="BKP6007",
                name="unused-policy",
                severity=Severity.WARNING,
                message=f"policy `{policy.name}` protects no database",
                primary=Label(policy.span),
                help=f"`protect … with {policy.name}`, or take it out",
            )
