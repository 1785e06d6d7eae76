"""`bkpc preflight`: every database, store, tool and privilege; all problems at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from bkpc_runtime.commands.outcome import add_plan, reported, world_of
from bkpc_runtime.preflight import Looked, look_at

EXAMPLE = "example: bkpc preflight plan.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--only", metavar="DB", help="only this database and its stores")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    looked = list(look_at(world, world.databases(arguments.only)))
    for line in lines(looked):
        print(line)
    return 0 if all(one.ready for one in looked) else 1


def lines(looked: Iterable[Looked]) -> Iterable[str]:
    """A block for each thing looked at, and how it stands in all."""
    problems = warnings = 0
    for one in looked:
        yield f"{one.name}  {one.what}" + ("" if one.findings else "  ready")
        for finding in one.findings:
            problems += finding.kind == "problem"
            warnings += finding.kind == "warning"
            yield f"  {finding.kind}: {finding.text}"
            yield from (f"    {mend}" for mend in finding.mend)
    yield f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
