"""The server's two clocks: the wall clock that signatures are judged by, and the virtual one that storage ages by."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)


@dataclass(slots=True)
class Clock:
    """`skew` shifts what signatures are compared with; `advance` lets stored things age without waiting."""

    skew: timedelta = timedelta()
    aged: timedelta = timedelta()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wall(self) -> datetime:
        """What the server takes for the time of a request."""
        return datetime.now(UTC) + self.skew

    def now(self) -> datetime:
        """The virtual time that modification times, thaws, locks and lifecycle rules go by."""
        return datetime.now(UTC) + self.aged

    def advance(self, by: timedelta) -> tuple[datetime, ...]:
        """Moves the virtual time on; gives each midnight UTC (08:00 in Beijing) that it passed, oldest first."""
        with self.lock:
            start = self.now()
            self.aged += by
            end = self.now()
        first = start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        return tuple(first + number * DAY for number in range((end - first) // DAY + 1)) if end >= first else ()


def millis(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def moment(millis: int) -> datetime:
    """The inverse of `millis`."""
    return datetime.fromtimestamp(millis // 1000, UTC) + timedelta(milliseconds=millis % 1000)


def iso(millis: int) -> str:
    """As OSS writes times in XML: to the second, with `.000Z`."""
    return moment(millis).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(millis: int) -> str:
    """As HTTP headers have it."""
    return moment(millis).strftime("%a, %d %b %Y %H:%M:%S GMT")
