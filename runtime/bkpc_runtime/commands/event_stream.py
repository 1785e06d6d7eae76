"""`--format json`: what happens as JSON, an object a line, on stdout; `docs/events.md`."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TextIO

from bkpc_runtime import events
from bkpc_runtime.secret import Secret

_MEANINGS = {
    0: "fine",
    1: "not as promised",
    2: "usage",
    3: "weaker or drift",
    4: "a step failed; run it again",
    5: "refused for safety",
}
_SIGNALS = 128
VARIABLE = "BKPC_WEBHOOK"
"""Names the URL that events are sent to."""


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        dest="told_as",
        choices=["text", "json"],
        default="text",
        help="json: on stdout nothing but events, a JSON object a line; text for people stays on stderr",
    )


@dataclass(slots=True)
class Ending:
    """The exit code, once it is known."""

    exit_code: int | None = None


@contextlib.contextmanager
def told_as_asked(arguments: argparse.Namespace, command: str) -> Iterator[Ending]:
    """Where events are asked for, they have stdout for themselves while the block runs, and what is printed for people
    goes to stderr. Where a webhook is named, they are sent there."""
    ending, began = Ending(), time.monotonic()
    told_as, url = getattr(arguments, "told_as", None), os.environ.get(VARIABLE)
    with contextlib.ExitStack() as stack:
        if told_as == "json":
            stack.enter_context(events.listening(_Lines(sys.stdout).write))
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        if told_as and url:
            _send(Secret(url), stack)
        events.tell(events.Hello(command=command, plan=str(arguments.plan)))
        try:
            yield ending
        except SystemExit as stop:
            ending.exit_code = stop.code if isinstance(stop.code, int) else 1
            raise
        except KeyboardInterrupt:
            ending.exit_code = _SIGNALS + 2
            raise
        finally:
            if ending.exit_code is not None:
                code = ending.exit_code
                meaning = _MEANINGS.get(code, "stopped by a signal" if code > _SIGNALS else "")
                seconds = round(time.monotonic() - began, 3)
                events.tell(events.Result(exit_code=code, meaning=meaning, seconds=seconds))


def _send(url: Secret, stack: contextlib.ExitStack) -> None:
    """Sends events until `stack` is closed. A URL that can't be used keeps no backup from being taken."""
    from bkpc_runtime.webhook import NoWebhook, sending

    try:
        stack.enter_context(sending(url))
    except NoWebhook as problem:
        sys.stderr.write(f"warning: no events are sent, {VARIABLE} can't be used: {problem}\n")


class _Lines:
    """Events as lines. A reader that has gone keeps no backup from being taken."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._gone = False

    def write(self, event: events.Event) -> None:
        if self._gone:
            return
        try:
            self._out.write(json.dumps(events.as_fields(event)) + "\n")  # ASCII: nothing in it that a terminal obeys
            self._out.flush()
        except OSError as problem:
            self._gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())  # or Python complains again at exit
            sys.stderr.write(f"warning: events can't be written any more, all else goes on: {problem.strerror}\n")


class _Warned(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        severity: Literal["warning", "error"] = "error" if record.levelno >= logging.ERROR else "warning"
        events.tell(events.Warning(severity=severity, text=record.getMessage()))


@contextlib.contextmanager
def log_told() -> Iterator[None]:
    """What the log warns of is told while the block runs; `basicConfig` comes before, or it does nothing."""
    handler = _Warned(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
