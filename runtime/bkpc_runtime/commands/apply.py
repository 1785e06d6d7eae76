"""`bkpc apply`: preflight, the plan stored beside the backups, missing and overdue images taken."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.preflight import lines
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import due_jobs, run_job
from bkpc_runtime.preflight import look_at
from bkpc_runtime.repository import layout
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc apply plan.json --yes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--only", metavar="DB", help="only this database")
    parser.add_argument("--yes", action="store_true", help="do not ask before the first byte is written")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    if not _ready(world, arguments.only):
        return 1
    names = {one.name for one in world.databases(arguments.only)}
    jobs = [job for job in world.plan.jobs if job.database in names]
    due = due_jobs(world, jobs, datetime.now(UTC))
    for job in due:
        say(f"+ {job.id}: {job.kind} to {', '.join(job.stores)}")
    if not due:
        say("nothing is missing or overdue")
    if due and not arguments.yes and not _agreed():
        say("nothing was done")
        return 0
    _store_plan(world, names)
    worst = 0
    for job in due:
        try:
            say(run_job(world, job))
        except RuntimeFailure as problem:
            complain(problem)
            worst = max(worst, problem.exit_code)
    return worst


def _ready(world: World, only: str | None) -> bool:
    """Preflight; what is wrong is said, all of it at once."""
    looked = list(look_at(world, world.databases(only)))
    for line in lines(one for one in looked if one.findings):
        say(line)
    return all(one.ready for one in looked)


def _agreed() -> bool:
    try:
        return input("apply? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        say("no terminal to ask on: say --yes")
        return False


def _store_plan(world: World, databases: set[str]) -> None:
    for name in sorted({name for one in databases for name in world.stores_of(one)}):
        store = world.store(name)
        key = layout.plan_key(world.plan.header.digest)
        if store.head(key) is None:
            store.put(key, world.document)
