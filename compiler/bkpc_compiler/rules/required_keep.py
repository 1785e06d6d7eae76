"""BKP6003 required-keep: backups are kept for another time than a rule of the organisation asks."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.rules.required import COMPARE, required


def required_keep(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per database whose `keep` does not meet the rule."""
    for requirement, protection in required(analysis.program, "keep"):
        keep = protection.policy.keep
        assert requirement.limit is not None
        assert requirement.comparison is not None
        if keep and keep.days and COMPARE[requirement.comparison](keep.days.value, requirement.limit):
            continue
        yield Diagnostic(
            code="BKP6003",
            name="required-keep",
            severity=Severity.ERROR,
            message=f"backups of `{protection.database}` must be kept {requirement.comparison} {requirement.limit}",
            primary=Label(keep.span if keep else protection.policy.span, "" if keep else "no `keep`"),
            secondary=(Label(requirement.span, "required here"),),
            help=f"`keep {requirement.limit}`",
        )
