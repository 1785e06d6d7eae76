"""Carries packed log segments into one store, in order, for as long as it takes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A packed object on its way.

    `arrived` (Unix seconds) is when its oldest byte came from the server, `committed` the timestamp of
    its last event. `segment` is None for the small objects beside the segments.
    """

    key: str
    body: bytes
    segment: Segment | None
    arrived: float
    committed: float


class Delivery:
    """One store's queue and the thread that empties it; a failing store is tried again until it works."""

    def __init__(self, store: Store, durable: Position | None) -> None:
        self.store = store
        self.durable = durable
        self.committed = 0.0
        self.failure = ""
        self._queue: deque[Parcel] = deque()
        self._lock = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"log to {store.name}", daemon=True)
        self._thread.start()

    def add(self, parcel: Parcel) -> None:
        """Queues a parcel."""
        with self._lock:
            self._queue.append(parcel)
            self._lock.notify_all()

    def waiting(self) -> tuple[int, float | None]:
        """Bytes not durable yet, and when the oldest of them arrived."""
        with self._lock:
            return sum(len(one.body) for one in self._queue), self._queue[0].arrived if self._queue else None

    def end(self, patience: float) -> bool:
        """Delivers what is queued for up to `patience` seconds; whether all of it arrived."""
        with self._lock:
            self._ending = True
            self._lock.notify_all()
            self._lock.wait_for(lambda: not self._queue, patience)
            arrived = not self._queue
            self._queue.clear()
            self._lock.notify_all()
        self._thread.join(1)
        return arrived

    def _run(self) -> None:
        pause = 0.5
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._ending)
                if not self._queue:
                    return
                parcel = self._queue[0]
            try:
                self.store.put(parcel.key, parcel.body)
            except Exception as failure:  # a thread that died would lose the log in silence
                if not isinstance(failure, RuntimeFailure):
                    log.exception("putting %s", parcel.key)
                self._report(str(failure))
                with self._lock:
                    self._lock.wait_for(lambda: self._ending, pause)
                    if self._ending:
                        time.sleep(min(pause, 0.2))
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = 0.5
            self._report("")
            self._arrived(parcel)

    def _report(self, failure: str) -> None:
        if failure != self.failure:
            self.failure = failure
            log.warning("log does not reach %s: %s", self.store.name, failure) if failure else log.info(
                "log reaches %s again", self.store.name
            )

    def _arrived(self, parcel: Parcel) -> None:
        with self._lock:
            if parcel.segment:
                self.durable = Position(parcel.segment.file, parcel.segment.end)
                self.committed = parcel.committed
            if self._queue and self._queue[0] is parcel:
                self._queue.popleft()
            self._lock.notify_all()
