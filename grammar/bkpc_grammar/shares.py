"""Of which share of all instants of failure a promise speaks: `for 99%`."""

from __future__ import annotations

from fractions import Fraction

MILLION = 1_000_000
"""All instants: a share is told in millionths."""


def percent(share: Fraction) -> str:
    """A share, a whole number of millionths, without loss: `99.95%`."""
    whole, rest = divmod(int(share * MILLION), MILLION // 100)
    return f"{whole}.{rest:04}".rstrip("0") + "%" if rest else f"{whole}%"


def for_share(millionths: int) -> str:
    """` for 99%`, behind a figure that holds in so many of a million instants; empty where it holds in all."""
    return "" if millionths == MILLION else f" for {percent(Fraction(millionths, MILLION))}"


def millionths_of(share: Fraction) -> int:
    """How a plan says it."""
    return int(share * MILLION)
