"""How every command of the runtime begins and ends: logging, one message for a failure, its exit code."""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bkpc_runtime import events
from bkpc_runtime.commands.event_stream import log_told, told_as_asked
from bkpc_runtime.commands.progress_shown import progress_shown
from bkpc_runtime.commands.readable import readable
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.leaving import listen
from bkpc_runtime.secret import Secret
from bkpc_runtime.transfer.identity import identities_here
from bkpc_runtime.transfer.memory import settle
from bkpc_runtime.world import World, open_world


def reported(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Turns a `RuntimeFailure` into its message on stderr and its exit code."""
    command = run.__module__.rpartition(".")[2]

    @functools.wraps(run)
    def running(arguments: argparse.Namespace) -> int:
        # Other processes of an agent or a scope write to the same terminal: lines alone can't be torn apart.
        beside = command == "agent" or getattr(arguments, "scope", None)
        shown = contextlib.nullcontext() if beside else progress_shown()
        with told_as_asked(arguments, command) as ending, shown, readable():
            ending.exit_code = begun(arguments)
            return ending.exit_code

    def begun(arguments: argparse.Namespace) -> int:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
        settle()
        # One that is ignored (`nohup`, a job in the background of a shell) stays so.
        interrupted = [signal.SIGINT] if signal.getsignal(signal.SIGINT) is signal.default_int_handler else []
        listen(signal.SIGTERM, signal.SIGHUP, *interrupted)
        before, sys.unraisablehook = sys.unraisablehook, _ignored
        try:
            with log_told():
                return run(arguments)
        except RuntimeFailure as problem:
            complain(problem)
            return problem.exit_code
        finally:
            sys.unraisablehook = before

    return running


def _ignored(what: sys.UnraisableHookArgs) -> None:
    """A signal may come while Python runs code whose errors it ignores, as when it forgets an object: again, soon."""
    leaving = what.exc_value
    if not isinstance(leaving, SystemExit | KeyboardInterrupt):
        sys.__unraisablehook__(what)
        return

    def again(*_: object) -> None:
        raise leaving

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def complain(problem: RuntimeFailure) -> None:
    """One message, and the way out below it."""
    _write(f"error: {problem}")
    if problem.help:
        _write(f"  help: {problem.help}")
    events.tell(events.Problem(text=str(problem), help=problem.help, exit_code=problem.exit_code))


def say(text: str) -> None:
    """Progress and messages: stderr, at once."""
    _write(text)
    events.tell(events.Said(text=text))


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")  # one write: jobs run side by side
    sys.stderr.flush()


def add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a plan written by `bkpc compile`")


def world_of(arguments: argparse.Namespace) -> World:
    return open_world(arguments.plan)


def add_identity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="the age identity that opens encrypted backups (default: the file that BKPC_AGE_IDENTITY names)",
    )


def identities_of(arguments: argparse.Namespace) -> tuple[Secret, ...]:
    """The keys that open backups: from `--identity`, else the file that BKPC_AGE_IDENTITY names, else none."""
    return identities_here(os.environ, arguments.identity)
