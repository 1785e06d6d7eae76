"""`bkpc agent`: schedule and streams on one machine; SIGTERM drains, a second one breaks off the jobs under way."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bkpc_grammar.address import host_and_port
from bkpc_grammar.quantities import size
from bkpc_runtime.agent import Agent
from bkpc_runtime.agents_here import noted
from bkpc_runtime.commands.event_stream import add_format
from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.status import asked, told_by_agents
from bkpc_runtime.commands.status_metrics import metrics
from bkpc_runtime.errors import RuntimeFailure, StepFailed
from bkpc_runtime.leaving import hurry
from bkpc_runtime.listening import listening
from bkpc_runtime.memory import give_back
from bkpc_runtime.open_files import allow_many
from bkpc_runtime.plan_watch import PlanWatch, check_environment
from bkpc_runtime.steps.log_outgoing import LEAST_SPOOL
from bkpc_runtime.steps.log_spool import LIMIT
from bkpc_runtime.work_folder import work_folder
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
EXAMPLE = "example: bkpc agent plan.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    add_format(parser)
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="a folder on local disk for log that waits for stores (default: BKPC_WORK, STATE_DIRECTORY, "
        "or bkpc-work beside the plan)",
    )
    parser.add_argument(
        "--listen",
        type=_address,
        metavar="HOST:PORT",
        help="answer there over HTTP: /metrics, as of status --format prometheus, and /healthz (default: nowhere)",
    )
    parser.add_argument(
        "--spool", type=_spool, default=LIMIT, metavar="SIZE", help="the most log that waits there (default: 4GiB)"
    )


def _spool(text: str) -> int:
    """`4GiB` in bytes."""
    found = re.fullmatch(r"(\d+)([KMGT]?i?B)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it as 4GiB")
    limit = size(int(found[1]), found[2]).bytes_up()
    if limit < LEAST_SPOOL:
        least = f"{LEAST_SPOOL >> 20}MiB"
        raise argparse.ArgumentTypeError(f"{text} is too little: no log is read without room for {least}")
    return limit


def _address(text: str) -> tuple[str, int]:
    """`127.0.0.1:9123`."""
    host, port = host_and_port(text)
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: write it as 127.0.0.1:9123")
    return host, int(port)


def _metrics(world: World, work: Path) -> Callable[[], str]:
    """Asks stores and servers; what is returned tells it, with what the agent says at that moment."""
    try:
        said = asked(world)
    except RuntimeFailure as problem:
        log.error("how backups are is not known: %s %s", problem, problem.help)
        unknown = "\n".join(metrics([], fine=False)) + "\n"
        return lambda: unknown
    return lambda: "\n".join(metrics(*told_by_agents(world, said, work))) + "\n"


def run(arguments: argparse.Namespace) -> int:
    arguments.anew = lambda: False
    code = _until_told(arguments)
    if not arguments.anew():  # asked now: whoever told it to stop while its last events were sent is heard
        return code
    try:  # the same process to whoever watches over it, and nothing of this plan is left in it
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - as it was begun
    except OSError as problem:
        complain(StepFailed(f"the agent can't begin anew by itself: {problem.strerror}", help="start it again"))
        return StepFailed.exit_code


@reported
def _until_told(arguments: argparse.Namespace) -> int:
    """Until told to stop, or until it must begin anew with the plan that is in its file: then `arguments.anew()`."""
    give_back()
    allow_many()
    world = world_of(arguments)
    stop, over, asked_to = threading.Event(), threading.Event(), list[int]()
    arguments.anew = lambda: over.is_set() and not asked_to

    def told(number: int, _: object) -> None:
        if asked_to:
            hurry()
            raise SystemExit(128 + number)
        asked_to.append(number)
        threading.Thread(target=stop.set).start()  # it takes a lock, which this very thread may hold

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    check_environment(world)
    say(f"agent: {len(world.plan.streams)} streams, {len(world.plan.jobs)} jobs")
    work = work_folder(arguments.work, world.folder, world.environ)
    agent = Agent(world, work, arguments.spool)
    with contextlib.ExitStack() as beside:
        note = beside.enter_context(noted(work, world.plan, arguments.plan))
        watch = PlanWatch(world, arguments.plan, note.say)
        threading.Thread(target=watch.run, args=(stop, over), name="plan", daemon=True).start()
        if arguments.listen:
            where = beside.enter_context(listening(arguments.listen, partial(_metrics, world, work), agent.ailing))
            say(f"agent: metrics at {where}/metrics")
        stored = agent.run(stop, over)
    if not stored:
        say("agent: stopped, but not all that was received is stored: it is asked for again at the next start")
        return 4
    say("agent: stopped, everything received is stored")
    return 0
