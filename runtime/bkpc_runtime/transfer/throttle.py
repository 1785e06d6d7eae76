"""A token bucket: at most so many bytes a second, shared by the threads of one job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """`rate` in bytes per second, averaged over a second; one bucket may serve many threads."""

    def __init__(
        self,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - 1) + size / self._rate
            pause = self._free_at - now
        if pause > 0:
            self._sleep(pause)
