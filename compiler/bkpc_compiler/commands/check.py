"""`bkpc check`: diagnostics and verdicts, on stdout as text or JSON."""

from __future__ import annotations

import argparse
import sys

from bkpc_compiler.commands.circumstances_given import FactsUnusable, add_circumstances, add_horizon, circumstances_of
from bkpc_compiler.commands.source_files import NothingFound, check_files
from bkpc_compiler.commands.terminal import wants_colour
from bkpc_compiler.commands.verdicts import counted, verdict_table
from bkpc_compiler.passes import looked_ahead

EXAMPLE = """\
example:
  bkpc check policies/            every .bkp file below policies/
  bkpc check payments.bkp --explain
  bkpc check policies/ --facts facts.json --horizon 12mo --today 2026-11-24
exit: 0 all proved, 1 diagnostics, 2 nothing to check
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, or folders read recursively (default: here)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the result on stdout")
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="an undecided promise is an error (default); with --no-strict a warning",
    )
    add_circumstances(parser)
    add_horizon(parser)
    parser.add_argument("--explain", action="store_true", help="also show each bound term by term")


def run(arguments: argparse.Namespace) -> int:
    try:
        checked = check_files(arguments.paths, circumstances_of(arguments))
    except (NothingFound, FactsUnusable) as problem:
        print(f"bkpc check: {problem}", file=sys.stderr)
        return 2
    if arguments.horizon is not None:
        checked = looked_ahead(checked, arguments.horizon)
    if not arguments.strict:
        checked = checked.lenient()
    if arguments.format == "json":
        from bkpc_compiler.commands.verdicts_json import as_json

        print(as_json(checked))
    else:
        from bkpc_compiler.diagnostics.text import render

        sys.stdout.write(render(checked.diagnostics, checked.sources, colour=wants_colour(sys.stdout)))
        sys.stdout.write(verdict_table(checked, explain=arguments.explain))
        print(counted(checked))
    if checked.broken:
        return 1
    if not checked.answers:
        print("bkpc check: nothing was promised for any database: nothing was checked", file=sys.stderr)
        return 2
    return 0
