"""BKP7006 measured-ahead: a figure is told to be measured on a day to come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.model import Program

if TYPE_CHECKING:
    from datetime import date

ELSEWHERE = 1
"""Days by which it may be ahead: where it was measured, the next day may have begun."""


def measured_ahead(program: Program, today: date | None) -> Iterator[Diagnostic]:
    """One warning per figure of a day after `today`; none where nobody says what day it is."""
    for one in program.measured if today else ():
        assert today is not None
        ahead = -one.age_in_days(today)
        if ahead > ELSEWHERE:
            yield Diagnostic(
                code="BKP7006",
                name="measured-ahead",
                severity=Severity.WARNING,
                message=f"{one.what} is told to be measured on {one.measured_at}, {ahead} days after {today}",
                primary=Label(one.span, f"{one.shown} on {one.measured_at}: {one.source}"),
                help=f"correct its day in the document, or `--today {today}`; until then the verdicts count it, and "
                "nobody is told when it is old",
            )
