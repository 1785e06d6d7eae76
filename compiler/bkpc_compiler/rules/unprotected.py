"""BKP6005 unprotected: a database that no `protect` names."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis


def unprotected(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per database without a policy."""
    protected = {one.database for one in analysis.program.protections}
    for database in analysis.program.databases:
        if protected and database.name not in protected:
            yield Diagnostic(
                code="BKP6005",
                name="unprotected",
                severity=Severity.ERROR,
                message=f"nothing protects database `{database.name}`",
                primary=Label(database.span),
                help=f"`protect {database.name} with …`, or take the database out",
            )
