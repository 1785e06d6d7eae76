"""Cuts a stream into segments: at ends of events, when enough has come or it has waited long enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bkpc_grammar.log_objects import OBJECT, SYNC_APART_MS
from bkpc_runtime.mysql.binlog.gtid_marks import Noted, Seen
from bkpc_runtime.mysql.binlog.receiver import Chunk
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.ending import Mark
from bkpc_runtime.steps.log_held import Held

SEGMENT_BYTES = OBJECT


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes `[start, start + body.size)` of binlog `file`; see `Segment` and `Parcel`. `noted`: its transactions."""

    file: str
    start: int
    body: Held
    part: bool
    arrived: float
    committed: float
    noted: Noted = field(default_factory=Noted)
    origin: str = ""
    before: str = ""
    gtids: str = ""
    ending: str = ""

    @property
    def end(self) -> Position:
        return Position(self.file, self.start + self.body.size)


class Cutter:
    """What has been received and not yet been cut; begins at `position`. `awaited`: a commit waits for some of it.

    `hold` gives what holds it.
    """

    def __init__(self, hold: Callable[[], Held], position: Position, last: Mark | None = None) -> None:
        self._hold, self._held = hold, hold()
        self.committed = 0.0
        self.told = self._telling = 0
        """When the last transaction of which all has been cut was committed, by the log's own times, in Unix seconds; 0
        where it is not sure which that is."""
        self._cut_at = 0.0
        self.begin(position, last)

    def begin(self, position: Position, last: Mark | None = None) -> None:
        """What comes next is at `position`, and `last` comes before it; what is here is forgotten."""
        self.boundary = position
        """The end of the last whole event: where a new connection goes on."""
        self.last = last
        """The events before it, if they are known."""
        self._later: list[Seen] = []
        """What was noted of an event that is not whole yet."""
        self._held.close()
        self._go_on(position, self._hold())

    def _go_on(self, position: Position, held: Held) -> None:
        self.file, self._start = position.file, position.offset
        self._held = held
        self._noted, self._complete = Noted(), 0
        self.arrived: float | None = None
        self._opened = time.monotonic()
        self.awaited = False

    def close(self) -> None:
        """Nothing more is received."""
        self._held.close()

    @property
    def cut_to(self) -> Position:
        """Everything before has been cut."""
        return Position(self.file, self._start)

    def add(self, chunk: Chunk, arrived: float) -> None:
        """`arrived`: when it came, in Unix seconds."""
        if not self._held.size:
            self._opened = time.monotonic()
            self.arrived = arrived
        self._held.add(chunk.data)
        self._later.append(chunk.seen)
        # What is awaited without bytes of its own has been cut before.
        self.awaited = self.awaited or bool(chunk.awaited and chunk.data)
        if chunk.complete:
            self._complete = self._held.size
            self._note()
            self.boundary = Position(chunk.file, chunk.end)
            self.last = chunk.last or self.last
            self.committed = float(chunk.timestamp)
            self._telling = chunk.committed

    def _note(self) -> None:
        for one in self._later:
            self._noted.add(one)
        self._later.clear()

    @property
    def full(self) -> bool:
        return self._held.size >= SEGMENT_BYTES

    def commit_due_in(self) -> float:
        """Seconds until what commits wait for may be cut: groups may follow one another no faster, for a recovery has
        to fetch each."""
        return max(0.0, self._cut_at + SYNC_APART_MS / 1000 - time.monotonic())

    def due_in(self, flush_seconds: float) -> float:
        """Seconds until what is here has waited long enough; `flush_seconds` while there is nothing."""
        if not self._complete:
            return flush_seconds
        return max(0.0, self._opened + flush_seconds - time.monotonic())

    def cut(self, *, part: bool = False) -> Cut | None:
        """The whole events so far; a beginning of an event stays, unless `part`."""
        body = self._held
        size = body.size if part else self._complete
        if not size:
            return None
        self._cut_at = time.monotonic()
        self.told = self._telling
        rest = body.split(size) if size < body.size else self._hold()
        if part:
            self._note()
        cut = Cut(self.file, self._start, body, part, self.arrived or time.time(), self.committed, self._noted)
        self._go_on(cut.end, rest)
        if rest.size:
            self.arrived = time.time()
        return cut
