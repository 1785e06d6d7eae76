"""Sources: text with a name, and spans that say where in it something stands."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from msgspec import Struct


class Span(Struct, frozen=True, order=True, gc=False):
    """Characters `[start, end)` of a file; `file` is the source's path as shown to people.

    `of`: whose figure it is, where several things share what stands there (a default that was measured for one).
    """

    file: str
    start: int
    end: int
    of: str = ""

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of `other`."""
        return Span(self.file, self.start, other.end)


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column, both counted from one, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One `.bkp` file. `path`: relative to the root of the run, with `/`; shipped files: `std/…`."""

    path: str
    text: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = accumulate(len(line) + 1 for line in self.text.split("\n"))
        starts = (0, *ends)[:-1]
        object.__setattr__(self, "_starts", starts)

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of line `number` (from one), without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def line_start(self, number: int) -> int:
        return self._starts[number - 1]

    def slice(self, span: Span) -> str:
        return self.text[span.start : span.end]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


Sources = Mapping[str, SourceFile]
"""Every file of a run, by path."""
