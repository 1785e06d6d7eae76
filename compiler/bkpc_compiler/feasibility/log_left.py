"""A log that a failure leaves where the way back that is planned is an image alone: what it would save, and cost."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.feasibility.lines import Choice, places
from bkpc_compiler.feasibility.recovery_point import Line, lost_at_most
from bkpc_compiler.feasibility.recovery_time import Recovery, leads_back
from bkpc_compiler.program.model import Store


@dataclass(frozen=True, slots=True)
class LogLeft:
    """`loses`, `without`: seconds lost at most with it and without. `back`: milliseconds until the database is in
    service with it, were it alone to come back. None: nothing bounds it."""

    line: Line
    log: Store
    loses: Fraction | None
    without: Fraction | None
    back: int | None


def log_left(choice: Choice) -> LogLeft | None:
    """The log that goes on from the image that is planned, or else from another; the way that is soonest back."""
    planned = choice.recovery
    if planned is None or planned.line.log is not None:
        return None
    if len(choice.setting.grouped.get(choice.database.name, ())) > 1:
        return None  # it goes to the point in common, by whatever log there is
    found = [one for line in choice.readable if (one := _left(choice, planned, line)) is not None]
    return min(found, key=lambda one: _rank(planned, one), default=None)


def _rank(planned: Recovery, one: LogLeft) -> tuple[bool, bool, int, tuple[str, str]]:
    other = one.line.image.id != planned.line.image.id
    return (other, one.back is None, one.back or 0, one.line.name)


def _left(choice: Choice, planned: Recovery, line: Line) -> LogLeft | None:
    if line.log_store is None:
        return None
    loss = choice.loss
    led = [one for one in places(choice.database, loss) if leads_back(choice.setting, line, one, loss)]
    if not led:
        return None
    place = planned.place if planned.place in led else led[0]
    return LogLeft(
        line,
        line.log_store,
        lost_at_most(line, Fraction(1)),
        lost_at_most(planned.line, Fraction(1)),
        choice.on(line, place).most,
    )
