"""`bkpc apply`: buckets as the plan asks, preflight, the plan stored beside the backups, missing images taken."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from bkpc_runtime.commands import keeping
from bkpc_runtime.commands.buckets import complain_of_failures, held_back, lines, look_at_buckets, make
from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.preflight import lines as preflight_lines
from bkpc_runtime.errors import Refused, RuntimeFailure
from bkpc_runtime.executor import due_jobs, keep_up
from bkpc_runtime.outdated import refuse_outdated
from bkpc_runtime.preflight import look_at
from bkpc_runtime.repository.plans import put_in_force
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc apply plan.json --yes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--only", metavar="DB", help="only this database")
    parser.add_argument("--yes", action="store_true", help="do not ask before the first byte is written")
    parser.add_argument(
        "--outdated", action="store_true", help="apply the plan although the policies beside it changed since"
    )
    parser.add_argument(
        "--yes-lock-forever",
        action="store_true",
        help="set the retention locks of the plan, too: nobody can ever undo them",
    )


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    if not arguments.outdated:
        refuse_outdated(world.plan, world.folder)
    code, held_back = _settings(world, arguments)
    if code is None:
        return 1
    if not _ready(world, arguments.only):
        return max(code, 1)
    code = max(code, _keep_less(world, arguments))
    worst = max(code, _images(world, arguments))
    for problem in held_back:
        complain(problem)
        worst = max(worst, problem.exit_code)
    return worst


def _settings(world: World, arguments: argparse.Namespace) -> tuple[int | None, list[Refused]]:
    """Makes the buckets as the plan asks; the exit code (None: nothing may be done), and what was held back."""
    looked = look_at_buckets(world, arguments.only)
    for line in lines(looked):
        say(line)
    worst = complain_of_failures(looked)
    if any(one.problems for one in looked):
        say("nothing was done")
        return None, []
    waiting = [] if arguments.yes_lock_forever else list(held_back(looked))
    changes = [change for one in looked for change in one.changes if arguments.yes_lock_forever or not change.forever]
    for change in changes:
        if change.forever:
            say(f"warning: {change.forever}")
    if changes and not arguments.yes and not _agreed("change the buckets?"):
        say("the buckets were not changed")
        return worst, waiting
    return max(worst, make(looked, lock_forever=arguments.yes_lock_forever)), waiting


def _keep_less(world: World, arguments: argparse.Namespace) -> int:
    """Tells what the plan in force keeps and this one does not; the exit code of what can't be looked at.

    Raises:
        Refused: nobody has agreed to it.
    """
    ahead, problems = keeping.look_ahead(world, arguments.only)
    for problem in problems:
        complain(problem)
    if keeping.shortened(ahead):
        for line in keeping.lines(one for one in ahead if one.shortens):
            say(line)
        if not arguments.yes and not _agreed("keep less than so far?"):
            raise Refused(
                "this plan keeps less than so far, and nobody agreed to that", help="say --yes if it is meant"
            )
    return max((problem.exit_code for problem in problems), default=0)


def _images(world: World, arguments: argparse.Namespace) -> int:
    names = {one.name for one in world.databases(arguments.only)}
    jobs = [job for job in world.plan.jobs if job.database in names]
    due = due_jobs(world, jobs, datetime.now(UTC))
    for job in due:
        say(f"+ {job.id}: {job.kind} to {', '.join(job.stores)}")
    if not due:
        say("nothing is missing or overdue")
    if due and not arguments.yes and not _agreed("take these images?"):
        say("nothing was done")
        return 0
    _store_plan(world, names)
    worst = 0
    kept_up = sorted((one for one in jobs if one.kind in {"verify", "expire"}), key=lambda one: one.kind, reverse=True)
    for job in (*due, *kept_up):
        try:
            told = keep_up(world, job)
            if told:
                say(told)
        except RuntimeFailure as problem:
            complain(problem)
            worst = max(worst, problem.exit_code)
    return worst


def _ready(world: World, only: str | None) -> bool:
    """Preflight; what is wrong is said, all of it at once."""
    looked = list(look_at(world, world.databases(only)))
    for line in preflight_lines(one for one in looked if one.findings):
        say(line)
    return all(one.ready for one in looked)


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        say("no terminal to ask on: say --yes")
        return False


def _store_plan(world: World, databases: set[str]) -> None:
    for name in sorted({name for one in databases for name in world.stores_of(one)}):
        put_in_force(world.store(name), world.plan, world.clock())
