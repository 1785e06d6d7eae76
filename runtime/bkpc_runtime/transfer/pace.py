"""A throttle whose rate may change while it is waited for: what a recovery beside others may use."""

from __future__ import annotations

import threading
import time

_LEAST = 1
"""Bytes per second: what has no rate waits, and hears of one at once."""


class Pace:
    """At most `rate` bytes a second, None: as fast as it goes; one may serve many threads."""

    def __init__(self, rate: int | None) -> None:
        self._news = threading.Condition()
        self._rate = rate
        self._owed = 0.0
        self._at = time.monotonic()

    def set(self, rate: int | None) -> None:
        """From now on, also for those that wait."""
        with self._news:
            self._pay()
            self._rate = rate
            self._news.notify_all()

    def take(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        with self._news:
            self._pay()
            self._owed += size
            mine = self._owed  # who came before is paid for first
            while self._rate is not None and mine > 0:
                before = self._owed
                self._news.wait(min(1.0, mine / max(self._rate, _LEAST)))
                self._pay()
                mine -= before - self._owed

    def _pay(self) -> None:
        """What may have passed since is no longer owed. What was not used in time is lost, but for a second."""
        now = time.monotonic()
        if self._rate is None:
            self._owed = 0.0
        else:
            rate = max(self._rate, _LEAST)
            self._owed = max(-float(rate), self._owed - (now - self._at) * rate)
        self._at = now
