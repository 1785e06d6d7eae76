"""`bkpc report`: one HTML page about what is promised and proved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.circumstances_given import add_horizon
from bkpc_compiler.commands.rendering import (
    Stopped,
    add_common,
    compiled,
    is_plan,
    plan_of,
    refuse_source,
    run_target,
    stop,
    tell,
    write,
)
from bkpc_compiler.passes import looked_ahead
from bkpc_grammar.shares import millionths_of

if TYPE_CHECKING:
    from bkpc_compiler.backends.report import Growth
    from bkpc_compiler.cost.prices import Prices
    from bkpc_compiler.feasibility.growth import Outlook

EXAMPLE = """\
example:
  bkpc report policies/ -o report.html
  bkpc report policies/ --horizon 12mo -o report.html    with bounds month by month
  bkpc report plan.json -o report.html
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 4 a fault of bkpc, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["report"])
    add_horizon(parser)
    parser.add_argument("--prices", metavar="FILE", help="prices of storage classes (JSON), before those of std/oss")


def run(arguments: argparse.Namespace) -> int:
    if arguments.horizon is None and arguments.prices is None:
        return run_target("report", arguments)
    try:
        _run_with_more(arguments)
    except Stopped as stopped:
        return stopped.code
    return 0


def _run_with_more(arguments: argparse.Namespace) -> None:
    """The page with bounds month by month, or with other prices."""
    from bkpc_compiler.backends.report import report_html

    refuse_source("report", arguments.output)
    prices = _prices(arguments.prices)
    if arguments.horizon is None:
        write("report", report_html(plan_of("report", arguments), (), prices), arguments.output)
        return
    if is_plan(arguments.paths):
        raise stop("report", "a plan says nothing of growth: give `--horizon` together with the policies", 2)
    plan, checked = compiled("report", arguments)
    ahead = looked_ahead(checked, arguments.horizon, whole=True)
    tell([one for one in ahead.diagnostics if one not in checked.diagnostics], ahead)
    assert ahead.outlook is not None
    write("report", report_html(plan, growth_of(ahead.outlook), prices), arguments.output)


def _prices(path: str | None) -> Prices | None:
    """Those of a file; None: those that ship with bkpc."""
    from bkpc_compiler.cost.prices import PricesRejected, overridden, read_prices

    if path is None:
        return None
    if Path(path).exists() and not Path(path).is_file():
        raise stop("report", f"{path} can't be read: it is not a file", 2)
    try:
        return overridden(read_prices(Path(path).read_bytes(), path))
    except OSError as problem:
        raise stop("report", f"{path} can't be read: {problem.strerror}", 2) from problem
    except PricesRejected as problem:
        raise stop("report", str(problem), 2) from problem


def growth_of(outlook: Outlook) -> tuple[Growth, ...]:
    """The bounds of every promise in every month that was judged, as the page draws them."""
    return tuple(
        (
            month.number,
            answer.database.name,
            answer.promise.scope.value,
            answer.kind,
            bound.milliseconds_up() if bound else None,
            answer.objective.value.milliseconds_up(),
            millionths_of(answer.promise.share(answer.kind)),
        )
        for month in outlook.months
        for answer, bound in zip(outlook.today, month.bounds, strict=True)
    )
