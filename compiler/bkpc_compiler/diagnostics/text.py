"""Diagnostics as framed text.

error[BKP3001]: `orders` cannot be back in service within 1h after the loss of site `hangzhou`
  ┌─ policies/payments.bkp:12:45
12│   promise against site { rpo 5min   rto 1h }
  │                                       ^^ at least 5h 17min
  = help: …
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import SourceFile, Sources
from bkpc_grammar.visible import visible

_LONGEST = 140
"""Characters of a source line that are shown; the same in every terminal, so that output is."""
_BEFORE = 30
_LOOKED_AT = 20 * _LONGEST
"""Of a longer line, only this much around what is underlined is ever looked at."""
_ODD = re.compile(r"[^\x00-\x7f]")
_MOST_LABELS = 24
"""Clauses that are shown beside the one that is wrong: a chain of needs may have hundreds."""
_RESET = "\x1b[0m"
_COLOURS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "frame": "\x1b[34m",
    "second": "\x1b[36m",
    "bold": "\x1b[1m",
}


def render(diagnostics: Iterable[Diagnostic], sources: Sources, *, colour: bool = False) -> str:
    """All diagnostics, each followed by an empty line."""
    return "".join(_render_one(one, sources, colour) + "\n" for one in diagnostics)


def _render_one(diagnostic: Diagnostic, sources: Sources, colour: bool) -> str:
    labels = [(diagnostic.primary, True), *((label, False) for label in diagnostic.secondary[:_MOST_LABELS])]
    more = len(diagnostic.secondary) - _MOST_LABELS
    last_lines = [
        sources[label.span.file].position(label.span.start).line for label, _ in labels if label.span.file in sources
    ]
    width = len(str(max(last_lines, default=1)))
    paint = _Painter(colour)
    lines = [
        paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
        + paint("bold", f": {visible(diagnostic.message)}")
    ]
    for file, group in groupby(labels, key=lambda pair: pair[0].span.file):
        if file in sources:
            lines += _frame(sources[file], list(group), width, diagnostic.severity, paint)
    gutter = " " * (width + 1)
    notes = (*((f"and {more:,} more clauses: `--format json` has them all",) if more > 0 else ()), *diagnostic.notes)
    lines += [_hanging(f"{gutter}= note: ", note) for note in notes]
    if diagnostic.help:
        lines.append(_hanging(f"{gutter}= help: ", diagnostic.help))
    return "\n".join(lines) + "\n"


class _Painter:
    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, style: str, text: str) -> str:
        return f"{_COLOURS[style]}{text}{_RESET}" if self.colour else text


def _hanging(lead: str, text: str) -> str:
    return lead + visible(text).replace("\n", "\n" + " " * len(lead))


def _frame(
    source: SourceFile, labels: list[tuple[Label, bool]], width: int, severity: Severity, paint: _Painter
) -> list[str]:
    head = source.position(labels[0][0].span.start)
    gutter = " " * width
    lines = [paint("frame", f"{gutter} ┌─ ") + f"{visible(source.path)}:{head.line}:{head.column}"]
    shown: tuple[int, int, int] | None = None
    for label, primary in labels:
        line = source.position(label.span.start).line
        part = _part(source, label)
        cut = _cut(part)
        if (line, part.begins, cut) != shown:
            lines.append(paint("frame", f"{line:>{width}} │ ") + _clipped(_expanded(part.text), cut))
            shown = (line, part.begins, cut)
        lines.append(paint("frame", f"{gutter} │ ") + _underline(part, label.text, primary, severity, paint, cut))
    return lines


@dataclass(frozen=True, slots=True)
class _Part:
    """What is looked at of a line, where in the line it begins, and which of its characters are underlined."""

    text: str
    begins: int
    first: int
    last: int


def _part(source: SourceFile, label: Label) -> _Part:
    start = source.position(label.span.start)
    line = source.line(start.line)
    first = start.column - 1
    last = min(len(line), max(label.span.end - source.line_start(start.line), first + 1))
    if len(line) <= _LOOKED_AT:
        return _Part(line, 0, first, last)
    begins = max(0, first - _LOOKED_AT // 2)
    text = line[begins : begins + _LOOKED_AT]
    return _Part(text, begins, first - begins, min(last - begins, len(text)))


def _cut(part: _Part) -> int:
    """How many characters of a line too long to be shown whole are left out at its beginning."""
    whole = len(_expanded(part.text))
    if whole <= _LONGEST:
        return 0
    return max(0, min(len(_expanded(part.text[: part.first])) - _BEFORE, whole - _LONGEST))


def _clipped(line: str, cut: int) -> str:
    if len(line) <= _LONGEST:
        return line
    shown = line[cut : cut + _LONGEST]
    return ("…" + shown[1:] if cut else shown) + ("…" if cut + _LONGEST < len(line) else "")


def _underline(part: _Part, words: str, primary: bool, severity: Severity, paint: _Painter, cut: int) -> str:
    shown = _clipped(_expanded(part.text), cut)
    before = columns(shown[: len(_expanded(part.text[: part.first])) - cut])
    length = max(1, columns(shown[: len(_expanded(part.text[: part.last])) - cut]) - before)
    marks = ("^" if primary else "-") * length + (f" {visible(words)}" if words else "")
    return " " * before + paint(severity if primary else "second", marks)


def _expanded(text: str) -> str:
    return visible(text).expandtabs(4)


def columns(text: str) -> int:
    """Terminal columns of `text`: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return len(text) + sum(
        -1 if unicodedata.combining(char) else unicodedata.east_asian_width(char) in "WF" for char in _ODD.findall(text)
    )
