"""A dump of many tables, cut into one piece per table while it streams by.

The dump tools escape line ends in values, so a marker line can't come from a row. It could come from a
definition; a marker for an object that is not expected, or was seen, fails rather than cuts wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bkpc_runtime.errors import ToolFailed

_NAME = rb"`((?:[^`\n]|``|\n-- )*)`"
_MARK = re.compile(rb"\n--\n-- (Current Database|Table structure for table): " + _NAME + rb"\n--\n|"
                   rb"\n--\n-- (Table structure for table) " + _NAME + rb"\n--\n")  # fmt: skip
_HINT = b"\n--\n-- "
_LONGEST_MARK = 1024
_END = b"\n/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n"
_DONE = b"\n-- Dump completed"


@dataclass(frozen=True, slots=True)
class Piece:
    """Where the following bytes belong: a table, or (with an empty table) what creates its schema."""

    schema: str
    table: str


class Splitter:
    """Feed it chunks; `begin(piece)` and `write(bytes)` are called in turn. `prologue` is what comes first."""

    def __init__(
        self,
        expected: Iterable[Piece],
        begin: Callable[[Piece], None],
        write: Callable[[bytes], None],
    ) -> None:
        self._expected = set(expected)
        self._begin, self._write = begin, write
        self._schema = ""
        self._started = False
        self._waiting = b""
        self.prologue = b""
        self._epilogue: bytes | None = None

    def feed(self, chunk: bytes) -> None:
        data = self._waiting + chunk
        at = 0
        while (found := data.find(_HINT, at)) >= 0:
            if len(data) - found < _LONGEST_MARK:
                break
            at = self._maybe_mark(data, at, found)
        keep = found if found >= 0 else max(at, len(data) - _LONGEST_MARK)
        self._pass(data[at:keep])
        self._waiting = data[keep:]

    def finish(self) -> None:
        """The dump has ended; raises `ToolFailed` unless it is whole and held everything expected."""
        data, at = self._waiting, 0
        while (found := data.find(_HINT, at)) >= 0:
            at = self._maybe_mark(data, at, found)
        end = data.rfind(_END, at)
        if end < 0 or data.find(_DONE, end) < 0:
            raise ToolFailed("the dump has no end: the tool stopped before it was done", retryable=True)
        self._pass(data[at : end + 1])
        if self._expected:
            missing = ", ".join(sorted(f"{one.schema}.{one.table}".rstrip(".") for one in self._expected)[:5])
            raise ToolFailed(f"the dump lacks {missing}: the schema changed while it ran", retryable=True)

    def _maybe_mark(self, data: bytes, at: int, found: int) -> int:
        mark = _MARK.match(data, found)
        if not mark:
            self._pass(data[at : found + 1])
            return found + 1
        kind = mark[1] or mark[3]
        quoted = mark[2] if mark[1] else mark[4]
        # The tools go on with a comment where a name has a line end.
        name = quoted.replace(b"``", b"`").replace(b"\n-- ", b"\n").decode("utf-8", "surrogateescape")
        piece = Piece(name, "") if kind == b"Current Database" else Piece(self._schema, name)
        if piece not in self._expected:
            raise ToolFailed(
                f"the dump names {piece.schema}.{piece.table} where it was not expected: "
                "the schema changed while it ran, or a definition imitates the dump's own comments",
                retryable=True,
            )
        self._expected.remove(piece)
        self._pass(data[at : found + 1])
        self._schema = piece.schema
        self._started = True
        self._begin(piece)
        return found + 1

    def _pass(self, data: bytes) -> None:
        if not data:
            return
        if self._started:
            self._write(data)
        else:
            self.prologue += data
