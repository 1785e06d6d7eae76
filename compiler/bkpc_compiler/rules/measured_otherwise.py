"""BKP7003 measured-otherwise: a declared figure is farther from the measured one than its tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Edit, Label, Severity
from bkpc_compiler.program.literal import Figure
from bkpc_compiler.program.measurement import Measurement
from bkpc_compiler.program.model import Program

_TIMES = 10


def measured_otherwise(program: Program, tolerance_percent: int) -> Iterator[Diagnostic]:
    """One warning per declared figure that is more than `tolerance_percent` of itself from what was measured."""
    for one in program.measured:
        if one.declared is None:
            continue
        off = abs(one.value.amount - one.declared.amount)
        if off > one.declared.amount * Fraction(tolerance_percent, 100):
            yield _diagnostic(one, one.declared, tolerance_percent)


def _diagnostic(one: Measurement, declared: Figure, tolerance_percent: int) -> Diagnostic:
    worse = (one.value.amount > declared.amount) == one.more_is_worse
    # Other rates than `writes` can't be declared as nothing.
    written = f"{one.figure} {one.shown}" if one.value.amount or one.figure == "writes" else ""
    return Diagnostic(
        code="BKP7003",
        name="measured-otherwise",
        severity=Severity.WARNING,
        message=f"{one.what} is declared as {declared}, but {one.shown} was measured: "
        f"{'worse' if worse else 'better'}{_apart(one.value, declared)}",
        primary=Label(one.span, f"{one.measured_at}: {one.source}"),
        notes=(f"the verdicts count what was measured; up to {tolerance_percent}% off is not told",),
        help=f"write {f'`{written}`' if written else 'what it may be, above nothing'}, or find out why",
        edit=Edit(one.span, written) if written else None,
    )


def _apart(value: Figure, declared: Figure) -> str:
    """How far off, of what was declared; in times where percents say little."""
    if not declared.amount:
        return f" by {value.human()}"
    times = value.amount / declared.amount
    return f", {round(times)} times as much" if times >= _TIMES else f" by {round(abs(times - 1) * 100)}%"
