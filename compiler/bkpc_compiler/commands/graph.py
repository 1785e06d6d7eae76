"""`bkpc graph`: the estate as a picture."""

from __future__ import annotations

import argparse

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.rendering import add_common, run_target

EXAMPLE = """\
example:
  bkpc graph policies/ -o estate.svg       drawn by Graphviz
  bkpc graph plan.json --format mermaid    for a Markdown page
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 4 a fault of bkpc, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["graph"])


def run(arguments: argparse.Namespace) -> int:
    return run_target("graph", arguments)
