"""The hot stream: a server's binlog into one store, segment by segment, for ever.

The store is the only memory: after a restart of either side the stream goes on where the store's log
ends. What is not durable yet is still in the server's binlog, so nothing is kept locally. Each store
has a stream of its own: one that is slow or away holds up no other.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pymysql.connections import Connection

from bkpc_runtime.errors import RuntimeFailure, ServerFailed, StoreFailed
from bkpc_runtime.mysql.binlog.receiver import Chunk, Idle, Received, Rotated, receive
from bkpc_runtime.mysql.connection import server_errors
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.repository.segments import Segment, end_key
from bkpc_runtime.steps.log_delivery import Delivery, Parcel
from bkpc_runtime.steps.log_start import find_start, origin_of
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
Connect: TypeAlias = "Callable[[], Connection[Any]]"
SEGMENT_BYTES = 16 << 20
WAITING_BYTES = 32 << 20
_LONGEST_PAUSE = 15.0
_SILENT = 3.0
LAST_PATIENCE = 30.0
"""How long a stream that is told to stop goes on trying to store what it has, in seconds."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """The stream at one moment; times in Unix seconds, `lag_seconds` is the RPO if the server died now.

    The lag is 0 only while the server itself says, once a second, that there is nothing more.
    `failure` is empty while all is well.
    """

    connected: bool
    epoch: int
    received: Position | None
    received_commit: float
    durable: Position | None
    durable_commit: float
    lag_seconds: float
    failure: str


class LogStream:
    """Streams one server's binlog into a store; `pack` compresses and encrypts a segment.

    `prefix` is `<database>/<identity>`; `oldest` is the binlog a first start begins with (the server's
    current one if empty); `encrypted` says whether `pack` encrypts, which the key's ending shows.
    """

    def __init__(
        self,
        source_connect: Connect,
        facts: ServerFacts,
        store: Store,
        *,
        flush_seconds: float,
        pack: Callable[[bytes], bytes],
        prefix: str,
        encrypted: bool = False,
        oldest: str = "",
    ) -> None:
        self.connect = source_connect
        self.facts = facts
        self.store = store
        self.flush_seconds = flush_seconds
        self.pack = pack
        self.prefix = prefix
        self.encrypted = encrypted
        self.oldest = oldest
        self._delivery: Delivery | None = None
        self._lock = threading.Lock()
        self._begin(Position("", 0))
        self._connected = False
        self._stopping: Callable[[], bool] = lambda: False
        self._failure = ""
        self._contact = time.time()
        self._epoch = 0
        self._received: Position | None = None
        self._commit = 0.0

    def state(self) -> StreamState:
        """A snapshot; may be called from any thread."""
        now = time.time()
        with self._lock:
            delivery = self._delivery
            # A silent server may have committed since it was last heard.
            silent = self._contact if now - self._contact > _SILENT or not self._connected else None
            waiting = (delivery.waiting()[1] if delivery else None, self._arrived, silent)
            oldest = min((at for at in waiting if at is not None), default=now)
            return StreamState(
                connected=self._connected,
                epoch=self._epoch,
                received=self._received,
                received_commit=self._commit,
                durable=delivery.durable if delivery else None,
                durable_commit=delivery.committed if delivery else 0.0,
                lag_seconds=max(0.0, now - oldest),
                failure=self._failure or (delivery.failure if delivery else ""),
            )

    def run(self, stop: threading.Event) -> bool:
        """Streams until `stop` is set, then flushes; whether everything received is durable.

        Lost connections are made again.
        """
        self._stopping = stop.is_set
        pause, durable = 0.5, True
        while not stop.is_set():
            begun = time.monotonic()
            try:
                durable = self._session(stop)
            except (ServerFailed, StoreFailed) as failure:
                durable = False
                self._failure = str(failure)
                log.warning("log stream of %s to %s: %s", self.prefix, self.store.name, failure)
            pause = 0.5 if time.monotonic() - begun > 30 else min(_LONGEST_PAUSE, pause * 2)
            if not stop.is_set():
                stop.wait(pause)
        return durable

    def _session(self, stop: threading.Event) -> bool:
        """One connection's life. Bytes of an event that was cut off are forgotten with it."""
        start = find_start(self.connect, self.facts, self.store, self.prefix, self.oldest)
        connection = self.connect()
        self._delivery = Delivery(self.store, start.position if start.position.offset else None)
        with self._lock:
            self._epoch = start.epoch
            self._begin(start.position)
        for parcel in start.parcels:
            self._send(parcel)
        arrived = False
        try:
            self._connected, self._failure = True, ""
            text = "log stream of %s to %s from %s, epoch %d"
            log.info(text, self.prefix, self.store.name, start.position.text, start.epoch)
            with server_errors("the server's binlog stream"):
                for received in receive(connection, self.facts, start.position):
                    self._take(received)
                    if stop.is_set():
                        break
        finally:
            self._connected = False
            _close(connection)
            self._cut()
            arrived = self._delivery.end(LAST_PATIENCE if stop.is_set() else 5.0)
            if not arrived:
                log.warning("log not delivered to %s is asked for again later", self.store.name)
        return arrived

    def _begin(self, position: Position) -> None:
        self._file, self._from = position.file, position.offset
        self._pieces: list[bytes] = []
        self._size = self._complete = 0
        self._arrived: float | None = None
        self._opened = time.monotonic()

    def _take(self, received: Received) -> None:
        now = time.time()
        self._contact = now
        if isinstance(received, Rotated):
            self._cut()
            key = end_key(self.prefix, self._epoch, self._file, self._from)
            self._send(Parcel(key, b"", None, now, self._commit))
            with self._lock:
                self._begin(Position(received.file, 0))
        elif isinstance(received, Chunk):
            with self._lock:
                self._add(received, now)
        if self._complete and (self._size >= SEGMENT_BYTES or time.monotonic() - self._opened >= self.flush_seconds):
            self._cut()
        if self._size >= SEGMENT_BYTES:
            self._cut(part=True)
        if isinstance(received, Idle):
            self._received = received.position

    def _add(self, chunk: Chunk, now: float) -> None:
        if not self._pieces:
            self._opened = time.monotonic()
            self._arrived = now
        self._pieces.append(chunk.data)
        self._size += len(chunk.data)
        if chunk.complete:
            self._complete = self._size
            self._received = Position(chunk.file, chunk.end)
            self._commit = float(chunk.timestamp)

    def _cut(self, *, part: bool = False) -> None:
        """Packs and sends the whole events so far; a beginning of an event stays, unless `part`."""
        size = self._size if part else self._complete
        if not size:
            return
        joined = b"".join(self._pieces)
        self._pieces.clear()
        body, rest = (joined, b"") if size == len(joined) else (joined[:size], joined[size:])
        del joined
        packed = self.pack(body)
        digest = hashlib.sha256(packed).hexdigest()
        end = self._from + len(body)
        segment = Segment(self._epoch, self._file, self._from, end, digest, self.encrypted, part)
        arrived = self._arrived or time.time()
        if self._from == 0:
            self._send(origin_of(self.prefix, self._epoch, self._file, body, arrived))
        del body
        self._send(Parcel(segment.key(self.prefix), packed, segment, arrived, self._commit))
        with self._lock:
            self._begin(Position(self._file, end))
            if rest:
                self._pieces, self._size, self._arrived = [rest], len(rest), time.time()

    def _send(self, parcel: Parcel) -> None:
        """Hands a parcel to the store's delivery; waits while that is too far behind. Never drops one."""
        delivery = self._delivery
        assert delivery is not None
        delivery.add(parcel)
        while not self._stopping() and delivery.waiting()[0] > WAITING_BYTES:
            time.sleep(0.05)


def _close(connection: Connection[Any]) -> None:
    try:
        connection._force_close()  # type: ignore[attr-defined]
    except (OSError, RuntimeFailure):
        log.debug("closing failed", exc_info=True)
