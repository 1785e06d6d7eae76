"""`bkpc graph`: the estate as a picture."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.rendering import add_common, named, run_target, stop

if TYPE_CHECKING:
    from bkpc_grammar.plan import Plan

EXAMPLE = """\
example:
  bkpc graph policies/ -o estate.svg       drawn by Graphviz
  bkpc graph plan.json --format mermaid    for a Markdown page
  bkpc graph plan.json --database shop     it, what it needs, and where their backups go
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 4 a fault of bkpc, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["graph"])
    parser.add_argument(
        "--database", metavar="NAME", action="append", default=[], help="draw this one and what it needs; repeatable"
    )
    parser.add_argument("--site", metavar="NAME", action="append", default=[], help="draw its databases; repeatable")


def run(arguments: argparse.Namespace) -> int:
    return run_target("graph", arguments, lambda plan: _part(plan, arguments))


def _part(plan: Plan, arguments: argparse.Namespace) -> Plan:
    """What is asked for; says where databases that are alike will be drawn as one."""
    from bkpc_compiler.backends.alike import note_of
    from bkpc_compiler.backends.part import part_of

    if arguments.database or arguments.site:
        wanted = named("graph", plan, arguments.database)
        sites = {one.site for one in plan.estate.databases}
        for site in arguments.site:
            if site not in sites:
                raise stop("graph", f"no database of the plan stands at a site `{site}`", 2)
        wanted |= {one.name for one in plan.estate.databases if one.site in arguments.site}
        plan = part_of(plan, wanted)
    for line in note_of(len(plan.estate.databases)):
        print(f"bkpc graph: {line}", file=sys.stderr)
    return plan
