"""Carries packed log into one store, in order, for as long as it takes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from bkpc_runtime.errors import RuntimeFailure, StoreLocked
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.steps.log_held import Readable, pieces_of
from bkpc_runtime.steps.log_noting import Noting
from bkpc_runtime.steps.log_parcels import Gap, Parcel, same_gap
from bkpc_runtime.steps.log_start import Start
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_LONGEST_PAUSE = 5.0
_AT_ONCE = 1 << 20
"""What is no larger is read at once for a store."""


class Delivery:
    """One store's queue and the thread that empties it; a failing store is tried again until it works.

    `durable` is how far the store's log reaches without a gap; `told` is called whenever that moves.
    """

    def __init__(self, store: Store, prefix: str, start: Start, told: Callable[[], None]) -> None:
        self.store, self.prefix = store, prefix
        self.epoch = start.epoch
        self.durable = start.position
        self.durable_commit = 0.0
        self.failure = ""
        self.failing_since: float | None = None
        self.told = told
        self.noting = Noting(store, prefix)
        self._gaps: list[Gap] = []
        self._queued = start.position
        self._queue: deque[Parcel] = deque()
        self._lock = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"log to {store.name}", daemon=True)
        self._thread.start()

    @property
    def held(self) -> Position | None:
        """`durable`, in the log that is streamed now; None while it has still to be told of a gap: the positions of the
        log before it are others."""
        with self._lock:
            return None if self._gaps else self.durable

    def expect(self, gap: Gap) -> None:
        """All that is streamed from now on comes after it."""
        with self._lock:
            self._gaps.append(gap)

    def add(self, parcel: Parcel) -> None:
        """Queues a parcel that `expect`ed this store; one that the store has already is let pass."""
        with self._lock:
            if self._ending or not parcel.new_to(self._queued):
                parcel.taken()
                return
            if isinstance(parcel.content, Known):
                self._queue_known(parcel)
            else:
                self._queued = parcel.end
                self._queue.append(parcel)
            self._lock.notify_all()

    def _queue_known(self, parcel: Parcel) -> None:
        """In the place of the one before it, where nothing came between: of a store that is away one is enough."""
        if self._queue and isinstance(self._queue[-1].content, Known):
            self._queue.pop().taken()
        self._queue.append(parcel)

    def waiting(self) -> tuple[int, float | None]:
        """Bytes not durable yet, and when the oldest of them arrived."""
        with self._lock:
            log_ = [one for one in self._queue if not isinstance(one.content, Known)]
            return sum(one.size for one in log_), log_[0].arrived if log_ else None

    def end(self, patience: float, *, keep: bool = False) -> bool:
        """Delivers what is queued for up to `patience` seconds; whether all of it arrived. `keep`: what did not stays
        on local disk."""
        with self._lock:
            self._ending = True
            self._lock.notify_all()
            self._lock.wait_for(lambda: not self._queue, patience)
            arrived = not self._queue
            left = [*self._queue]
            self._queue.clear()
            self._lock.notify_all()
        for parcel in left:
            if keep:
                parcel.close()
            else:
                parcel.taken()
        self.noting.end()
        self._thread.join(1)
        return arrived

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._ending)
                if not self._queue:
                    return
                parcel = self._queue[0]
                if isinstance(parcel.content, Known):
                    self._queue.popleft()
                    self.noting.note(self.epoch, parcel.content)
                    self._lock.notify_all()
            if isinstance(parcel.content, Known):
                parcel.taken()
                continue
            epoch = self.epoch + isinstance(parcel.content, Gap)
            for key, body in parcel.objects(self.prefix, epoch):
                if not self._put(key, body):
                    return
            self._arrived(parcel, epoch)

    def _put(self, key: str, body: Readable) -> bool:
        """False only when nobody waits for it any more."""
        pause = 0.5
        while True:
            try:
                put(self.store, key, body)
            except Exception as failure:  # a thread that died would lose the log in silence
                if self._ending and not self._queue:
                    return False
                if isinstance(failure, StoreLocked) and self._says_the_same(key, body):
                    self._report("")
                    return True
                if not isinstance(failure, RuntimeFailure):
                    log.exception("putting %s", key)
                self._report(str(failure) or repr(failure))
            else:
                self._report("")
                return True
            with self._lock:
                self._lock.wait_for(lambda: self._ending, pause)
                ending = self._ending
                if ending and not self._queue:
                    return False
            if ending:
                time.sleep(min(pause, 0.2))
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _says_the_same(self, key: str, body: Readable) -> bool:
        """Whether another agent of this log has told of the same gap before, where nothing can be replaced."""
        try:
            return body.size <= _AT_ONCE and same_gap(self.store.get(key), b"".join(pieces_of(body)))
        except RuntimeFailure:
            return False

    def _report(self, failure: str) -> None:
        if failure == self.failure:
            return
        self.failure = failure
        if failure:
            self.failing_since = self.failing_since or time.time()
            log.warning("log does not reach %s: %s", self.store.name, failure)
        else:
            self.failing_since = None
            log.info("log reaches %s again", self.store.name)

    def _arrived(self, parcel: Parcel, epoch: int) -> None:
        with self._lock:
            if not self._queue or self._queue[0] is not parcel:  # the end came first
                return
            self._queue.popleft()
            self.epoch = epoch
            self.durable = parcel.end
            if isinstance(parcel.content, Segment):
                self.durable_commit = parcel.committed
            if parcel.content in self._gaps:
                self._gaps.remove(parcel.content)
            self._lock.notify_all()
        parcel.taken()
        self.told()


def put(store: Store, key: str, body: Readable) -> None:
    """One object; a large one is never whole in memory for it."""
    if body.size <= _AT_ONCE:
        store.put(key, b"".join(pieces_of(body)))
        return
    with store.writer(key, body.size) as writer:
        for piece in pieces_of(body):
            writer.write(piece)
        writer.commit()
