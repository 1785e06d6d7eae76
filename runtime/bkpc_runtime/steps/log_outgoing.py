"""From what was cut to the stores: packed once, kept on local disk, handed to every store's delivery."""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import time
from collections import deque
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
from bkpc_runtime.steps.log_held import Gone
from bkpc_runtime.steps.log_parcels import FileEnd, Gap, Parcel
from bkpc_runtime.steps.log_spool import Spool
from bkpc_runtime.transfer.outbound import SMALL, Pack

log = logging.getLogger(__name__)
_QUEUED = 2
LEAST_SPOOL = log_cutting.SEGMENT_BYTES * (_QUEUED + 1)
"""Room that there must be before more is read."""
_PROMPT = 0.05
"""Seconds in which stores may take log before it is written to local disk as well."""

_POOL = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "packing")
"""Of all streams of a process."""


class Outgoing:
    """Order is kept; `told` is called when something has moved. `acknowledged`: all before is safe on some disk."""

    def __init__(
        self,
        pack: Pack,
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
        self._given: queue.Queue[tuple[Parcel, float] | None] = queue.Queue()
        """What deliveries have, and since when: a store takes it while what came before it is written to disk."""
        self._unkept: deque[Parcel] = deque()
        self._threads = [
            threading.Thread(target=self._run, name="log to stores", daemon=True),
            threading.Thread(target=self._keep, name="log to spool", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def paused(self) -> bool:
        """Whether no more may be taken for the moment, since packing is behind."""
        if self._queue.qsize() >= _QUEUED:
            return True
        return self._unkept_bytes() > log_cutting.SEGMENT_BYTES

    def _unkept_bytes(self) -> int:
        """What stores were given, and may have to be written to local disk."""
        with self._lock:
            return sum(one.size for one in self._unkept)

    def full(self) -> str:
        """Why nothing more should be read until stores have taken some; empty while there is room."""
        return self.failure or self.spool.full(log_cutting.SEGMENT_BYTES * (_QUEUED + 1) + self._unkept_bytes())

    def oldest(self) -> float | None:
        """When the oldest that no delivery has yet been given arrived."""
        with self._lock:
            return next((at for at in self._oldest if at < inf), None)

    def oldest_unkept(self) -> float | None:
        """When the oldest arrived that is in memory only, but for the stores that have taken it."""
        with self._lock:
            return next((one.arrived for one in self._unkept if not isinstance(one.content, Known)), None)

    def take(self, item: Cut | FileEnd | Gap | Known) -> None:
        with self._lock:
            arrived = inf if isinstance(item, Known) else time.time()  # with a note nothing would be lost
            self._oldest.append(item.arrived if isinstance(item, Cut) else arrived)
            if isinstance(item, Gap):
                for one in self.deliveries:
                    one.expect(item)
        if not isinstance(item, Cut):
            self._queue.put(Parcel(item, arrived=time.time()))
        elif item.body.size <= SMALL:
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
        for thread in self._threads:
            thread.join()

    def _packed(self, cut: Cut) -> Parcel:
        packed, digest = self.spool.hold(), hashlib.sha256()

        def deliver(piece: bytes) -> None:
            digest.update(piece)
            packed.add(piece)

        try:
            self._pack(cut.body.drained(), cut.body.size, deliver)
        except BaseException:
            packed.close()
            raise
        finally:
            cut.body.close()
        said = self._encrypted, cut.part, cut.gtids, cut.ending
        segment = Segment(0, cut.file, cut.start, cut.end.offset, digest.hexdigest(), *said)
        return Parcel(
            segment, packed, arrived=cut.arrived, committed=cut.committed, origin=cut.origin, before=cut.before
        )

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            try:
                if item is None:
                    self._given.put(None)
                    return
                parcel = item.result() if isinstance(item, Future) else item
                if self.broken:
                    parcel.close()
                else:
                    self._hand_on(parcel)
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
            self._unkept.append(parcel)
            for delivery in deliveries:
                delivery.add(parcel)
            self._oldest.pop(0)
        failing = any(one.failure for one in deliveries)
        self._given.put((parcel, time.monotonic() + (0 if failing else _PROMPT)))

    def _keep(self) -> None:
        failed = False
        while (given := self._given.get()) is not None:
            parcel, until = given
            try:
                if not failed:
                    self._to_disk(parcel, until)
                    if not isinstance(parcel.content, Known):
                        self.acknowledged = parcel.end
            except Exception as problem:
                log.exception("keeping log")
                failed, self.broken = True, self.broken or problem
            finally:
                if parcel.left <= 0:
                    parcel.close()
                with self._lock:
                    self._unkept.popleft()
                self._told()

    def _to_disk(self, parcel: Parcel, until: float) -> None:
        """In order, what some store has not taken by then."""
        if isinstance(parcel.content, Gap | Known):
            return
        while parcel.left > 0 and (left := until - time.monotonic()) > 0:
            parcel.changed.wait(left)
            parcel.changed.clear()
        while parcel.left > 0 and (self._keeps or not self._closing):
            try:
                self.spool.add(parcel)
            except Gone:  # stores have taken it meanwhile
                return
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
