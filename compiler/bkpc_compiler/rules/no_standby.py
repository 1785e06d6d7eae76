"""BKP3003 no-standby: a copy survives, but nothing says where to rebuild the database."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis, Verdict
from bkpc_compiler.rules.words import subject


def no_standby(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per RTO that hangs on an unknown place."""
    for answer in analysis.unproved:
        if answer.kind != "rto" or answer.verdict is not Verdict.REFUTED or not answer.nowhere or answer.choice.cut_off:
            continue
        survivors = sorted({line.image.store.site for line in answer.choice.lines})
        yield Diagnostic(
            code="BKP3003",
            name="no-standby",
            severity=Severity.ERROR,
            message=f"nothing says where `{answer.database.name}` is rebuilt {subject(answer)}",
            primary=Label(answer.objective.span, "depends on where"),
            secondary=(Label(answer.database.span, "no standby that survives"),),
            help=f"declare where it is rebuilt, e.g. `standby {survivors[0]} {{ provision … }}`, "
            "with the time until that machine is ready",
        )
