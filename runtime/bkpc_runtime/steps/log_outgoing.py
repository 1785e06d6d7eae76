"""From what was cut to the stores: packed once, kept on local disk, handed to every store's delivery."""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.steps import log_cutting
from bkpc_runtime.steps.log_cutting import Cut
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_parcels import FileEnd, Gap, Parcel
from bkpc_runtime.steps.log_spool import Spool

log = logging.getLogger(__name__)
_PACKED_AT_ONCE = 256 << 10
"""What is no larger is packed where it was cut: a thread would take longer to begin."""
_QUEUED = 2
LEAST_SPOOL = log_cutting.SEGMENT_BYTES * (_QUEUED + 1)
"""Room that there must be before more is read."""
_PROMPT = 0.05
"""Seconds in which stores may take log before it is written to local disk as well."""

_POOL = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "packing")
"""Of all streams of a process: each that packs has three times an object in memory."""


class Outgoing:
    """Order is kept; `told` is called when something has moved. `acknowledged`: all before is safe on some disk."""

    def __init__(
        self,
        pack: Callable[[bytes], bytes],
        spool: Spool,
        deliveries: list[Delivery],
        told: Callable[[], None],
        position: Position,
        *,
        encrypted: bool,
    ) -> None:
        self._pack, self._encrypted = pack, encrypted
        self.spool, self.deliveries, self._told = spool, deliveries, told
        self.acknowledged = position
        self.failure = ""
        self.broken: Exception | None = None
        """What ended this for good: what was taken must be asked for again."""
        self._closing = self._keeps = False
        self._lock = threading.Lock()
        self._queue: queue.Queue[Parcel | Future[Parcel] | None] = queue.Queue()
        self._oldest: list[float] = []
        self._thread = threading.Thread(target=self._run, name="log to spool", daemon=True)
        self._thread.start()

    def paused(self) -> bool:
        """Whether no more may be taken for the moment, since packing is behind."""
        return self._queue.qsize() >= _QUEUED

    def full(self) -> str:
        """Why nothing more should be read until stores have taken some; empty while there is room."""
        return self.failure or self.spool.full(log_cutting.SEGMENT_BYTES * (_QUEUED + 1))

    def oldest(self) -> float | None:
        """When the oldest that no delivery has yet been given arrived."""
        with self._lock:
            return next((at for at in self._oldest if at < inf), None)

    def take(self, item: Cut | FileEnd | Gap | Known) -> None:
        with self._lock:
            arrived = inf if isinstance(item, Known) else time.time()  # with a note nothing would be lost
            self._oldest.append(item.arrived if isinstance(item, Cut) else arrived)
            if isinstance(item, Gap):
                for one in self.deliveries:
                    one.expect(item)
        if not isinstance(item, Cut):
            self._queue.put(Parcel(item, arrived=time.time()))
        elif len(item.body) <= _PACKED_AT_ONCE:
            self._queue.put(self._packed(item))
        else:
            self._queue.put(_POOL.submit(self._packed, item))

    def adopt(self, delivery: Delivery) -> None:
        """One more store from now on."""
        with self._lock:
            self.deliveries.append(delivery)
        delivery.told = self._told

    def release(self, delivery: Delivery) -> None:
        """This store gets nothing more from here."""
        with self._lock:
            self.deliveries.remove(delivery)

    def settle(self) -> None:
        """Until the deliveries have been given all that was taken."""
        self._queue.join()

    def end(self, *, keep: bool = False) -> None:
        """After what was taken has been handed on; `keep`: and is on local disk, where stores have not taken it."""
        self._closing, self._keeps = True, keep
        self._queue.put(None)
        self._thread.join()

    def _packed(self, cut: Cut) -> Parcel:
        packed = self._pack(cut.body)
        digest = hashlib.sha256(packed).hexdigest()
        said = self._encrypted, cut.part, cut.gtids, cut.ending
        segment = Segment(0, cut.file, cut.start, cut.end.offset, digest, *said)
        return Parcel(
            segment, packed, arrived=cut.arrived, committed=cut.committed, origin=cut.origin, before=cut.before
        )

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            try:
                if item is None:
                    return
                if self.broken:
                    continue
                parcel = item.result() if isinstance(item, Future) else item
                self._hand_on(parcel)
                if not isinstance(parcel.content, Known):
                    self.acknowledged = parcel.end
            except Exception as problem:
                log.exception("packing log")
                self.broken = self.broken or problem
            finally:
                self._queue.task_done()
                self._told()

    def _hand_on(self, parcel: Parcel) -> None:
        with self._lock:
            deliveries = list(self.deliveries)
            parcel.expect(len(deliveries))
            for delivery in deliveries:
                delivery.add(parcel)
            self._oldest.pop(0)
        if isinstance(parcel.content, Gap | Known):
            return
        if not any(one.failure for one in deliveries):
            self._wait_for(parcel)
        while parcel.left > 0 and (self._keeps or not self._closing):
            try:
                self.spool.add(parcel)
            except StepFailed as problem:
                if not self.failure:
                    log.error("%s %s", problem, problem.help)
                self.failure = str(problem)
                if self._closing:
                    return
                time.sleep(1)
            else:
                self.failure = ""
                return

    def _wait_for(self, parcel: Parcel) -> None:
        until = time.monotonic() + _PROMPT
        while parcel.left > 0 and (left := until - time.monotonic()) > 0:
            parcel.changed.wait(left)
            parcel.changed.clear()
