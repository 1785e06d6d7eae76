"""A log in which changes to other tables are blank: events that every server passes over, each as long as it was.

So nothing else moves: offsets, transactions and GTIDs are what they were.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.recovery.narrowing import Narrowing

_KIND_AT = 4
_FLAGS_AT = 17
_MAGIC = 4
_IGNORABLE = 28
_IGNORED = 0x80


def blanked(
    pieces: Iterable[tuple[str, int, bytes]], narrowing: Narrowing, skips_to: int
) -> Iterator[tuple[str, int, bytes]]:
    """The pieces, contiguous as they came; `skips_to` is where the first may go on after the head of its file."""
    current: _Blanking | None = None
    for file, offset, body in pieces:
        if current is None or current.file != file:
            current = _Blanking(file, narrowing)
        elif offset == skips_to and offset > current.received:
            current.skip(offset)
        yield from current.feed(offset, body)


class _Blanking:
    """One file: whole events go through; the beginning of one waits for its rest."""

    def __init__(self, file: str, narrowing: Narrowing) -> None:
        self.file, self._narrowing = file, narrowing
        self.received = 0
        self._waiting = bytearray()
        self._checksums = False
        self._names: dict[int, tuple[str, str]] = {}

    def skip(self, offset: int) -> None:
        self.received = offset
        self._waiting.clear()

    def feed(self, offset: int, body: bytes) -> Iterator[tuple[str, int, bytes]]:
        first = offset - len(self._waiting)
        self._waiting += body
        self.received = offset + len(body)
        at = _MAGIC if first == 0 and len(self._waiting) >= _MAGIC else 0
        while len(self._waiting) - at >= events.HEADER:
            size = events.size_of(bytes(self._waiting[at : at + events.HEADER]))
            if size < events.HEADER or len(self._waiting) - at < size:
                break
            self._event(at, size)
            at += size
        if at:
            yield self.file, first, bytes(self._waiting[:at])
            del self._waiting[:at]

    def _event(self, at: int, size: int) -> None:
        kind = self._waiting[at + _KIND_AT]
        if kind == events.FORMAT_DESCRIPTION:
            self._checksums = self._waiting[at + size - 5] == 1
        elif kind == events.TABLE_MAP or kind in events.ROWS:
            body = bytes(self._waiting[at + events.HEADER : at + min(size, 1024)])
            event = events.Event(self.file, 0, 0, kind, 0, 0, 0, body)
            number = events.table_number(event)
            if kind == events.TABLE_MAP:
                _, schema, table = events.table_of(event)
                self._names[number] = (schema, table)
            if not self._narrowing.holds(self._names.get(number, ("", ""))):
                self._blank(at, size)

    def _blank(self, at: int, size: int) -> None:
        self._waiting[at + _KIND_AT] = _IGNORABLE
        self._waiting[at + _FLAGS_AT] = _IGNORED
        end = at + size
        if self._checksums:
            self._waiting[end - 4 : end] = zlib.crc32(self._waiting[at : end - 4]).to_bytes(4, "little")
