"""BKP6006 promises-nothing: a database that is protected, and for which nothing can be held."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis


def promises_nothing(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per protection without an objective, and per promise without one."""
    for protection in analysis.program.protections:
        policy = protection.policy
        if not policy.promises:
            message = f"nothing is promised for database `{protection.database}`"
            yield _diagnostic(message, Label(protection.span), f"add a `promise` to policy `{policy.name}`")
    spans = {
        promise.span: promise
        for protection in analysis.program.protections
        for promise in protection.policy.promises
        if promise.rpo is None and promise.rto is None
    }
    for span in spans:
        yield _diagnostic("this promise names neither `rpo` nor `rto`", Label(span), "such as `rpo 10s  rto 2h`")


def _diagnostic(message: str, label: Label, help_text: str) -> Diagnostic:
    return Diagnostic(
        code="BKP6006",
        name="promises-nothing",
        severity=Severity.ERROR,
        message=message,
        primary=label,
        help=help_text,
    )
