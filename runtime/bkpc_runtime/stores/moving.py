"""Whether enough moves on a connection: slowness is no failure, what is as good as dead is."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

LEAST = 1024
"""Bytes per second of a link that lives: OSS limits no connection below 100 KB/s, but many may share a slow link."""
_SHARE = 8
"""So many times less than the others on the same link get at the mean, a connection is as good as dead."""


class Trickling(OSError):
    """A connection on which next to nothing moves."""


class Link:
    """What all connections to a place move together, one way; safe to share between threads."""

    def __init__(self, way: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.way, self.clock = way, clock
        self.total = 0
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Moving] = weakref.WeakSet()

    def moved(self, connection: Moving, size: int) -> None:
        with self._lock:
            self.total += size
            self._connections.add(connection)

    def busy(self, within: float) -> int:
        """On how many connections something moved in so many seconds."""
        with self._lock:
            return sum(self.clock() - one.last < within for one in self._connections)


class Moving:
    """Raises `Trickling` when less than `LEAST` came to pass in the last `within` seconds of waiting, unless that is
    its share of what the link moves at all.

    What came fast before makes up for no more than that: a connection that stops in its tracks is noticed as soon as
    one that never got going.
    """

    def __init__(self, within: float, link: Link) -> None:
        self._within, self._link = within, link
        self._begin()

    def _begin(self) -> None:
        self._left, self._own = self._within, 0
        self.last = self._began = self._link.clock()
        self._before = self._link.total

    def moved(self, size: int, waited: float) -> None:
        """So many bytes, after so many seconds."""
        self._link.moved(self, size)
        self._own += size
        if size:
            self.last = self._link.clock()
        self._left += size / LEAST - waited
        if self._left >= self._within:  # fast enough until here
            self._begin()
        if self._left > 0:
            return
        if not self._shares():
            raise Trickling(
                f"too slow: in {self._within:.0f} s of waiting fewer than {LEAST:,} bytes a second {self._link.way}"
            )
        self._begin()

    def _shares(self) -> bool:
        """Whether the link lives, and this connection has its part of it."""
        all_of_them, passed = self._link.total - self._before, self._link.clock() - self._began
        fair = all_of_them / max(1, self._link.busy(self._within))
        return all_of_them >= LEAST * passed and self._own * _SHARE >= fair


def trickled(problem: BaseException | None) -> Trickling | None:
    """The `Trickling` that a library has wrapped into its own."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        if isinstance(problem, Trickling):
            return problem
        problem = wrapped(problem) or problem.__cause__ or problem.__context__
    return None


def wrapped(problem: BaseException) -> BaseException | None:
    """What an exception of requests or urllib3 was made of."""
    reason = getattr(problem, "reason", None)
    if isinstance(reason, BaseException):
        return reason
    return next((one for one in getattr(problem, "args", ()) if isinstance(one, BaseException)), None)
