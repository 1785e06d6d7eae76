"""`bkpc agent`: schedule and streams on one machine; SIGTERM drains."""

from __future__ import annotations

import argparse
import signal
import threading

from bkpc_runtime.agent import Agent
from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of

EXAMPLE = "example: bkpc agent plan.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for database in world.databases(None):
        world.login(database)
        for name in world.stores_of(database.name):
            world.store(name)
    say(f"agent: {len(world.plan.streams)} streams, {len(world.plan.jobs)} jobs")
    if not Agent(world).run(stop):
        say("agent: stopped, but not all that was received is stored: it is asked for again at the next start")
        return 4
    say("agent: stopped, everything received is stored")
    return 0
