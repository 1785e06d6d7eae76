"""Receives a server's binlog as a replica would, and passes the bytes on verbatim.

The bytes of a file come out exactly as the server wrote them (but for the in-use flag, which a server
clears when it sends), checked by CRC and by position. What has no place in the file (fake rotations,
repeated format descriptions, heartbeats) is not passed on.
"""

from __future__ import annotations

import secrets
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query, server_errors
from bkpc_runtime.mysql.flavour import Position, ServerFacts

MAGIC = b"\xfebin"
HEADER = struct.Struct("<IBIIIH")
ROTATE, FORMAT_DESCRIPTION, HEARTBEAT, HEARTBEAT_V2 = 4, 15, 27, 41
_SPECIAL = frozenset((ROTATE, FORMAT_DESCRIPTION, HEARTBEAT, HEARTBEAT_V2))
ARTIFICIAL = 0x20
_FULL_PACKET = 0xFFFFFF
_READ = 512 * 1024
HEARTBEAT_SECONDS = 0.5
SILENCE_SECONDS = 15.0
_SEND_ANNOTATIONS = 2
_COM_BINLOG_DUMP, _COM_REGISTER_REPLICA = 0x12, 0x15


class LogVanished(ServerFailed):
    """The server no longer has the log from the position asked for."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `[start, end)` of binlog `file`.

    `complete` is false while the last event goes on in the next chunk; `timestamp` (Unix seconds) is
    that of the last event.
    """

    file: str
    start: int
    end: int
    data: bytes
    complete: bool
    timestamp: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """What follows belongs to binlog `file`, from its beginning."""

    file: str


@dataclass(frozen=True, slots=True)
class Idle:
    """The server has nothing beyond `position` at this moment."""

    position: Position


Received = Chunk | Rotated | Idle


def receive(connection: Connection[Any], facts: ServerFacts, start: Position) -> Iterator[Received]:
    """The binlog from `start` on, for ever; offset 0 includes the 4 magic bytes.

    The connection belongs to the stream from now on. Something arrives at least every heartbeat.
    Raises `LogVanished` when the server has no such position, `ServerFailed` when it is lost.
    """
    with server_errors("the server's binlog stream"):
        _become_replica(connection, facts)
        asked = start.offset if 4 <= start.offset < 1 << 32 else 4
        _ask(connection, start.file, asked)
        yield from _Parser(connection._sock, start, asked).run()  # type: ignore[attr-defined]


def first_event(connection: Connection[Any], facts: ServerFacts, file: str) -> bytes:
    """The first event of a binlog: its format description, whose timestamp tells files of one name apart."""
    for received in receive(connection, facts, Position(file, 4)):
        if isinstance(received, Chunk):
            (size,) = struct.unpack_from("<I", received.data, 9)
            return received.data[:size]
        if isinstance(received, Rotated):
            break
    raise LogVanished(f"the server sent no beginning of {file}")


def _become_replica(connection: Connection[Any], facts: ServerFacts) -> None:
    identity = str(uuid.uuid4())
    nanoseconds = int(HEARTBEAT_SECONDS * 1e9)
    # CRC32 is announced even to a server that writes none: one that announces less gets events stripped.
    settings = [
        "@master_binlog_checksum='CRC32'", "@source_binlog_checksum='CRC32'",
        f"@master_heartbeat_period={nanoseconds}", f"@source_heartbeat_period={nanoseconds}",
        f"@slave_uuid='{identity}'", f"@replica_uuid='{identity}'",
    ]  # fmt: skip
    if facts.flavour == "mariadb":
        settings.append("@mariadb_slave_capability=4")
    query(connection, "SET " + ", ".join(settings))


def _ask(connection: Connection[Any], file: str, offset: int) -> None:
    server_id = secrets.randbelow(1 << 31) + (1 << 31)
    host = b"bkpc"
    registration = struct.pack("<IB", server_id, len(host)) + host + struct.pack("<BBHII", 0, 0, 0, 0, 0)
    connection._execute_command(_COM_REGISTER_REPLICA, registration)  # type: ignore[attr-defined]
    connection._read_packet()  # type: ignore[no-untyped-call]
    # MariaDB leaves the statements' texts out unless asked, and the file would have holes; MySQL ignores it.
    dump = struct.pack("<IHI", offset, _SEND_ANNOTATIONS, server_id) + file.encode()
    connection._execute_command(_COM_BINLOG_DUMP, dump)  # type: ignore[attr-defined]
    connection._sock.settimeout(SILENCE_SECONDS)  # type: ignore[attr-defined]


