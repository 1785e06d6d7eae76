"""`bkpc agent`: schedule and streams on one machine; SIGTERM drains, a second one breaks off the jobs under way."""

from __future__ import annotations

import argparse
import re
import signal
import threading
from pathlib import Path

from bkpc_grammar.quantities import size
from bkpc_runtime.agent import Agent
from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of
from bkpc_runtime.steps.log_spool import LIMIT
from bkpc_runtime.work_folder import work_folder

EXAMPLE = "example: bkpc agent plan.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="a folder on local disk for log that waits for stores (default: BKPC_WORK, STATE_DIRECTORY, "
        "or bkpc-work beside the plan)",
    )
    parser.add_argument(
        "--spool", type=_size, default=LIMIT, metavar="SIZE", help="the most log that waits there (default: 4GiB)"
    )


def _size(text: str) -> int:
    """`4GiB` in bytes."""
    found = re.fullmatch(r"(\d+)([KMGT]?i?B)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it as 4GiB")
    return size(int(found[1]), found[2]).bytes_up()


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    stop = threading.Event()

    def told(number: int, _: object) -> None:
        if stop.is_set():
            raise SystemExit(128 + number)
        threading.Thread(target=stop.set).start()  # it takes a lock, which this very thread may hold

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    for database in world.databases(None):
        world.login(database)
        for name in world.stores_of(database.name):
            world.store(name)
    say(f"agent: {len(world.plan.streams)} streams, {len(world.plan.jobs)} jobs")
    work = work_folder(arguments.work, world.folder, world.environ)
    if not Agent(world, work, arguments.spool).run(stop):
        say("agent: stopped, but not all that was received is stored: it is asked for again at the next start")
        return 4
    say("agent: stopped, everything received is stored")
    return 0
