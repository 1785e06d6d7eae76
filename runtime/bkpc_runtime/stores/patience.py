"""How long and how often a failed request to a service is tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bkpc_runtime.leaving import waits


@dataclass(frozen=True, slots=True)
class Patience:
    """Full-jitter exponential backoff: `total` seconds are spent on failing and waiting since the last progress.

    A try counts for `total / tries` at most, however long it lasted: what moved bytes for a minute and lost its answer
    was no minute of silence. So there are `tries` at least, unless what the service asks to wait for is too long.
    `first` doubles with each failure up to `longest`; a service that is busy is given `busy` times as long. `connect`
    and `answer`: after how many seconds a connection is not made, or says nothing; `quick` where little was sent and
    little is to be done. `trickle`: after how many seconds in which next to nothing moves (`moving.py`).
    """

    total: float = 60.0
    first: float = 0.2
    longest: float = 10.0
    busy: float = 5.0
    connect: float = 15.0
    answer: float = 60.0
    quick: float = 15.0
    trickle: float = 30.0
    tries: int = 4
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
    waited: float = field(default=0.0)
    failing: float = field(default=0.0)

    def wait(self, at_least: float, stop: threading.Event | None, *, busy: bool = False) -> bool:
        """Pause before the next try; False when patience has run out, `stop` was set, or bkpc is told
        to stop.

        The jitter comes on top of what the service asks for: many that were told the same don't come back at once.
        """
        pause = self._pause(at_least, busy)
        if pause is None:
            return False
        goes_on = waits(pause, stop)
        self.since = self.patience.clock()
        return goes_on

    def _pause(self, at_least: float, busy: bool) -> float | None:
        patience = self.patience
        self.failures += 1
        self.failing += min(patience.clock() - self.since, patience.total / patience.tries)
        left = patience.total - self.waited
        step = patience.first * (patience.busy if busy else 1)
        jitter = patience.jitter(0, min(patience.longest, step * 2**self.failures))
        # What is asked for is kept to even where the jitter would be too much.
        pause = min(at_least + jitter, max(at_least, left)) if at_least else jitter
        spent = pause if self.failures < patience.tries else pause + self.failing
        if spent > left:
            return None
        self.waited += pause
        return pause
