"""How much log all streams of a process have in memory together: an agent's memory does not grow with their number.

Nobody reads on while there is no room, but for the one of those that wait which has most: it comes to the end of its
object, and so to room for the next. What nobody reads yet is in the servers' binlogs. Objects do not get smaller for
it, whose number a recovery's time is proved by.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from bkpc_grammar.log_objects import OBJECT

_ROOM = 48 << 20
_SMALL = 256 << 10
"""Bytes that are not worth a turn."""
_STALLED = 1.0
"""Seconds after which one that does not come further lets the next go before it."""
_PUT_AT_ONCE = 4
"""Large objects that are on their way into one store at once."""


class Wakes(Protocol):
    """Who reads, and is woken when there may be room."""

    def set(self) -> None: ...


class LogRoom:
    """`reads` is asked before each read; `take` and `leave` count what was read and has yet to leave memory."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._read: dict[Wakes, int] = {}
        self._waiting: dict[Wakes, int] = {}
        self._first: tuple[Wakes, int, float] | None = None
        """Who reads on without room, how much it holds, and since when."""
        self._under_way = 0

    def reads(self, who: Wakes, size: int) -> bool:
        """Whether who holds `size` bytes in pieces may read on; else it is woken when something has left."""
        with self._lock:
            self._read[who] = size
            self._waiting.pop(who, None)
            if size < _SMALL or self._under_way + sum(self._read.values()) < self._room:
                if self._first and self._first[0] is who:
                    self._first = None
                return True
            self._waiting[who] = size
            return self._is_first(who, size) and self._under_way <= self._room - OBJECT

    def _is_first(self, who: Wakes, size: int) -> bool:
        now = time.monotonic()
        if self._first and self._first[0] is not who and now - self._first[2] < _STALLED:
            return False
        if self._first is None or self._first[0] is not who:
            if size < max(self._waiting.values()):
                return False
            self._first = None
        if self._first is None or self._first[1] != size:
            self._first = who, size, now
        return True

    def ends(self, who: Wakes) -> None:
        """It reads no more."""
        with self._lock:
            self._read.pop(who, None)
            self._waiting.pop(who, None)
            if self._first and self._first[0] is who:
                self._first = None
        self._wake()

    def take(self, size: int) -> None:
        """An object of so many bytes is on its way."""
        with self._lock:
            self._under_way += size

    def leave(self, size: int) -> None:
        """So many bytes of one are no longer in memory."""
        with self._lock:
            self._under_way -= size
        self._wake()

    @property
    def under_way(self) -> int:
        """Bytes that were taken and have not left."""
        with self._lock:
            return self._under_way

    def _wake(self) -> None:
        with self._lock:
            waiting = [*self._waiting]
        for one in waiting:
            one.set()


ROOM = LogRoom()
"""That of this process."""
_stores: dict[str, threading.BoundedSemaphore] = {}
_stores_lock = threading.Lock()


@contextmanager
def turn_to_put(store: str, size: int) -> Iterator[None]:
    """Waits until an object of so many bytes may be got into memory, to be put into a store. One that does not answer
    holds up no other."""
    if size < _SMALL:
        yield
        return
    with _stores_lock:
        turns = _stores.setdefault(store, threading.BoundedSemaphore(_PUT_AT_ONCE))
    with turns:
        yield
