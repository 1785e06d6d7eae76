"""Spans of time as people read them: two units or so, rounded to the safe side, and sums that add up as printed.

On whole microseconds, in which every grain is counted: tens of thousands of spans are told of a large estate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

_MILLION = 1_000_000
MILLISECOND, TENTH, SECOND, MINUTE, HOUR, DAY = (1000 * n for n in (1, 100, 1000, 60_000, 3_600_000, 86_400_000))
_GRAINS = ((SECOND, MILLISECOND), (10 * SECOND, TENTH), (10 * MINUTE, SECOND), (48 * HOUR, MINUTE))
_FINER = (MINUTE, SECOND, MILLISECOND, 1)


def told_up(seconds: Fraction, against: Fraction | None = None) -> str:
    """Rounded up: nobody should hope for less. `against`: finer, where it would seem to be beyond what it is not."""
    return _spelled(_rounded(seconds, _grain(seconds, against, up=True), up=True))


def told_down(seconds: Fraction, against: Fraction | None = None) -> str:
    """Rounded down: it is at least that. `against`: finer, where it would seem not to be beyond what it is."""
    return _spelled(_rounded(seconds, _grain(seconds, against, up=False), up=False))


def summed(parts: Sequence[Fraction], against: Fraction | None = None, *, up: bool) -> tuple[str, tuple[str, ...]]:
    """A sum and its parts in a grain that suits the smallest of them: as printed, the parts add up to the sum.

    The sum is rounded up or down; what its parts lack after they are rounded down goes to those that lost most.
    `<1ms`: less than the grain, and counted as nothing.
    """
    whole = sum(parts, start=Fraction(0))
    grain = min((_grain(part, None, up=up) for part in parts if part), default=HOUR)
    grain = min(grain, _grain(whole, against, up=up))
    shares = [_rounded(part, grain, up=False) for part in parts]
    lacking = (_rounded(whole, grain, up=up) - sum(shares)) // grain
    lost = sorted(range(len(parts)), key=lambda place: (shares[place] - parts[place] * _MILLION, place))
    for place in lost[:lacking]:
        shares[place] += grain
    pairs = zip(shares, parts, strict=True)
    shown = tuple(_spelled(share) if share or not part else f"<{_spelled(grain)}" for share, part in pairs)
    return _spelled(sum(shares)), shown


def told(seconds: Fraction) -> str:
    """Exactly, to the millionth: `7d 11s`, `5h 17min`, `9.1s`, `30ms`."""
    return _spelled(round(seconds * _MILLION))


def _spelled(microseconds: int) -> str:
    if microseconds <= 0:
        return "0s"
    if microseconds < SECOND:
        return f"{_decimal(microseconds, MILLISECOND)}ms"
    return " ".join(_units(microseconds))


def _units(microseconds: int) -> Iterator[str]:
    rest = microseconds
    if microseconds >= 48 * HOUR:
        days, rest = divmod(rest, DAY)
        yield f"{days}d"
    for unit, name in ((HOUR, "h"), (MINUTE, "min")):
        number, rest = divmod(rest, unit)
        if number:
            yield f"{number}{name}"
    if rest:
        yield f"{_decimal(rest, SECOND)}s"


def _decimal(microseconds: int, unit: int) -> str:
    whole, part = divmod(microseconds, unit)
    return f"{whole}.{str(unit + part)[1:].rstrip('0')}" if part else f"{whole}"


def _rounded(seconds: Fraction, grain: int, *, up: bool) -> int:
    """Microseconds, a multiple of `grain`."""
    return _to_grain(*seconds.as_integer_ratio(), grain, up=up)


def _to_grain(whole: int, parts: int, grain: int, *, up: bool) -> int:
    """The same of so many parts of a second."""
    amount, unit = whole * _MILLION, parts * grain
    return grain * (-(-amount // unit) if up else amount // unit)


def _grain(seconds: Fraction, against: Fraction | None, *, up: bool) -> int:
    """The usual one for so long a time, or the first finer one that keeps it on its side of `against`."""
    whole, parts = seconds.as_integer_ratio()
    amount, usual = whole * _MILLION // parts, HOUR
    for limit, grain in _GRAINS:
        if amount < limit:
            usual = grain
            break
    if against is None:
        return usual
    promised, unit = against.as_integer_ratio()
    promised *= _MILLION
    beyond = whole * _MILLION * unit > promised * parts
    if (_to_grain(whole, parts, usual, up=up) * unit > promised) == beyond:
        return usual
    for grain in _FINER:
        if grain < usual and (_to_grain(whole, parts, grain, up=up) * unit > promised) == beyond:
            return grain
    return _FINER[-1]