class _Parser:
    """Cuts the socket's bytes into packets, packets into events, and joins events into chunks."""

    def __init__(self, sock: Any, start: Position, asked: int) -> None:
        self.sock = sock
        self.file = start.file
        self.skip_until = start.offset
        self.expected = asked
        self.checksum = True
        self.ready: list[Received] = []
        self.pieces: list[memoryview | bytes] = []
        self.piece_start = asked
        self.timestamp = 0
        self.long: tuple[int, int, int] | None = None
        self.rotated = False
        if start.offset < 4:
            self._begin_file()

    def run(self) -> Iterator[Received]:
        buffer = bytearray(2 * _READ)
        filled = 0
        while True:
            count = self.sock.recv_into(memoryview(buffer)[filled:])
            if not count:
                raise ServerFailed("the server closed the binlog stream", retryable=True)
            filled += count
            with memoryview(buffer) as view:
                used, needed = self._packets(view, filled)
                self._close_chunk(complete=self.long is None)
            yield from self.ready
            self.ready.clear()
            rest = filled - used
            if needed > len(buffer):
                buffer = bytearray(buffer[used:filled]).ljust(needed + _READ, b"\0")
            elif used:
                buffer[:rest] = buffer[used:filled]
            filled = rest

    def _packets(self, view: memoryview, filled: int) -> tuple[int, int]:
        """Handles every whole packet; returns bytes used, and the room the next packet needs."""
        at = 0
        while filled - at >= 4:
            length = view[at] | view[at + 1] << 8 | view[at + 2] << 16
            if filled - at - 4 < length:
                return at, length + 4
            body = view[at + 4 : at + 4 + length]
            at += 4 + length
            if self.long is not None:
                self._continue(body, last=length < _FULL_PACKET)
                continue
            if not length or body[0]:
                self._no_event(bytes(body))
            event = body[1:]
            if length == _FULL_PACKET:
                self._begin_long(event)
            else:
                self._event(event)
        return at, 0

    def _event(self, event: memoryview) -> None:
        timestamp, kind, _, size, end, flags = HEADER.unpack_from(event)
        if size != len(event):
            raise ServerFailed(f"an event of {self.file} has {len(event)} bytes, its header says {size}")
        if (flags & ARTIFICIAL or kind in _SPECIAL) and self._handled(event, kind, end, flags):
            return
        self._place(end, size)
        if self.checksum and crc32(event[:-4]) != int.from_bytes(event[-4:], "little"):
            text = f"an event of {self.file} before {end} came damaged: its checksum differs"
            raise ServerFailed(text, retryable=True)
        self.expected += size
        if self.expected > self.skip_until:
            self.pieces.append(event)
            self.timestamp = timestamp or self.timestamp
        else:
            self.piece_start = self.expected

    def _place(self, end: int, size: int) -> None:
        # MariaDB 11.4 and later may leave the position of an event inside a transaction empty.
        if end and end != (self.expected + size) & 0xFFFFFFFF:
            raise ServerFailed(
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
        self.ready.append(Chunk(self.file, 0, 4, MAGIC, complete=True, timestamp=self.timestamp))
        self.piece_start = 4

    def _begin_long(self, event: memoryview) -> None:
        timestamp, _, _, size, end, _ = HEADER.unpack_from(event)
        self._place(end, size)
        self.timestamp = timestamp
        self.long = (size - len(event), 0, 0)
        self._add_long(event)

    def _continue(self, body: memoryview, *, last: bool) -> None:
        assert self.long is not None
        left, crc, tail = self.long
        self.long = (left - len(body), crc, tail)
        self._add_long(body)
        if not last:
            return
        left, crc, tail = self.long
        self.long = None
        if left or (self.checksum and crc != tail):
            raise ServerFailed(f"a long event of {self.file} came damaged", retryable=True)

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
        if not self.pieces:
            return
        data = b"".join(self.pieces)
        self.pieces.clear()
        end = self.piece_start + len(data)
        self.ready.append(Chunk(self.file, self.piece_start, end, data, complete, self.timestamp))
        self.piece_start = end

    def _no_event(self, body: bytes) -> None:
        if body[:1] == b"\xff":
            (code,) = struct.unpack_from("<H", body, 1)
            text = body[9:].decode(errors="replace") if body[3:4] == b"#" else body[3:].decode(errors="replace")
            if code == 1236:
                raise LogVanished(f"the server cannot send its binlog from {self.file}:{self.expected}: {text}")
            raise ServerFailed(f"the server ended the binlog stream: {text} (error {code})", retryable=True)
        raise ServerFailed("the server ended the binlog stream", retryable=True)
