"""Diagnostics as framed text.

error[BKP3001]: `orders` cannot be back in service within 1h after the loss of site `hangzhou`
  ┌─ policies/payments.bkp:12:45
12│   promise against site { rpo 5min   rto 1h }
  │                                       ^^ at least 5h 17min
  = help: …
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import groupby

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import SourceFile, Sources

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
    labels = [(diagnostic.primary, True), *((label, False) for label in diagnostic.secondary)]
    last_lines = [
        sources[label.span.file].position(label.span.start).line for label, _ in labels if label.span.file in sources
    ]
    width = len(str(max(last_lines, default=1)))
    paint = _Painter(colour)
    lines = [
        paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
        + paint("bold", f": {diagnostic.message}")
    ]
    for file, group in groupby(labels, key=lambda pair: pair[0].span.file):
        if file in sources:
            lines += _frame(sources[file], list(group), width, diagnostic.severity, paint)
    gutter = " " * (width + 1)
    lines += [_hanging(f"{gutter}= note: ", note) for note in diagnostic.notes]
    if diagnostic.help:
        lines.append(_hanging(f"{gutter}= help: ", diagnostic.help))
    return "\n".join(lines) + "\n"


class _Painter:
    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, style: str, text: str) -> str:
        return f"{_COLOURS[style]}{text}{_RESET}" if self.colour else text


def _hanging(lead: str, text: str) -> str:
    return lead + text.replace("\n", "\n" + " " * len(lead))


def _frame(
    source: SourceFile, labels: list[tuple[Label, bool]], width: int, severity: Severity, paint: _Painter
) -> list[str]:
    head = source.position(labels[0][0].span.start)
    gutter = " " * width
    lines = [paint("frame", f"{gutter} ┌─ ") + f"{source.path}:{head.line}:{head.column}"]
    shown = 0
    for label, primary in labels:
        start = source.position(label.span.start)
        if start.line != shown:
            lines.append(paint("frame", f"{start.line:>{width}} │ ") + _expanded(source.line(start.line)))
            shown = start.line
        lines.append(paint("frame", f"{gutter} │ ") + _underline(source, label, primary, severity, paint))
    return lines


def _underline(source: SourceFile, label: Label, primary: bool, severity: Severity, paint: _Painter) -> str:
    start = source.position(label.span.start)
    line = source.line(start.line)
    first = start.column - 1
    last = min(len(line), max(label.span.end - source.line_start(start.line), first + 1))
    before = columns(_expanded(line[:first]))
    length = max(1, columns(_expanded(line[:last])) - before)
    marks = ("^" if primary else "-") * length + (f" {label.text}" if label.text else "")
    return " " * before + paint(severity if primary else "second", marks)


def _expanded(text: str) -> str:
    return text.expandtabs(4)


def columns(text: str) -> int:
    """Terminal columns of `text`: wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
