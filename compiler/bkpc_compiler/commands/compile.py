"""`bkpc compile`: the plan of a checked policy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bkpc_compiler.commands.source_files import NothingFound, compile_files
from bkpc_compiler.commands.terminal import wants_colour

EXAMPLE = """\
example:
  bkpc compile policies/ -o plan.json
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to compile
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, or folders read recursively (default: here)")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where the plan goes (default: stdout)")


def run(arguments: argparse.Namespace) -> int:
    from bkpc_compiler.main import VERSION
    from bkpc_grammar.canonical import canonical_bytes

    if arguments.output.endswith(".bkp"):
        print(f"bkpc compile: {arguments.output} is the name of a policy: name the plan *.json", file=sys.stderr)
        return 2
    try:
        plan, checked = compile_files(arguments.paths, VERSION)
    except NothingFound as problem:
        print(f"bkpc compile: {problem}", file=sys.stderr)
        return 2
    if checked.diagnostics:
        from bkpc_compiler.diagnostics.text import render

        sys.stderr.write(render(checked.diagnostics, checked.sources, colour=wants_colour(sys.stderr)))
    if plan is None:
        print("bkpc compile: nothing written", file=sys.stderr)
        return 1
    if not checked.answers:
        print("bkpc compile: nothing was promised for any database: nothing to compile", file=sys.stderr)
        return 2
    return _write(canonical_bytes(plan), arguments.output, plan.header.digest)


def _write(document: bytes, output: str, digest: str) -> int:
    if output == "-":
        sys.stdout.write(document.decode())
        return 0
    try:
        Path(output).write_bytes(document)
    except OSError as problem:
        print(f"bkpc compile: cannot write {output}: {problem.strerror}", file=sys.stderr)
        return 2
    print(f"{output}: plan {digest[:12]}", file=sys.stderr)
    return 0
