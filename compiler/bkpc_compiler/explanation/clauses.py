"""From spans to clauses with their place and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bkpc_compiler.explanation.explanation import Source
from bkpc_compiler.program.model import Given, Origin, Program
from bkpc_compiler.source import Span

if TYPE_CHECKING:
    from datetime import date

LineOf = Callable[[Span], tuple[str, str]]
"""The place (`file:line`) and the text of a span."""


class Clauses:
    """The clauses of one program; each looked up once."""

    def __init__(self, program: Program, line_of: LineOf, today: date | None = None) -> None:
        self._program = program
        self._measured = {one.span: one.told(today) for one in program.measured}
        self._line_of = line_of
        self._known: dict[Span, Source] = {}

    def source(self, span: Span) -> Source:
        """The clause at `span`."""
        if span not in self._known:
            where, text = self._line_of(span)
            measured = self._measured.get(span, "")
            self._known[span] = Source(where, " ".join(text.split()), self._origin(span), measured)
        return self._known[span]

    def sources(self, spans: Iterable[Span]) -> tuple[Source, ...]:
        """Each clause once, in the order of `spans`."""
        return tuple(dict.fromkeys(self.source(one) for one in spans))

    def _origin(self, span: Span) -> Origin:
        if span in self._measured:
            return Origin.MEASURED
        if span.file.startswith("std/"):
            return Origin.STANDARD
        return self._unusual.get(span, Origin.DECLARED)

    @cached_property
    def _unusual(self) -> dict[Span, Origin]:
        """Figures that are neither declared nor of `std`: measured, or set by a test."""
        program = self._program
        holders: list[object] = [program, *program.stores, *program.links, *program.accounts]
        for database in program.databases:
            holders += [database, *database.standbys]
        figures = (value for one in holders for value in _values(one))
        known = {Origin.DECLARED, Origin.STANDARD}
        return {one.span: one.origin for one in figures if isinstance(one, Given) and one.origin not in known}


def _values(holder: object) -> Iterable[object]:
    assert is_dataclass(holder)
    return (getattr(holder, field.name) for field in fields(holder))
