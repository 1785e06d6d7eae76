"""What a server sends to a replica, cut into events; the bytes of a binlog come out as they are in its file.

Packets are cut from the socket's bytes, events from packets, and whole events are joined into chunks. A long event is
passed on as it comes, and never whole in memory. Each event is checked by CRC and by position. What has no place in
the file (fake rotations, repeated format descriptions, heartbeats) is not passed on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from bkpc_runtime.errors import RuntimeFailure, ServerFailed
from bkpc_runtime.mysql.binlog.gtid_marks import KEPT, TELLING, GtidTally, Seen
from bkpc_runtime.mysql.flavour import Position

MAGIC = b"\xfebin"
HEADER = struct.Struct("<IBIIIH")
ROTATE, FORMAT_DESCRIPTION, HEARTBEAT, HEARTBEAT_V2 = 4, 15, 27, 41
_COMMITS = frozenset((16, 40))
"""Events that end a transaction: of a commit, and of one that is compressed as a whole."""
_MAY_END = frozenset((2, 38, 165))
"""Statements, of which some do: DDL may tell a time long before."""
_SPECIAL = frozenset((ROTATE, FORMAT_DESCRIPTION, HEARTBEAT, HEARTBEAT_V2))
ARTIFICIAL = 0x20
SEMI_SYNC = 0xEF
"""The first of the two bytes before each event of a semi-synchronous stream."""
_FULL_PACKET = 0xFFFFFF
_LOOKED_AT = 4096
"""Bytes of last events that are kept: to tell files apart that began within one second."""
_READ = 256 * 1024
_LONG = 2 * _READ - 4
"""Bytes of a packet that fits; one of more is passed on as it comes."""
_HEAD = KEPT + _LOOKED_AT
"""Bytes of a longer one that must be there before that is begun."""


class LogUnreadable(ServerFailed):
    """The server sends no log from a position on, or none that is sound."""


class LogVanished(LogUnreadable):
    """The server itself says that it can't send its log from the position asked for."""


