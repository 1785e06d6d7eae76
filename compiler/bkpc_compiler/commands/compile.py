"""`bkpc compile`: the plan of a checked policy, or the files of a back end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.circumstances_given import add_circumstances
from bkpc_compiler.commands.rendering import Stopped, compiled, plan_of, write_all

EXAMPLE = """\
example:
  bkpc compile policies/ -o plan.json
  bkpc compile policies/ --target runbook -o runbook/    every form of it, in a folder
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to compile, 4 a fault of bkpc
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, or folders read recursively (default: here)")
    parser.add_argument("--target", choices=("plan", *TARGETS), default="plan", help="what to write (default: plan)")
    add_circumstances(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="where it goes (default: stdout); for a target also a folder",
    )


def run(arguments: argparse.Namespace) -> int:
    from bkpc_grammar.canonical import canonical_pieces

    if arguments.output.endswith(".bkp"):
        print(f"bkpc compile: {arguments.output} is the name of a policy: name the plan *.json", file=sys.stderr)
        return 2
    try:
        if arguments.target != "plan":
            write_all("compile", arguments.target, plan_of("compile", arguments), arguments.output)
            return 0
        plan = compiled("compile", arguments)[0]
    except Stopped as stopped:
        return stopped.code
    return _write(canonical_pieces(plan), arguments.output, plan.header.digest)


def _write(document: Iterable[bytes], output: str, digest: str) -> int:
    if output == "-":
        sys.stdout.writelines(piece.decode() for piece in document)
        return 0
    try:
        with Path(output).open("wb") as file:
            file.writelines(document)
    except OSError as problem:
        print(f"bkpc compile: cannot write {output}: {problem.strerror}", file=sys.stderr)
        return 2
    print(f"{output}: plan {digest[:12]}", file=sys.stderr)
    return 0
