"""Keeping bytes to a rate: per connection (`x-oss-traffic-limit`) and per account and region."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence

_BURST = 0.05
_BESIDE = 7  # so many sequences may be written side by side


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


class Sequences:
    """New names that come right after one that came just before: in ranges of names, all meet one server.

    OSS tells no more of its ranges than that names that begin with a time are slow; so here such names are counted.
    """

    def __init__(self) -> None:
        self._latest: dict[str, list[bytes]] = {}
        self._turnstiles: dict[str, Turnstile] = {}
        self._lock = threading.Lock()

    def wait(self, bucket: str, names: Sequence[bytes], key: str, most: int) -> float:
        """Seconds until `key`, beside the sorted names that are there, may come; 0 where it may, or follows none."""
        name = key.encode()
        with self._lock:
            latest = self._latest.setdefault(bucket, [])
            at = bisect_left(names, name)
            if at < len(names) and names[at] == name:
                return 0.0
            follows = at > 0 and names[at - 1] in latest
            waited = self._turnstiles.setdefault(bucket, Turnstile()).wait(most) if follows else 0.0
            if not waited:
                latest[:] = [*latest[-_BESIDE:], name]
            return waited
