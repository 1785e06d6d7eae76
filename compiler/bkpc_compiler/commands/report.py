"""`bkpc report`: one HTML page about what is promised and proved."""

from __future__ import annotations

import argparse

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.rendering import add_common, run_target

EXAMPLE = """\
example:
  bkpc report policies/ -o report.html
  bkpc report plan.json -o report.html
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["report"])


def run(arguments: argparse.Namespace) -> int:
    return run_target("report", arguments)
