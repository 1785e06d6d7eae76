"""`bkpc plan`: what `apply` would change; nothing is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bkpc_grammar import plan as contract
from bkpc_runtime.commands import keeping
from bkpc_runtime.commands.buckets import Looked, complain_of_failures, lines, look_at_buckets
from bkpc_runtime.commands.keeping import look_ahead, orphans, shortened
from bkpc_runtime.commands.outcome import add_plan, complain, reported, world_of
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import due_jobs
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc plan plan.json; exit code 3 when a bucket is not as the plan asks, or less is kept"
DRIFT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--only", metavar="DB", help="only this database and its stores")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    looked = look_at_buckets(world, arguments.only)
    for line in lines(looked):
        print(line)
    worst = complain_of_failures(looked)
    problems: list[RuntimeFailure] = []
    for told in _images(world, arguments.only, looked):
        if isinstance(told, RuntimeFailure):
            problems.append(told)
        else:
            print(told)
    missing, unknown = _missing(looked), _unknown(looked)
    ahead, failed = look_ahead(world, arguments.only, missing, unknown)
    for line in keeping.lines(ahead, keeping.not_known(world, arguments.only, ahead, missing)):
        print(line)
    for problem in {str(one): one for one in (*failed, *problems)}.values():
        complain(problem)
        worst = max(worst, problem.exit_code)
    for line in orphans(world) if arguments.only is None and not unknown else ():
        print(line)
    if not worst and any(one.problems for one in looked):
        return 1
    return worst or (DRIFT if any(one.changes for one in looked) or shortened(ahead) else 0)


def _missing(looked: Sequence[Looked]) -> set[str]:
    """Stores whose bucket is still to be made."""
    return {place.store for one in looked if one.missing for place in one.wanted.places}


def _unknown(looked: Sequence[Looked]) -> set[str]:
    return {place.store for one in looked if one.failure or one.problems for place in one.wanted.places}


def _images(world: World, only: str | None, looked: Sequence[Looked]) -> Iterator[str | RuntimeFailure]:
    """The images and copies that are missing or overdue; those into stores that can't be looked at are left out."""
    missing, unknown = _missing(looked), _unknown(looked)
    names = {one.name for one in world.databases(only)}
    due, known, not_known = list[contract.Job](), False, set[str]()
    for job in world.plan.jobs:
        if job.database not in names or job.kind in contract.UPKEEP:
            continue
        if unseen := unknown & set(job.stores):
            not_known |= unseen
            continue
        try:
            due += [job] if missing & set(job.stores) else due_jobs(world, [job], datetime.now(UTC))
            known = True
        except RuntimeFailure as problem:
            not_known |= set(job.stores)
            yield problem
    for job in due:
        yield f"+ {job.id}: {job.kind} to {', '.join(job.stores)} (missing or overdue)"
    told = f"{len(due)} to take" if due else "nothing is missing or overdue" if known or not not_known else ""
    rest = f"not known of those to {', '.join(sorted(not_known))}" if not_known else ""
    yield f"images: {'; '.join(filter(None, (told, rest)))}"