@dataclass(frozen=True, slots=True)
class LastEvents:
    """The last whole events before a place in the log: from `start` on, the first bytes of them."""

    start: int
    beginning: bytes

    def matches(self, there: bytes) -> bool | None:
        """Whether `there` is what begins at `start`; None: more of it is needed."""
        return there.startswith(self.beginning) if len(there) >= len(self.beginning) else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `[start, end)` of binlog `file`.

    `complete` is false while the last event goes on in the next chunk; `timestamp` (Unix seconds) is that of the last
    event, `last` are the last events, if `complete`. `awaited`: where the last event ends that a commit waits for; 0
    for none. `committed`: the timestamp of the last transaction, where it is sure which that is; else 0. `seen`: the
    transactions that begin in it.
    """

    file: str
    start: int
    end: int
    data: bytes
    complete: bool
    timestamp: int
    awaited: int = 0
    committed: int = 0
    seen: Seen = field(default_factory=Seen)
    last: LastEvents | None = None


@dataclass(frozen=True, slots=True)
class Rotated:
    """What follows belongs to binlog `file`, from its beginning."""

    file: str


@dataclass(frozen=True, slots=True)
class Idle:
    """The server has nothing beyond `position` at this moment."""

    position: Position


Received = Chunk | Rotated | Idle


class StreamParser:
    """The stream of one connection; see the module. `read` takes what has come.

    `semi_sync`: it was asked for; `semi_synchronous` says whether the server does it, once its first event is there.
    """

    def __init__(self, sock: Any, start: Position, asked: int, *, semi_sync: bool = False) -> None:
        self.sock = sock
        self.semi_sync = semi_sync
        self.semi_synchronous: bool | None = None if semi_sync else False
        self.awaited = 0
        self.buffer = bytearray(2 * _READ)
        self.filled = 0
        self.left = 0
        """Bytes of a packet of a long event that have yet to come; `more`: another packet goes on with it."""
        self.more = False
        self.file = start.file
        self.skip_until = start.offset
        self.expected = asked
        self.checksum = True
        self.ready: list[Received] = []
        self.pieces: list[memoryview | bytes] = []
        self.piece_start = asked
        self.timestamp = self.committed = 0
        self.long: tuple[int, int, int] | None = None
        self.wanted = self.long_wanted = False
        self.long_head = (0, 0, b"")
        self.long_last: LastEvents | None = None
        self.short_from = 0
        self.tally = GtidTally()
        self.failure: RuntimeFailure | None = None
        """What ended the stream."""
        if start.offset < 4:
            self._begin_file()

    def read(self) -> list[Received]:
        """What the next bytes of the socket complete; waits for them. What came before a failure is given first."""
        count = self.sock.recv_into(memoryview(self.buffer)[self.filled :])
        if not count:
            raise ServerFailed("the server closed the binlog stream", retryable=True)
        filled = self.filled + count
        with memoryview(self.buffer) as view:
            try:
                used = self._packets(view[:filled])
            except RuntimeFailure as failure:
                self.failure, used = failure, filled
            self._close_chunk(complete=self.long is None)
        self.filled = filled - used
        if used:
            self.buffer[: self.filled] = self.buffer[used:filled]
        ready, self.ready = self.ready, []
        return ready

    def _packets(self, view: memoryview) -> int:
        """Handles every whole packet, and what there is of a long event; returns bytes used."""
        at, filled = self._go_on(view), len(view)
        while filled - at >= 4:
            length = view[at] | view[at + 1] << 8 | view[at + 2] << 16
            end = at + 4 + length
            if end > filled:
                if length <= _LONG or filled - at < _HEAD:
                    break
                self.left, self.more = end - filled, length == _FULL_PACKET
                self._begin_long(self._unwrapped(view[at + 4 :]))
                return filled
            self._event(self._unwrapped(view[at + 4 : end]))
            at = end
        return at

    def _go_on(self, view: memoryview) -> int:
        """Handles what there is of a long event that has begun; returns bytes used."""
        at = 0
        while self.long is not None and at < len(view):
            if not self.left:
                if len(view) - at < 4:
                    break
                self.left = view[at] | view[at + 1] << 8 | view[at + 2] << 16
                at, self.more = at + 4, self.left == _FULL_PACKET
            body = view[at : at + self.left]
            at, self.left = at + len(body), self.left - len(body)
            self._continue(body, last=not (self.left or self.more))
        return at

    def _unwrapped(self, body: memoryview) -> memoryview:
        """The event of a packet, without what stands before it.

        Whether there are the two bytes of semi-sync is settled with the first event, which is short: one alone could
        begin with 0xEF by chance.
        """
        if not body or body[0]:
            self._no_event(bytes(body))
        if self.semi_synchronous is None:
            (size,) = struct.unpack_from("<I", body, 12) if len(body) >= 16 else (0,)
            self.semi_synchronous = body[1] == SEMI_SYNC and size == len(body) - 3
        self.wanted = False
        if not self.semi_synchronous:
            return body[1:]
        if body[1] != SEMI_SYNC:
            raise ServerFailed("the server's semi-synchronous stream is not one", retryable=True)
        self.wanted = bool(body[2])
        return body[3:]

    def _event(self, event: memoryview) -> None:
        timestamp, kind, server_id, size, end, flags = HEADER.unpack_from(event)
        if size != len(event):
            raise LogUnreadable(f"an event of {self.file} has {len(event)} bytes, its header says {size}")
        if (flags & ARTIFICIAL or kind in _SPECIAL) and self._handled(event, kind, end, flags):
            return
        self._place(end, size)
        if self.checksum and crc32(event[:-4]) != int.from_bytes(event[-4:], "little"):
            text = f"an event of {self.file} before {end} came damaged: its checksum differs"
            raise LogUnreadable(text, retryable=True)
        self.expected += size
        if self.wanted:
            self.awaited = self.expected
        if self.expected > self.skip_until:
            self.pieces.append(event)
            self.timestamp = timestamp or self.timestamp
            if kind in TELLING or self.tally.inside is None:
                last = len(event) - 4 if self.checksum else len(event)
                self._note(timestamp, kind, server_id, bytes(event[HEADER.size : min(last, KEPT)]))
        else:
            self.piece_start = self.expected

    def _note(self, timestamp: int, kind: int, server_id: int, beginning: bytes) -> None:
        """An event of `TELLING`, or the first that comes."""
        if kind in _COMMITS:
            self.committed = timestamp
        elif kind in _MAY_END:
            self.committed = 0
        self.tally.note(kind, server_id, beginning)

    def _place(self, end: int, size: int) -> None:
        # MariaDB 11.4 and later may leave the position of an event inside a transaction empty.
        if end and end != (self.expected + size) & 0xFFFFFFFF:
            raise LogUnreadable(
                f"{self.file} has a hole: expected an event at {self.expected}, one ends at {end}",
                retryable=True,
            )

    def _handled(self, event: memoryview, kind: int, end: int, flags: int) -> bool:
        """Whether the event has no place in the file."""
        if kind in {HEARTBEAT, HEARTBEAT_V2}:
            self._close_chunk(complete=True)
            self.ready.append(Idle(Position(self.file, max(self.expected, self.skip_until))))
            return True
        if kind == FORMAT_DESCRIPTION:
            # The algorithm stands before the checksum, which a format description always has.
            self.checksum = event[-5] == 1
            return self.expected != 4 or end == 0
        if kind == ROTATE and (flags & ARTIFICIAL or end == 0):
            self._fake_rotation(event)
            return True
        return bool(flags & ARTIFICIAL)

    def _fake_rotation(self, event: memoryview) -> None:
        body = bytes(event[19:])
        if crc32(event[:-4]) == int.from_bytes(event[-4:], "little"):
            body = body[:-4]
        file = body[8:].decode()
        if file == self.file:
            return
        self._close_chunk(complete=True)
        self.file, self.expected, self.skip_until = file, 4, 0
        self.ready.append(Rotated(file))
        self._begin_file()

    def _begin_file(self) -> None:
        self.tally.begin_file()
        # Not complete: by its first event a file is recognised, so nothing goes on between the two.
        self.ready.append(Chunk(self.file, 0, 4, MAGIC, complete=False, timestamp=self.timestamp))
        self.piece_start = 4

    def _begin_long(self, event: memoryview) -> None:
        """Of what came before, nothing waits for its end."""
        self._close_chunk(complete=True)
        timestamp, kind, server_id, size, end, _ = HEADER.unpack_from(event)
        if not self.more and size != len(event) + self.left:
            raise LogUnreadable(f"an event of {self.file} has {len(event) + self.left} bytes, its header says {size}")
        self._place(end, size)
        self.long_head = (kind, server_id, bytes(event[HEADER.size : KEPT]))
        if kind not in TELLING and self.tally.inside is None:  # rows of what began before
            self.tally.note(*self.long_head)
        self.timestamp = timestamp or self.timestamp
        self.long_last = LastEvents(self.expected, bytes(event[:_LOOKED_AT]))
        self.long = (size - len(event), 0, 0)
        self.long_wanted = self.wanted
        self._add_long(event)

    def _continue(self, body: memoryview, *, last: bool) -> None:
        assert self.long is not None
        left, crc, tail = self.long
        self.long = (left - len(body), crc, tail)
        self._add_long(body)
        if not last:
            return
        left, crc, tail = self.long
        if left or (self.checksum and crc != tail):
            raise LogUnreadable(f"a long event of {self.file} before {self.expected} came damaged", retryable=True)
        self.long, self.short_from = None, len(self.pieces)
        if self.long_wanted:
            self.awaited = self.expected
        if self.expected > self.skip_until and self.long_head[0] in TELLING:
            self._note(self.timestamp, *self.long_head)

    def _add_long(self, body: memoryview) -> None:
        """Counts a part of a long event; its last 4 bytes, which may be split, are the checksum."""
        assert self.long is not None
        left, crc, tail = self.long
        summed = max(0, len(body) - max(0, 4 - left))
        crc = crc32(body[:summed], crc)
        for position, byte in enumerate(body[summed:], start=4 - left - (len(body) - summed)):
            tail |= byte << 8 * position
        self.long = (left, crc, tail)
        self.expected += len(body)
        if self.expected > self.skip_until:
            self.pieces.append(body)
        else:
            self.piece_start = self.expected

    def _close_chunk(self, *, complete: bool) -> None:
        if not self.pieces and not self.awaited:
            return
        data = b"".join(self.pieces)
        end = self.piece_start + len(data)
        last = self._last(data, end) if complete else None
        self.pieces.clear()
        self.short_from = 0
        told = (self.timestamp, self.awaited, self.committed, self.tally.take(), last)
        self.ready.append(Chunk(self.file, self.piece_start, end, data, complete, *told))
        self.piece_start, self.awaited = end, 0

    def _last(self, data: bytes, end: int) -> LastEvents | None:
        """Of as many events as may be kept, and of one at least."""
        size = 0
        for one in reversed(self.pieces[self.short_from :]):
            if size and size + len(one) > _LOOKED_AT:
                break
            size += len(one)
        if size:
            return LastEvents(end - size, data[len(data) - size :][:_LOOKED_AT])
        return self.long_last if data else None

    def _no_event(self, body: bytes) -> None:
        if body[:1] == b"\xff":
            (code,) = struct.unpack_from("<H", body, 1)
            text = body[9:].decode(errors="replace") if body[3:4] == b"#" else body[3:].decode(errors="replace")
            if code == 1236:
                raise LogVanished(f"the server cannot send its binlog from {self.file}:{self.expected}: {text}")
            raise ServerFailed(f"the server ended the binlog stream: {text} (error {code})", retryable=True)
        raise ServerFailed("the server ended the binlog stream", retryable=True)
