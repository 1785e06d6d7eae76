"""One self-contained HTML page about a plan: promises, estate, a day of jobs, recoveries, assumptions."""

from __future__ import annotations

from dataclasses import dataclass

from bkpc_compiler.backends.estate import estate_view
from bkpc_compiler.backends.markup import page
from bkpc_compiler.backends.procedure import procedures_of
from bkpc_compiler.backends.report.cost import bill_of
from bkpc_compiler.backends.report.day import DAY, loads_of
from bkpc_compiler.backends.report.day_chart import day_chart
from bkpc_compiler.backends.report.gantt import gantt
from bkpc_compiler.backends.report.growth import Growth, trends_of
from bkpc_compiler.backends.report.promises import promises_of
from bkpc_compiler.cost.prices import Prices, standard_prices
from bkpc_grammar.plan import Plan

__all__ = ["Growth", "report_html"]


@dataclass(frozen=True, slots=True)
class _Figure:
    """An assumption, and whose promises rest on it."""

    what: str
    where: str
    origin: str  # where it is from; of a measured figure, what was measured
    databases: tuple[str, ...]


def report_html(plan: Plan, growth: tuple[Growth, ...] = (), prices: Prices | None = None) -> str:
    """The page. `growth`: bounds month by month, where `check --horizon` looked ahead. `prices`: else those of std."""
    from bkpc_compiler.commands.verdicts import STANDING

    return page(
        "report.html",
        plan=plan,
        promises=promises_of(plan),
        estate=estate_view(plan),
        day=DAY,
        loads=[(load, day_chart(load)) for load in loads_of(plan)],
        procedures=[(procedure, gantt(procedure)) for procedure in procedures_of(plan)],
        trends=trends_of(growth),
        bill=bill_of(plan, prices or standard_prices()),
        figures=_figures(plan),
        standing=STANDING,
    )


def _figures(plan: Plan) -> tuple[_Figure, ...]:
    """Every assumption once, by place."""
    users: dict[tuple[str, str, str], set[str]] = {}
    for objective in plan.objectives:
        for one in objective.assumptions:
            users.setdefault((one.where, " ".join(one.what.split()), one.measured or one.origin), set()).add(
                objective.database
            )
    return tuple(
        _Figure(what, where, origin, tuple(sorted(names)))
        for (where, what, origin), names in sorted(users.items(), key=lambda entry: (_place(entry[0][0]), entry[0]))
    )


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (where, 0)
