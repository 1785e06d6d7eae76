"""`bkpc runbook`: the recovery procedures, for people."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.rendering import Stopped, add_common, named, plan_of, run_target, stop, write

if TYPE_CHECKING:
    from bkpc_grammar.plan import Plan

_NAMED = 5
"""Pages of another run that are named."""
EXAMPLE = """\
example:
  bkpc runbook policies/ -o runbook.md
  bkpc runbook plan.json -o runbook.html
  bkpc runbook plan.json --database shop        only what brings it back
  bkpc runbook plan.json -o runbook/            a page for each failure, and one that leads to them
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 4 a fault of bkpc, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["runbook"])
    parser.add_argument(
        "--database",
        metavar="NAME",
        action="append",
        default=[],
        help="only the procedures that bring it back; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    output = arguments.output
    if output == "-" or not (Path(output).is_dir() or output.endswith("/")):
        return run_target("runbook", arguments, lambda plan: _whole(_part(plan, arguments)))
    try:
        _into_folder(_part(plan_of("runbook", arguments), arguments), Path(output), arguments.format or "html")
    except Stopped as stopped:
        return stopped.code
    return 0


def _part(plan: Plan, arguments: argparse.Namespace) -> Plan:
    from bkpc_compiler.backends.part import Recovering

    if arguments.database:
        return Recovering(plan).of(named("runbook", plan, arguments.database))
    return plan


def _whole(plan: Plan) -> Plan:
    """The plan; where it has very many procedures, says that there are ways to have fewer on a page."""
    from bkpc_compiler.backends.runbook import MANY

    if len(plan.recoveries) > MANY:
        print(
            f"bkpc runbook: {len(plan.recoveries):,} procedures on one page; `-o FOLDER/` makes a page for each, "
            "`--database NAME` only those that bring it back",
            file=sys.stderr,
        )
    return plan


def _into_folder(plan: Plan, folder: Path, form: str) -> None:
    """A page for each failure, and one that leads to all. What else is there, of an earlier plan or of other databases,
    stays, and is named: who opens such a page must know that it is not of this plan."""
    from bkpc_compiler.backends.runbook.pages import SCOPES, pages_of

    written = set[Path]()
    for name, text in pages_of(plan, form):
        path = folder / name
        written.add(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise stop("runbook", f"cannot make {path.parent}: {problem.strerror}", 2) from problem
        write("runbook", text, str(path), told=name.startswith("index."))
    there = [*folder.glob("index.*"), *(path for scope in sorted(SCOPES) for path in (folder / scope).glob("*.*"))]
    left = sorted(str(path) for path in there if path.suffix in {".html", ".md"} and path not in written)
    if left:
        told = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else "")
        print(
            f"bkpc runbook: not of this run: {told}; they stay as they are, and may tell what is no longer planned: "
            "remove them, or write into an empty folder",
            file=sys.stderr,
        )
