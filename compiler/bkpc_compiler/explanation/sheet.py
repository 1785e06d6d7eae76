"""A calculation, written down cell by cell: figures that are given, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation.clauses import Clauses
from bkpc_compiler.explanation.explanation import Cell
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Count, Duration, Rate, Size

NAME = re.compile(r"[a-z_][a-z_0-9]*")
WORDS = frozenset({"ceil", "floor", "max", "min"})
"""What an expression may use beside the names of cells."""


class Sheet:
    """Cells in the order in which they can be worked out."""

    def __init__(self, clauses: Clauses) -> None:
        self.clauses = clauses
        self.cells: list[Cell] = []

    def given(
        self,
        name: str,
        value: Duration | Size | Rate | Count | Fraction | int,
        unit: str,
        note: str = "",
        span: Span | None = None,
    ) -> Fraction:
        """A figure that is declared, assumed or planned; in seconds, bytes, bytes per second."""
        amount = value.amount if isinstance(value, Duration | Size | Rate | Count) else Fraction(value)
        self.cells.append(Cell(name, amount, unit, "", note, self.clauses.source(span) if span else None))
        return amount

    def once(
        self,
        name: str,
        value: Duration | Size | Rate | Count | Fraction | int,
        unit: str,
        note: str,
        span: Span | None = None,
    ) -> Fraction:
        """A given figure that several calculations of this sheet need."""
        known = next((one for one in self.cells if one.name == name), None)
        if known is None:
            return self.given(name, value, unit, note, span)
        return known.value

    def follows(self, name: str, expression: str, value: Fraction | int, unit: str, note: str = "") -> Fraction:
        """A figure that `expression` gives."""
        self.cells.append(Cell(name, Fraction(value), unit, expression, note))
        return Fraction(value)

    def takes(
        self, bytes_: Fraction, rate: Fraction, name: str = "takes", of: tuple[str, str] = ("bytes", "rate")
    ) -> Fraction:
        """What bytes take at a reserved rate: whole milliseconds, rounded up."""
        expression = f"ceil({of[0]} * 1000 / {of[1]}) / 1000"
        return self.follows(name, expression, Fraction(ceil(bytes_ * 1000 / rate), 1000), "s")

    def add(self, cells: Iterable[Cell]) -> None:
        """Cells of another calculation, those left out that are here already."""
        self.cells += [one for one in cells if one not in self.cells]


def renamed(cells: Iterable[Cell], prefix: str) -> list[Cell]:
    """The same calculation under other names, so that two can stand in one sheet."""

    def name(found: re.Match[str]) -> str:
        return found[0] if found[0] in WORDS else f"{prefix}_{found[0]}"

    return [replace(one, name=f"{prefix}_{one.name}", expression=NAME.sub(name, one.expression)) for one in cells]
