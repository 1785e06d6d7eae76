"""Told to stop: nothing is asked of a network any more, but for a moment in which what was begun is cleaned up.

Whoever runs bkpc kills it some seconds after it was told (Docker after 10): no silent network is waited for until then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

CLEANING = 4.0
"""Seconds for requests that clean up."""
ONE = 2.0
"""Seconds for one of them."""
_POLL = 0.2


class _Told:
    """When this process was told so, and what wakes the thread that cuts short: a handler may take no lock, which the
    thread that it interrupts may hold."""

    since: float | None = None
    wakes: int = -1
    process: int = 0


_told = _Told()
_cuts: list[Callable[[], None]] = []


def is_told() -> bool:
    return _told.since is not None


def is_over() -> bool:
    """Whether the moment to clean up has passed as well."""
    return _told.since is not None and time.monotonic() - _told.since > CLEANING


def cut_short(what: Callable[[], None]) -> None:
    """Has `what` called, in a thread of its own, as soon as bkpc is told to stop, and again when the moment to clean up
    has passed: it ends what others wait for."""
    _cuts.append(what)


def listen(*numbers: int) -> None:
    """Has these signals end the process by `leave`, which has not been told anything yet."""
    _told.since = None
    if _told.process != os.getpid():  # a child has none of its parent's threads
        woken, _told.wakes = os.pipe()
        _told.process = os.getpid()
        threading.Thread(target=_cut, args=(woken,), name="leaving", daemon=True).start()
    for number in numbers:
        signal.signal(number, leave)


def leave(number: int, _: object = None) -> NoReturn:
    """Handles a signal: by the way that cleans up files with passwords, and unfinished objects."""
    hurry()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def hurry() -> None:
    """From now on no silent network is waited for."""
    if _told.since is None:
        _told.since = time.monotonic()
        os.write(_told.wakes, b".")


def _cut(woken: int) -> None:
    while os.read(woken, 1):
        for pause in (0.0, CLEANING):
            time.sleep(pause)
            for what in _cuts:
                what()


def waits(seconds: float, stop: threading.Event | None) -> bool:
    """Whether nobody set `stop`, nor told bkpc to leave, in so many seconds."""
    stop, left = stop or threading.Event(), seconds
    while not is_told():
        step = min(left, _POLL)
        if stop.wait(step):
            return False
        left -= step
        if left <= 0:
            return True
    return False
