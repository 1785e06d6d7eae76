"""Events of a binlog: headers walked from bytes as they come, and the few bodies that a search needs.

Formats: MySQL's `libs/mysql/binlog/event` and MariaDB's `sql/log_event.h`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.gtid import tagged_gtid

QUERY, STOP, ROTATE, FORMAT_DESCRIPTION, XID, TABLE_MAP = 2, 3, 4, 15, 16, 19
ROWS_QUERY, GTID, ANONYMOUS_GTID, PREVIOUS_GTIDS, XA_PREPARE, PAYLOAD, TAGGED_GTID = 29, 33, 34, 35, 38, 40, 42
ANNOTATE_ROWS, MARIADB_GTID, GTID_LIST, QUERY_COMPRESSED = 160, 162, 163, 165
CHECKPOINT, START_ENCRYPTION = 161, 164
STATEMENTS = frozenset({QUERY, QUERY_COMPRESSED})
"""Events with a statement in words."""
OF_THE_FILE = frozenset({STOP, ROTATE, FORMAT_DESCRIPTION, PREVIOUS_GTIDS, CHECKPOINT, GTID_LIST, START_ENCRYPTION})
"""Events that tell of the file they are in, and change nothing."""
BEGINS = frozenset({GTID, ANONYMOUS_GTID, TAGGED_GTID, MARIADB_GTID})
"""Events that begin a transaction."""
ROWS = {
    **dict.fromkeys((23, 30, 166, 169), "insert"),
    **dict.fromkeys((24, 31, 39, 167, 170), "update"),
    **dict.fromkeys((25, 32, 168, 171), "delete"),
}
"""Row events by what they do to a table, of both flavours, compressed or not."""
HEADER = 19
_MAGIC = b"\xfebin"
_KEPT = 64 * 1024
_CRC32 = 1
_STANDALONE, _WAITED = 1, 16


@dataclass(frozen=True, slots=True)
class Event:
    """One event at `[start, end)` of its file; `timestamp` in Unix seconds; `body` is cut at 64 KiB."""

    file: str
    start: int
    end: int
    kind: int
    timestamp: int
    flags: int
    server_id: int
    body: bytes


def walk(pieces: Iterable[tuple[str, int, bytes]]) -> Iterator[Event]:
    """The events in `(file, offset, bytes)` pieces that begin at offset 0 of each file.

    An event that is cut off at the end of what there is does not appear.

    Raises:
        DamagedBackup: the bytes are not a binlog.
    """
    walker = Walker("")
    for file, offset, body in pieces:
        if file != walker.file:
            walker = Walker(file)
        yield from walker.feed(offset, body)


class Walker:
    """The walk through one file; of a long event only the beginning is kept.

    `skips_to`: where an event begins that may follow the file's first segment at once.
    """

    def __init__(self, file: str, skips_to: int = 0) -> None:
        self.file = file
        self._skips_to = skips_to
        self.received = 0
        self._buffer = bytearray()
        self._at = 0
        self._checksum = 0
        self._long: Event | None = None

    @property
    def checksums(self) -> bool:
        """Whether events end in a CRC-32."""
        return self._checksum == _CRC32

    def feed(self, offset: int, body: bytes) -> Iterator[Event]:
        if offset == self._skips_to and offset > self.received:
            # What was cut off by the skip is of no use to anybody.
            self.received = self._at = offset
            self._long = None
            self._buffer.clear()
        if offset != self.received:
            raise DamagedBackup(f"the log of {self.file} does not continue at {self.received} but at {offset}")
        self.received += len(body)
        if self._long is not None:
            if self.received < self._long.end:
                return
            long, self._long = self._long, None
            self._at = long.end
            yield long
            body = body[len(body) - (self.received - long.end) :]
        self._buffer += body
        view_at = 0
        if self._at == 0 and len(self._buffer) >= len(_MAGIC):
            if self._buffer[:4] != _MAGIC:
                raise DamagedBackup(f"{self.file} does not begin like a binlog")
            view_at = self._at = 4
        while self._at and len(self._buffer) - view_at >= HEADER:
            event = self._event(view_at)
            if event is None:
                break
            if event.end > self.received:
                self._long, view_at = event, len(self._buffer)
                break
            self._at = event.end
            view_at += event.end - event.start
            yield event
        del self._buffer[:view_at]

    def _event(self, at: int) -> Event | None:
        """The event that begins at `at` of the buffer; None while too little of it is there."""
        timestamp, kind, server_id, size, _, flags = struct.unpack_from("<IBIIIH", self._buffer, at)
        if size < HEADER:
            raise DamagedBackup(f"at {self._at} of {self.file} there is no event")
        there = len(self._buffer) - at
        if there < size and (there < HEADER + _KEPT or size < HEADER + _KEPT + 4):
            return None
        last = at + size - self._trailer(kind, at, size)
        kept = bytes(self._buffer[at + HEADER : min(last, at + HEADER + _KEPT)])
        return Event(self.file, self._at, self._at + size, kind, timestamp, flags, server_id, kept)

    def _trailer(self, kind: int, at: int, size: int) -> int:
        if kind == FORMAT_DESCRIPTION:
            self._checksum = self._buffer[at + size - 5]
            return 5
        return 4 if self.checksums else 0


def size_of(header: bytes) -> int:
    """How long an event is, by its first bytes."""
    return int.from_bytes(header[9:13], "little")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in the log, with the schema that was current; `sql_mode` in the server's own bits."""

    schema: str
    text: str
    sql_mode: int = 0


