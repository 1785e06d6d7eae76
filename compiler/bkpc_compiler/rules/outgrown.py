"""BKP7005 outgrown: a promise that is proved today stops being so while the databases grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.growth import Broken, Outlook
from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.program.model import Database
from bkpc_compiler.rules.words import subject

if TYPE_CHECKING:
    from datetime import date

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SHOWN = 3


def outgrown(outlook: Outlook, today: date | None) -> Iterator[Diagnostic]:
    """One warning per promise that is proved today and, within the horizon, no longer; at the promise."""
    for one in outlook.broken:
        yield _diagnostic(one, outlook, today)


def calendar_month(today: date, months: int) -> str:
    """`2027-06`: the month that is `months` after that of `today`."""
    year, month = _month_after(today, months)
    return f"{year:04}-{month + 1:02}"


def _month_after(today: date, months: int) -> tuple[int, int]:
    """Its year, and its place in the year from 0."""
    years, month = divmod(today.month - 1 + months, 12)
    return today.year + years, month


def _diagnostic(one: Broken, outlook: Outlook, today: date | None) -> Diagnostic:
    number = one.month.number
    when = f"in {number} month{'' if number == 1 else 's'}"
    if today:
        year, month = _month_after(today, number)
        when += f" ({_MONTHS[month]} {year})"
    answer = one.then
    promised = f"loses at most {answer.promised}"
    if answer.kind == "rto":
        promised = f"is back in service within {answer.promised}"
    growing = _growing(one, outlook)
    labels = tuple(
        Label(database.size.span, f"{one.month.sizes[database.name].human()} by then") for database in growing[:_SHOWN]
    )
    return Diagnostic(
        code="BKP7005",
        name="outgrown",
        severity=Severity.WARNING,
        message=f"{when} it is no longer proved that `{answer.database.name}` {promised} {subject(answer)}",
        primary=Label(answer.objective.span, f"at most {_total(one.today.upper)} today; {_then(answer)}"),
        secondary=labels,
        notes=_others(growing[_SHOWN:], one),
    )


def _growing(one: Broken, outlook: Outlook) -> list[Database]:
    """The databases whose growth the bound feels: those whose size it names, its own first; else all that grow."""
    bounds = (one.then.upper, one.then.lower, one.today.upper)
    felt = {span for bound in bounds if bound for term in bound.terms for span in term.spans}
    known = {x.database.name: x.database for x in outlook.today}
    own = one.then.database.name
    growing = sorted((known[x] for x in one.month.sizes if x in known), key=lambda x: (x.name != own, x.name))
    return [x for x in growing if x.name == own or x.size.span in felt] or growing


def _then(answer: Answer) -> str:
    """What is known of the bound in the month in which it is no longer within the promise."""
    if answer.verdict is Verdict.REFUTED:
        return f"then at least {_total(answer.lower)}, whatever the schedule"
    if answer.upper is None:
        return "then there is no upper bound"
    if not answer.kept_long_enough:
        return f"then at most {_total(answer.upper)}, but from copies that are not kept long enough"
    return f"then at most {_total(answer.upper)}"


def _total(bound: Bound | None) -> str:
    return bound.total.human() if bound else "nothing known"


def _others(growing: list[Database], one: Broken) -> tuple[str, ...]:
    if not growing:
        return ()
    told = ", ".join(f"`{x.name}` {one.month.sizes[x.name].human()}" for x in growing[:_SHOWN])
    more = f" and {len(growing) - _SHOWN} more" if len(growing) > _SHOWN else ""
    return (f"also by then: {told}{more}",)
