"""BKP7004 measured-long-ago: a proof rests on a figure that is older than the document of facts allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.model import Program

if TYPE_CHECKING:
    from datetime import date


def measured_long_ago(program: Program, oldest_days: int, today: date | None) -> Iterator[Diagnostic]:
    """One warning per figure older than `oldest_days`; none where nobody says what day it is."""
    for one in program.measured if today else ():
        assert today is not None
        age = one.age_in_days(today)
        if age > oldest_days:
            yield Diagnostic(
                code="BKP7004",
                name="measured-long-ago",
                severity=Severity.WARNING,
                message=f"{one.what} was measured {age} days ago, and counts for at most {oldest_days}",
                primary=Label(one.span, f"{one.shown} on {one.measured_at}: {one.source}"),
                help="measure it again; until then the verdicts still count it",
            )
