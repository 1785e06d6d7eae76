"""One self-contained HTML page about a plan: promises, estate, a day of jobs, recoveries, assumptions."""

from __future__ import annotations

from dataclasses import dataclass

from bkpc_compiler.backends.estate import estate_view
from bkpc_compiler.backends.markup import page, script
from bkpc_compiler.backends.procedure import procedures_of
from bkpc_compiler.backends.report import large
from bkpc_compiler.backends.report.cost import bill_of
from bkpc_compiler.backends.report.databases import databases_of
from bkpc_compiler.backends.report.day import DAY, loads_of
from bkpc_compiler.backends.report.day_chart import day_chart
from bkpc_compiler.backends.report.gantt import gantt
from bkpc_compiler.backends.report.growth import Growth, trends_of
from bkpc_compiler.backends.report.promises import Promise, promises_of
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

    promises = promises_of(plan)
    if len(promises) > large.MANY:
        return _of_many(plan, promises, growth, prices)
    return page(
        "report.html",
        plan=plan,
        promises=promises,
        estate=estate_view(plan),
        day=DAY,
        loads=[(load, day_chart(load)) for load in loads_of(plan)],
        procedures=[(procedure, gantt(procedure)) for procedure in procedures_of(plan)],
        trends=trends_of(growth),
        bill=bill_of(plan, prices or standard_prices()),
        figures=_figures(plan),
        standing=STANDING,
    )


def _of_many(plan: Plan, promises: tuple[Promise, ...], growth: tuple[Growth, ...], prices: Prices | None) -> str:
    """The page of a large estate."""
    from bkpc_compiler.commands.verdicts import STANDING

    bill = bill_of(plan, prices or standard_prices())
    loads = large.fullest(loads_of(plan))
    procedures = procedures_of(plan, large.longest(plan.recoveries))
    deciding = [(one, large.deciding(one)) for one in procedures]
    trends = sorted(trends_of(growth), key=lambda one: (one.broken is None, one.broken or 0, one.database, one.scope))
    return page(
        "report_large.html",
        plan=plan,
        promises=promises,
        groups=large.alike(promises),
        databases=databases_of(plan, promises, {one.name: one.month for one in bill.by_database}),
        estate=estate_view(plan),
        moved=large.some(large.moved(estate_view(plan).flows), 3 * large.SHOWN),
        day=DAY,
        loads=[(load, day_chart(load, apart=False), large.fullest_stretches(load)) for load in loads.shown],
        more_loads=loads.more,
        procedures=[(one, steps, gantt(one, steps.shown)) for one, steps in deciding],
        more_recoveries=large.more_recoveries(plan),
        trends=large.some(trends),
        bill=bill,
        figures=large.rested(_users(plan)),
        standing=STANDING,
        some=large.some,
        few=large.few,
        in_all=large.in_all,
        **script("find"),
    )


def _figures(plan: Plan) -> tuple[_Figure, ...]:
    """Every assumption once, by place."""
    return tuple(
        _Figure(what, where, origin, tuple(sorted(names)))
        for (where, what, origin), names in sorted(
            _users(plan).items(), key=lambda entry: (_place(entry[0][0]), entry[0])
        )
    )


def _users(plan: Plan) -> dict[tuple[str, str, str], set[str]]:
    """By place, what is assumed and its origin: the databases whose promises rest on it."""
    users: dict[tuple[str, str, str], set[str]] = {}
    for objective in plan.objectives:
        for one in objective.assumptions:
            users.setdefault((one.where, " ".join(one.what.split()), one.measured or one.origin), set()).add(
                objective.database
            )
    return users


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (where, 0)
