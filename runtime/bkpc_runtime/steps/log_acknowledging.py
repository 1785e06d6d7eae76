"""When commits that wait for us may return: `hot sync`.

A commit may return when a quorum of stores has its log. Without a quorum they wait (`hold`), or for so long and then
no more (`degrade`), until the stores keep up again: both are told at once, and loudly.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import order
from bkpc_runtime.steps.log_delivery import Delivery

log = logging.getLogger(__name__)
_SHORTEST_DEGRADED = 5.0


@dataclass(frozen=True, slots=True)
class SyncWish:
    """What the policy says: `quorum` stores, and after so many seconds without them no more; None: wait for ever."""

    quorum: int
    patience: float | None


class Acknowledging:
    """What commits of one stream wait for. `degraded_since` (Unix seconds) is None while they wait for stores."""

    def __init__(self, wish: SyncWish, name: str) -> None:
        self.wish, self._name = wish, name
        self.degraded_since: float | None = None
        self._turned = 0.0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Position, float]] = deque()

    def expect(self, position: Position) -> None:
        """Commits up to `position` wait."""
        with self._lock:
            self._waiting.append((position, time.monotonic()))

    def forget(self) -> None:
        """The connection is gone: the server will ask again."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> float:
        """How long the oldest commit has waited, in seconds; 0 while none does."""
        with self._lock:
            return time.monotonic() - self._waiting[0][1] if self._waiting else 0.0

    def under_way(self, position: Position) -> bool:
        """Whether commits wait for log before `position`, which is on its way to the stores."""
        with self._lock:
            return bool(self._waiting) and order(self._waiting[0][0]) <= order(position)

    def may_return(self, deliveries: list[Delivery]) -> Position | None:
        """The newest position up to which commits may return now, if any that was expected."""
        self._consider(deliveries)
        durable = held_by(deliveries, self.wish.quorum)
        found: Position | None = None
        with self._lock:
            while self._waiting and (self.degraded_since or (durable and order(self._waiting[0][0]) <= order(durable))):
                found = self._waiting.popleft()[0]
        return found

    def _consider(self, deliveries: list[Delivery]) -> None:
        patience = self.wish.patience
        if patience is None:
            return
        if not self.degraded_since:
            if self.waiting() >= patience:
                self.degrade(deliveries)
        elif time.monotonic() - self._turned > max(patience, _SHORTEST_DEGRADED):
            able = [one for one in deliveries if not one.failure and _age(one) < patience / 2]
            if len(able) >= self.wish.quorum:
                log.warning("%s: commits wait for %d stores again", self._name, self.wish.quorum)
                self.degraded_since = None

    def degrade(self, deliveries: list[Delivery]) -> None:
        """Commits wait no more, until a quorum of stores keeps up again."""
        self.degraded_since, self._turned = time.time(), time.monotonic()
        failing = "; ".join(f"{one.store.name}: {one.failure}" for one in deliveries if one.failure)
        log.error(
            "%s: ALARM: DEGRADED, commits return WITHOUT being stored: %d stores were not reached within %.1f s (%s)",
            self._name, self.wish.quorum, self.wish.patience or 0.0, failing or "too slow or not there",
        )  # fmt: skip


def held_by(deliveries: list[Delivery], quorum: int) -> Position | None:
    """Up to where at least `quorum` stores have everything."""
    held = sorted((held for one in deliveries if (held := one.held)), key=order, reverse=True)
    return held[quorum - 1] if len(held) >= quorum else None


def _age(delivery: Delivery) -> float:
    since = delivery.waiting()[1]
    return time.time() - since if since else 0.0
