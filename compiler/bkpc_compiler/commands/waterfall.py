"""Bars that begin where the one before ended."""

from __future__ import annotations

from fractions import Fraction

FULL, NOTHING, TOTAL = "█", "▏", "░"


def bar(begins: Fraction, lasts: Fraction, widest: Fraction, cells: int) -> str:
    """`cells` characters that stand for `widest`, filled from `begins` on for `lasts`; at least one of them is,
    and a thin mark is put where nothing lasts."""
    if not widest:
        return NOTHING.ljust(cells)
    first = min(int(begins * cells / widest), cells - 1)
    last = round((begins + lasts) * cells / widest)
    if not lasts:
        return (" " * first + NOTHING).ljust(cells)
    return (" " * first + FULL * max(1, last - first)).ljust(cells)


def total(lasts: Fraction, widest: Fraction, cells: int) -> str:
    """The whole bound, drawn lighter."""
    return (TOTAL * max(1, round(lasts * cells / widest) if widest else 0)).ljust(cells)
