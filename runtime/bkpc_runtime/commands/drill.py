"""`bkpc drill`: restored for real into a scratch server, compared with the source, measured, and written down."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from bkpc_grammar.quantities import Duration
from bkpc_runtime import events
from bkpc_runtime.commands.event_stream import add_format
from bkpc_runtime.commands.outcome import add_identity, add_plan, identities_of, reported, say, world_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.recovery.point import parse_point
from bkpc_runtime.repository.drills import Drill
from bkpc_runtime.steps.drill import Asked, drawn_seed, run_drill
from bkpc_runtime.temporary_folder import temporary_folder

EXAMPLE = "example: bkpc drill plan.json orders --identity key.txt --work /var/tmp"
_WORDS = {
    "provision": "a scratch server",
    "restore.image": "the image",
    "restore.log": "the log",
    "check.service": "counting and comparing",
}
_PATIENCE = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    add_format(parser)
    parser.add_argument("database", nargs="?", metavar="DB", help="only this database (default: one after the other)")
    parser.add_argument(
        "--store", metavar="NAME", help="the store to restore from (default: the one that is ready first)"
    )
    parser.add_argument(
        "--to", metavar="POINT", help="restore to there first (as `restore --to`; default: an instant drawn at random)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="draw the same instant again, of the same log")
    parser.add_argument("--image", metavar="ID", help="the image to begin with (default: the one drilled longest ago)")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER",
        help="where the scratch server's data lies while it runs (default: the system's temporary folder)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", type=int, metavar="SECONDS", default=_PATIENCE, help="how long to wait for the log to arrive (300)"
    )
    add_identity(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    work = arguments.work or temporary_folder()
    if not work.is_dir():
        raise BadUsage(f"{work} is no folder", help="--work FOLDER: where the scratch server's data may lie")
    asked = Asked(arguments.image, work, float(arguments.wait), identities_of(arguments),
                  drawn_seed() if arguments.seed is None else arguments.seed,
                  None if arguments.to is None else parse_point(arguments.to))  # fmt: skip
    if arguments.to and (arguments.image or not arguments.database):
        raise BadUsage("--to is of one database, and says which image it takes", help="name DB, and no --image")
    passed = True
    for database in world.databases(arguments.database):
        store = world.store(arguments.store or world.stores_of(database.name)[0])
        with events.step(f"{database.name}/drill", "drill", database.name) as step:
            drill = run_drill(world, database, store, asked, say)
            step.text, step.exit_code = "; ".join(drill.problems), 0 if drill.passed else 1
        events.tell(events.Drilled(passed=drill.passed, drill=drill))
        _print(drill)
        passed = passed and drill.passed
    return 0 if passed else 1


def _print(drill: Drill) -> None:
    verdict = "passed" if drill.passed else "FAILED"
    print(f"{verdict}  {drill.database} from {drill.store}: image {drill.image}, to {drill.point}")
    if drill.instant:
        drawn = "" if drill.seed is None else f", drawn with --seed {drill.seed}"
        print(f"  by way of {drill.instant}{drawn}")
    for step in drill.steps:
        moved = f"  {step.plain_bytes:,} bytes" if step.plain_bytes else ""
        print(f"  {_WORDS[step.kind]:<24} {_time(step.milliseconds):>10}{moved}")
    measured = sum(one.milliseconds for one in drill.steps if one.kind != "provision")
    if drill.expected_ms is not None and drill.passed:
        print(
            f"  {'in all, but the server':<24} {_time(measured):>10}  the plan says at most {_time(drill.expected_ms)}"
        )
    if drill.compared:
        print(f"  {drill.compared} tables, {drill.rows:,} rows: compared with the source at the same position")
        if drill.objects:
            print(f"  {drill.objects} tables, views, triggers, routines and events: the same names as in the source")
    elif drill.passed:
        print(
            f"  {drill.tables} tables, {drill.rows:,} rows: not compared, no log leads to a moment the source was asked"
        )
    for name in drill.not_compared:
        print(f"  {name}: not compared, its definition changed meanwhile")
    for problem in drill.problems:
        print(f"  problem: {problem}")


def _time(milliseconds: int) -> str:
    return Duration(Fraction(round(milliseconds, -2), 1000)).human() if milliseconds >= 100 else f"{milliseconds}ms"