def statement_of(event: Event) -> Statement:
    """The statement of a QUERY event of either flavour; text beyond 64 KiB is cut."""
    schema_length, status_length = struct.unpack_from("<8xBxxH", event.body)
    schema_at = 13 + status_length
    schema = event.body[schema_at : schema_at + schema_length]
    text = event.body[schema_at + schema_length + 1 :]
    if event.kind == QUERY_COMPRESSED:
        length_bytes = text[0] & 0x07
        text = zlib.decompressobj().decompress(text[1 + length_bytes :], _KEPT)
    mode = _sql_mode(event.body[13:schema_at])
    return Statement(schema.decode("utf-8", "replace"), text.decode("utf-8", "replace"), mode)


def text_at(event: bytes) -> int:
    """Where the text of a whole QUERY event begins."""
    schema_length, status_length = struct.unpack_from("<8xBxxH", event, HEADER)
    return HEADER + 13 + int(status_length) + int(schema_length) + 1


def _sql_mode(status: bytes) -> int:
    """Of the status variables of a statement: flags (0) come first, the mode (1) follows."""
    at = 5 if status[:1] == b"\0" else 0
    return int.from_bytes(status[at + 1 : at + 9], "little") if status[at : at + 1] == b"\1" else 0


def table_of(event: Event) -> tuple[int, str, str]:
    """Number, schema and name of the table that a TABLE_MAP event announces."""
    number = int.from_bytes(event.body[:6], "little")
    schema_length = event.body[8]
    schema = event.body[9 : 9 + schema_length]
    at = 9 + schema_length + 1
    table = event.body[at + 1 : at + 1 + event.body[at]]
    return number, schema.decode("utf-8", "replace"), table.decode("utf-8", "replace")


def table_number(event: Event) -> int:
    """The number of the table that a row event changes."""
    return int.from_bytes(event.body[:6], "little")


def gtid_of(event: Event) -> str:
    """The GTID that an event of `BEGINS` announces; empty for anonymous ones."""
    if event.kind == MARIADB_GTID:
        sequence, domain = struct.unpack_from("<QI", event.body)
        return f"{domain}-{event.server_id}-{sequence}"
    if event.kind == GTID:
        source = event.body[1:17].hex()
        number = int.from_bytes(event.body[17:25], "little")
        return f"{source[:8]}-{source[8:12]}-{source[12:16]}-{source[16:20]}-{source[20:]}:{number}"
    if event.kind == TAGGED_GTID:
        return tagged_gtid(event.body)[0]
    return ""


def opens_block(event: Event) -> bool:
    """Whether statements up to a COMMIT belong to what this event of `BEGINS` announces (MariaDB's flag)."""
    return event.kind == MARIADB_GTID and len(event.body) > 12 and not event.body[12] & _STANDALONE


def waited(event: Event) -> bool:
    """Whether what this event of `BEGINS` announces has waited for a row's lock (MariaDB's flag)."""
    return event.kind == MARIADB_GTID and len(event.body) > 12 and bool(event.body[12] & _WAITED)


def ended(event: Event) -> int:
    """When the statement of a QUERY event was done, in Unix seconds by the server's clock, not its session's."""
    return event.timestamp + int.from_bytes(event.body[4:8], "little", signed=True)


def commit_microseconds(event: Event) -> int | None:
    """MySQL's own commit time in Unix microseconds, from a GTID event; None where it is not said."""
    if event.kind in {GTID, ANONYMOUS_GTID} and len(event.body) >= 49:
        return int.from_bytes(event.body[42:49], "little") & ((1 << 55) - 1)
    if event.kind == TAGGED_GTID:
        return tagged_gtid(event.body)[1] or None
    return None
