"""`bkpc run`: one job by its id, now: what CronJobs and other schedulers call."""

from __future__ import annotations

import argparse

from bkpc_runtime.commands.event_stream import add_format
from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.executor import run_job

EXAMPLE = "example: bkpc run plan.json orders/full/near"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    add_format(parser)
    parser.add_argument("step", metavar="STEP", help="the id of a job in the plan")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    for job in world.plan.jobs:
        if job.id == arguments.step:
            say(run_job(world, job, waits=True))
            return 0
    ids = ", ".join(job.id for job in world.plan.jobs)
    raise BadUsage(f"the plan has no job `{arguments.step}`", help=f"it has: {ids}")
