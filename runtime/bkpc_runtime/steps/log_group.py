"""One receiver, and the stores it feeds: a server's binlog into all of them, across lost connections."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import RuntimeFailure, StepFailed
from bkpc_runtime.mysql.binlog.gtid_marks import KEPT, executed_before
from bkpc_runtime.mysql.binlog.receiver import Chunk, Idle, LogUnreadable, Received, Receiver, ReplicaIdentity, Rotated
from bkpc_runtime.mysql.connection import server_errors
from bkpc_runtime.mysql.flavour import Position, ServerFacts, identity_of
from bkpc_runtime.repository.ending import ending_of
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.repository.segments import order
from bkpc_runtime.steps.log_acknowledging import Acknowledging
from bkpc_runtime.steps.log_cutting import Cut, Cutter
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_outgoing import Outgoing
from bkpc_runtime.steps.log_parcels import FileEnd, origin_of
from bkpc_runtime.steps.log_recognising import Landmarks
from bkpc_runtime.steps.log_spool import Spool
from bkpc_runtime.steps.log_start import look
from bkpc_runtime.steps.log_stuck import Stuck
from bkpc_runtime.steps.log_taking_over import Connect
from bkpc_runtime.steps.wake import Wake
from bkpc_runtime.transfer.outbound import Pack

log = logging.getLogger(__name__)
_LONGEST_PAUSE = 15.0
_TURN = 0.5
SILENT = 3.0
"""Seconds after which a server that says nothing may have committed something."""
_TOLD_AHEAD = 300.0
"""Seconds by which a log that tells a later time than its server may be believed: a session may set its own clock."""
_AWAITED = 256
"""Answers of the server that wait for their log."""


class AnotherServer(StepFailed):
    """At the address there is another server than the one this stream began with."""


def to_the_same(connect: Connect, facts: ServerFacts) -> Connect:
    """Connections to the server that `facts` are of: an address may lead to another one at any moment, whose log must
    not be taken for its.

    What it gives raises AnotherServer where another one answers.
    """

    def connected() -> Connection[Any]:
        connection = connect()
        identity = identity_of(connection)
        if identity != facts.identity:
            connection.close()
            raise AnotherServer(
                f"the server at this address is another one: {identity}, not {facts.identity}",
                help="its log goes on from what is stored where GTIDs allow it; else a full image of it is due",
                retryable=True,
            )
        return connection

    return connected


@dataclass(frozen=True, slots=True)
class StreamSource:
    """A server's log, and how it is stored. `prefix` is `<database>/<identity>`; `pack` compresses and encrypts.

    `connect` gives connections `to_the_same` server.
    """

    connect: Connect
    facts: ServerFacts
    prefix: str
    flush_seconds: float
    pack: Pack
    encrypted: bool
    replica: ReplicaIdentity = field(default_factory=ReplicaIdentity)


class LogGroup:
    """`deliveries` are fed from `position` on; the log before it is recognised by `marks`.

    `acknowledging`: commits wait for these stores.
    """

    def __init__(
        self,
        source: StreamSource,
        deliveries: list[Delivery],
        position: Position,
        marks: Landmarks,
        spool: Spool,
        wake: Wake,
        acknowledging: Acknowledging | None = None,
    ) -> None:
        self.source, self.acknowledging = source, acknowledging
        self.cutter = Cutter(spool.hold, position, marks.last)
        self.outgoing = Outgoing(source.pack, spool, deliveries, wake.set, position, encrypted=source.encrypted)
        for delivery in deliveries:
            delivery.told = wake.set
        self.connected = False
        self.failure = ""
        self.pausing = ""
        """Why nothing is read, while nothing is."""
        self.contact = time.time()
        self.received: Position | None = None
        self.idle = False
        self.semi_synchronous: bool | None = None
        self.session = 0
        """Counts connections."""
        self._answers: list[Known] = []
        self._origin = marks.origin
        self._given = position
        self._stuck = Stuck()
        self._again = threading.Event()
        self._wake = wake
        self._reading = threading.Lock()

    @property
    def deliveries(self) -> list[Delivery]:
        return list(self.outgoing.deliveries)

    @property
    def has_delivered(self) -> bool:
        """Whether each store has taken something."""
        return all(one.durable != self._given for one in self.deliveries)

    def oldest(self) -> float | None:
        """When the oldest arrived that is on no disk of ours and in no store."""
        found = [at for at in (self.cutter.arrived, self.outgoing.oldest()) if at is not None]
        return min(found, default=None)

    def run(self, over: Callable[[], bool]) -> None:
        """Until `over`; lost connections are made again.

        Raises:
            AnotherServer: the server at the address is not the one that this began with.
        """
        pause = 0.5
        while not over():
            begun = time.monotonic()
            try:
                self._session(over)
            except AnotherServer:
                raise
            except LogUnreadable as failure:
                self._stuck.failed(self.cutter.boundary, str(failure))
                self.failure = self._stuck.text
                log.warning("log stream of %s: %s", self.source.prefix, self.failure)
            except RuntimeFailure as failure:
                self.failure = str(failure)
                log.warning("log stream of %s: %s", self.source.prefix, failure)
            if self.outgoing.broken:
                raise StepFailed(f"the log stream broke off: {self.outgoing.broken}", retryable=True)
            pause = 0.5 if time.monotonic() - begun > 30 else min(_LONGEST_PAUSE, pause * 2)
            until = time.monotonic() + pause
            while not over() and time.monotonic() < until:
                self._wake.wait(min(_TURN, pause))
                self._acknowledge(None)

    def reconnect(self) -> None:
        """A new connection, now: the server has been set up anew."""
        self._again.set()
        self._wake.set()

    def answered(self, session: int, read: Position, known: Known) -> None:
        """Until when the server says that its log is complete, and where; `session` and `read` are of before it was
        asked."""
        if order(known.position) < order(read):
            log.warning(
                "log stream of %s: %s was read, and the server's log ends at %s: it was begun anew",
                self.source.prefix, read.text, known.position.text,
            )  # fmt: skip
            self.reconnect()
            return
        with self._reading:
            if session != self.session or not self.connected:
                return
            self._answers.append(known)
            if len(self._answers) > _AWAITED:
                del self._answers[1::2]
            self._tell()

    def _tell(self) -> None:
        """Hands on the newest answer of which all log has been cut, unless that log itself tells as much."""
        cut = order(self.cutter.cut_to)
        reached = [one for one in self._answers if order(one.position) <= cut]
        if reached:
            newest = max(reached, key=lambda one: one.until)
            self._answers = [one for one in self._answers if order(one.position) > cut]
            asked = int(newest.until.timestamp())
            # It tells whole seconds, and so exact are the points to which all servers can go back.
            if not asked <= self.cutter.told <= asked + _TOLD_AHEAD:
                self.outgoing.take(newest)

    @contextmanager
    def still(self) -> Iterator[Position]:
        """Nothing more is received in this block; everything up to the position given has been cut."""
        with self._reading:
            self._cut()
            yield self.cutter.cut_to

    def end(self, patience: float, *, keep: bool = False) -> bool:
        """Hands on what is here and lets the stores take it for so many seconds; whether all have all of it.

        `keep`: what a store has not taken stays on local disk.
        """
        self.outgoing.end(keep=keep)
        self.cutter.close()
        until = time.monotonic() + patience
        stored = [one.end(max(0.0, until - time.monotonic()), keep=keep) for one in self.deliveries]
        self._wake.close()
        return all(stored)

    def _session(self, over: Callable[[], bool]) -> None:
        """One connection's life. Bytes of an event that was cut off are forgotten with it."""
        if not self._may_ask(over):
            return
        connection = self.source.connect()
        try:
            if self._look_for_a_gap() and self.acknowledging:
                return  # what comes after the gap may be asked for when a quorum of stores knows of it
            semi_sync = self.acknowledging is not None
            receiver = Receiver(
                connection, self.source.facts, self.cutter.boundary, identity=self.source.replica, semi_sync=semi_sync
            )
            receiver.wake_by(self._wake.descriptor)
            names = ", ".join(one.store.name for one in self.deliveries)
            log.info("log stream of %s to %s from %s", self.source.prefix, names, self.cutter.boundary.text)
            with self._reading:
                self._answers.clear()
                self.session += 1
            self.connected = True
            if not self._stuck.at(self.cutter.boundary):
                self.failure = ""
            self._again.clear()
            while not over() and not self.outgoing.broken and not self._again.is_set():
                self._turn(receiver)
        finally:
            self.connected = self.idle = False
            with server_errors("the server"):
                connection._force_close()  # type: ignore[attr-defined]
            with self._reading:
                self._cut()
                self.cutter.begin(self.cutter.boundary, self.cutter.last)
            if self.acknowledging:
                self.acknowledging.forget()

    def _may_ask(self, over: Callable[[], bool]) -> bool:
        """What is asked for counts as acknowledged: with `sync`, only where a quorum of stores has all before it."""
        acknowledging = self.acknowledging
        if not acknowledging:
            return True
        asked = self.cutter.boundary
        acknowledging.expect(asked)
        while not over():
            if acknowledging.may_return(self.deliveries) or acknowledging.degraded_since:
                return True
            self._wake.wait(_TURN)
        return False

    def _look_for_a_gap(self) -> bool:
        """Whether the server's log no longer continues what was received; each time anew.

        Raises:
            LogUnreadable: it can't be told.
        """
        place, stuck = self.cutter.boundary, self._stuck
        marks = Landmarks(self._origin, self.cutter.last)
        found = look(self.source.connect, self.source.facts, place, marks, failing=stuck.at(place))
        gap = found.gap or stuck.passed(place, found.following)
        if gap:
            log.error(
                "log stream of %s: THE LOG HAS A GAP after %s: %s; a new full image is due",
                self.source.prefix, gap.from_.text, gap.reason,
            )  # fmt: skip
            with self._reading:
                self.outgoing.take(gap)
                self.cutter.begin(gap.position)
                self._origin = ""
        elif found.unreadable:
            raise LogUnreadable(found.unreadable, retryable=True)
        return gap is not None

    def _turn(self, receiver: Receiver) -> None:
        self.pausing = self.outgoing.full()
        if self.pausing or self.outgoing.paused():
            receiver.pause()
            self.idle = False
            self._wake.wait(_TURN)
        else:
            received = receiver.wait(min(_TURN, self._due_in()))
            self._wake.clear()
            self.semi_synchronous = receiver.semi_synchronous
            with self._reading:
                for one in received:
                    self._take(one)
                if self._due_in() <= 0:
                    self._cut()
                self._tell()
        self._acknowledge(receiver)

    def _due_in(self) -> float:
        acknowledging = self.acknowledging
        waits = acknowledging and self.cutter.awaited and not acknowledging.degraded_since
        # What comes while a group is on its way makes up the next: as many objects as the stores can take.
        if acknowledging and waits and not acknowledging.under_way(self.cutter.cut_to):
            return self.cutter.commit_due_in()
        return self.cutter.due_in(self.source.flush_seconds)

    def _take(self, received: Received) -> None:
        self.contact = now = time.time()
        self.failure = ""
        if isinstance(received, Rotated):
            self._cut()
            self.outgoing.take(FileEnd(self.cutter.boundary, received.file))
            self.cutter.begin(Position(received.file, 0))
            self._origin = ""
        elif isinstance(received, Chunk):
            self.idle = False
            self.cutter.add(received, now)
            if received.complete:
                self.received = Position(received.file, received.end)
            if received.awaited and self.acknowledging:
                self.acknowledging.expect(Position(received.file, received.awaited))
            if self.cutter.full:
                self._cut()
            if self.cutter.full:
                self._hand_on(self.cutter.cut(part=True))
        if isinstance(received, Idle):
            self.received, self.idle = received.position, True

    def _cut(self) -> None:
        self._hand_on(self.cutter.cut())

    def _hand_on(self, cut: Cut | None) -> None:
        if cut:
            facts, before = self.source.facts, ""
            if cut.start == 0:
                beginning = cut.body.beginning(KEPT)
                self._origin = origin_of(beginning)
                before = executed_before(beginning, facts.variable("gtid_purged").replace("\n", ""))
            gtids = cut.noted.mark(facts.identity)
            ending = "" if cut.part else ending_of(self.cutter.last, cut.end.offset)
            self.outgoing.take(replace(cut, origin=self._origin, before=before, gtids=gtids, ending=ending))

    def _acknowledge(self, receiver: Receiver | None) -> None:
        if self.acknowledging:
            position = self.acknowledging.may_return(self.deliveries)
            if position and receiver and receiver.semi_synchronous:
                receiver.acknowledge(position)
