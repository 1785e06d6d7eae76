"""How long and how often a failed request to a service is tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Patience:
    """Full-jitter exponential backoff: waits in seconds, `total` counted from the first try.

    `first` doubles with each failure up to `longest`; a service that is busy is given `busy` times as long. `connect`
    and `answer`: after how many seconds a connection is not made, or says nothing.
    """

    total: float = 60.0
    first: float = 0.2
    longest: float = 10.0
    busy: float = 5.0
    connect: float = 10.0
    answer: float = 60.0
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform

    def began(self) -> Trying:
        """Count from now."""
        return Trying(self, self.clock())


@dataclass(slots=True)
class Trying:
    """The tries of one request."""

    patience: Patience
    since: float
    failures: int = field(default=0)

    def wait(self, at_least: float, stop: threading.Event | None, *, busy: bool = False) -> bool:
        """Pause before the next try; False when there is no time for one, or `stop` was set.

        The jitter comes on top of what the service asks for: many that were told the same don't come back at once.
        """
        self.failures += 1
        step = self.patience.first * (self.patience.busy if busy else 1)
        pause = at_least + self.patience.jitter(0, min(self.patience.longest, step * 2**self.failures))
        if self.patience.clock() + pause - self.since > self.patience.total:
            return False
        if stop is None:
            time.sleep(pause)
            return True
        return not stop.wait(pause)
