"""Keeping bytes to a rate: per connection (`x-oss-traffic-limit`) and per account and region."""

from __future__ import annotations

import threading
import time

_BURST = 0.05


class Pace:
    """A rate in bytes per second, 0 for unlimited, shared by whoever calls `take`."""

    def __init__(self, rate: int = 0) -> None:
        self.rate = rate
        self._free = 0.0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Waits until so many bytes may have passed."""
        if not self.rate:
            return
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now - _BURST) + size / self.rate
            wait = self._free - now
        if wait > 0:
            time.sleep(wait)


class Turnstile:
    """Requests per second: `wait` tells how long to stay away, 0 to come in."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._lock = threading.Lock()

    def wait(self, most: int) -> float:
        """Seconds until there is room again within the running second; counts the request when there is."""
        with self._lock:
            now = time.monotonic()
            self._times = [at for at in self._times if at > now - 1]
            if len(self._times) < most:
                self._times.append(now)
                return 0.0
            return self._times[0] + 1 - now
