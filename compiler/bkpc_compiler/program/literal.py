"""A measured figure as an author would write it: short, and no better for the promise than what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor

from bkpc_grammar.quantities import BITS, BYTES, SECONDS, Count, Duration, Rate, Size

Figure = Duration | Size | Rate | Count

_WRITTEN = re.compile(r"[\d.]+(?P<unit>[^\W\d]+)(?:/(?P<per>\w+))?")
_BINARY = {"B": BYTES["B"], **{unit: scale for unit, scale in BYTES.items() if unit.endswith("iB")}}
_DECIMAL = {unit: scale for unit, scale in BYTES.items() if not unit.endswith("iB") and unit != "KB"}


def literal(figure: Figure, like: Figure, *, up: bool) -> str:
    """`figure` in the units of `like`, rounded `up` or down; durations always up."""
    if isinstance(figure, Duration):
        return figure.human().replace(" ", "")
    if isinstance(figure, Count):
        return figure.human()
    match = _WRITTEN.fullmatch(like.written)
    unit, per = (match["unit"], match["per"]) if match else ("B", None)
    per = per or "s"
    amount = figure.amount * (SECONDS[per] if isinstance(figure, Rate) else 1)
    text = _scaled(amount, _family(unit), up=up)
    return f"{text}/{per}" if isinstance(figure, Rate) else text


def _family(unit: str) -> Mapping[str, Fraction]:
    if unit in BITS:
        return BITS
    return _BINARY if unit in _BINARY and unit != "B" else _DECIMAL


def _scaled(amount: Fraction, units: Mapping[str, Fraction], *, up: bool) -> str:
    unit, scale = next(iter(units.items()))
    for larger, size in units.items():
        if amount >= size:
            unit, scale = larger, size
    number = amount / scale
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    whole, rest = divmod((ceil if up else floor)(number * 10**digits), 10**digits)
    decimals = f"{rest:0{digits}}".rstrip("0") if digits else ""
    return f"{whole}.{decimals}{unit}" if decimals else f"{whole}{unit}"
