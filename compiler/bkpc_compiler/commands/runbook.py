"""`bkpc runbook`: the recovery procedures, for people."""

from __future__ import annotations

import argparse

from bkpc_compiler.backends.targets import TARGETS
from bkpc_compiler.commands.rendering import add_common, run_target

EXAMPLE = """\
example:
  bkpc runbook policies/ -o runbook.md
  bkpc runbook plan.json -o runbook.html
exit: 0 written, 1 diagnostics and nothing written, 2 nothing to show, 4 a fault of bkpc, 5 an edited plan
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, TARGETS["runbook"])


def run(arguments: argparse.Namespace) -> int:
    return run_target("runbook", arguments)
