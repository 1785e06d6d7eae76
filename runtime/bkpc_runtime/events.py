"""What happens, told while it happens to whoever listens, as values: `docs/events.md` has their fields.

As with logging, who tells does not know who listens; a command decides that (`commands/event_stream.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.repository.drills import Drill

VERSION = 1
"""Grows when a field or an event goes away or changes its meaning; new ones may come without that."""
_BETWEEN = 1.0
"""Seconds between two words about how many bytes of a step have moved."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """One thing that happened at `time`, ISO 8601 in UTC."""

    time: str = msgspec.field(default_factory=_now)


class Hello(Event, frozen=True, kw_only=True):
    format: Literal["bkpc-events"] = "bkpc-events"
    version: int = VERSION
    command: str
    plan: str


class Begun(Event, frozen=True, kw_only=True):
    step: str
    kind: str
    database: str


class Progress(Event, frozen=True, kw_only=True):
    """`done` of `of` (null: not known), in `unit`; `what` is in hand, where it has a name."""

    step: str
    done: int
    of: int | None
    unit: Literal["bytes", "parts"]
    what: str


class Ended(Event, frozen=True, kw_only=True):
    """`exit_code`: what a command would end with for this step alone; null where it was broken off by force."""

    step: str
    kind: str
    database: str
    outcome: Literal["done", "failed", "broken off"]
    seconds: float
    text: str
    help: str
    exit_code: int | None


class Warning(Event, frozen=True, kw_only=True):  # noqa: A001 - only ever seen as `events.Warning`
    """What the log says at this severity."""

    severity: Literal["warning", "error"]
    text: str


class Hold(Event, frozen=True, kw_only=True):
    database: str
    image: str
    reasons: tuple[str, ...]


class Restored(Event, frozen=True, kw_only=True):
    """`tables`: only these, as they are called now; empty: all."""

    database: str
    point: str
    into: str
    tables: tuple[str, ...]


class Drilled(Event, frozen=True, kw_only=True):
    """`drill` as it is kept in the store."""

    passed: bool
    drill: Drill


class Problem(Event, frozen=True, kw_only=True):
    text: str
    help: str
    exit_code: int


class Said(Event, frozen=True, kw_only=True):
    """A line for people."""

    text: str


class Result(Event, frozen=True, kw_only=True):
    exit_code: int
    meaning: str
    seconds: float


Listener = Callable[[Event], None]
_listeners: list[Listener] = []
_lock = threading.RLock()


def tell(event: Event) -> None:
    """To all who listen, one event after the other."""
    with _lock:
        for listener in tuple(_listeners):
            listener(event)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """`listener` is called with what is told while the block runs. It raises nothing, and does not log:
    the log tells, and whoever waits for the one would hold the other."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


class Step:
    """A step under way; `text` is what is said of it once it is over. It has failed where its `exit_code` is set."""

    def __init__(self, id_: str) -> None:
        self.text, self.exit_code = "", 0
        self._id = id_
        self._bytes: tuple[int, int | None] = (0, None)
        self._told, self._told_at = 0, time.monotonic()

    def moved(self, done: int, of: int | None = None) -> None:
        """So many bytes so far: told now and then."""
        self._bytes = done, of
        if time.monotonic() - self._told_at >= _BETWEEN:
            self.tell_moved()

    def tell_moved(self) -> None:
        done, of = self._bytes
        if done != self._told:
            self._told, self._told_at = done, time.monotonic()
            tell(Progress(step=self._id, done=done, of=of, unit="bytes", what=""))

    def part(self, number: int, of: int, what: str) -> None:
        """Part `number` of `of` begins."""
        tell(Progress(step=self._id, done=number - 1, of=of, unit="parts", what=what))


@contextmanager
def step(id_: str, kind: str, database: str) -> Iterator[Step]:
    """The block is a step: that it begins is told, and how it ends."""
    tell(Begun(step=id_, kind=kind, database=database))
    began, running = time.monotonic(), Step(id_)

    def ended(outcome: Literal["done", "failed", "broken off"], text: str, help_: str, code: int | None) -> None:
        running.tell_moved()
        seconds = round(time.monotonic() - began, 3)
        tell(Ended(step=id_, kind=kind, database=database, outcome=outcome, seconds=seconds, text=text, help=help_,
                   exit_code=code))  # fmt: skip

    try:
        yield running
    except RuntimeFailure as problem:
        ended("failed", str(problem), problem.help, problem.exit_code)
        raise
    except Exception as fault:
        ended("failed", f"a fault of bkpc: {type(fault).__name__}", "the log has its traceback", None)
        raise
    except BaseException:
        ended("broken off", "", "", None)
        raise
    ended("failed" if running.exit_code else "done", running.text, "", running.exit_code)


def as_fields(event: Event) -> dict[str, Any]:
    """For JSON."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return found
