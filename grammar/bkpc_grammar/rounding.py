"""Spans of time as people read them: two units or so, rounded to the safe side, and sums that add up as printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor

MILLISECOND, TENTH, SECOND, MINUTE, HOUR, DAY = (
    Fraction(n, 1000) for n in (1, 100, 1000, 60_000, 3_600_000, 86_400_000)
)
_GRAINS = ((SECOND, MILLISECOND), (10 * SECOND, TENTH), (10 * MINUTE, SECOND), (48 * HOUR, MINUTE))
_FINER = (MINUTE, SECOND, MILLISECOND, MILLISECOND / 1000)


def told_up(seconds: Fraction, against: Fraction | None = None) -> str:
    """Rounded up: nobody should hope for less. `against`: finer, where it would seem to be beyond what it is not."""
    return told(_rounded(seconds, against, up=True))


def told_down(seconds: Fraction, against: Fraction | None = None) -> str:
    """Rounded down: it is at least that. `against`: finer, where it would seem not to be beyond what it is."""
    return told(_rounded(seconds, against, up=False))


def summed(parts: Sequence[Fraction], against: Fraction | None = None, *, up: bool) -> tuple[str, tuple[str, ...]]:
    """A sum and its parts in a grain that suits the smallest of them: as printed, the parts add up to the sum.

    The sum is rounded up or down; what its parts lack after they are rounded down goes to those that lost most.
    `<1ms`: less than the grain, and counted as nothing.
    """
    whole = sum(parts, start=Fraction(0))
    grain = min((_grain(part, None, up=up) for part in parts if part), default=HOUR)
    grain = min(grain, _grain(whole, against, up=up))
    shares = [floor(part / grain) for part in parts]
    lacking = (ceil if up else floor)(whole / grain) - sum(shares)
    lost = sorted(range(len(parts)), key=lambda place: (shares[place] * grain - parts[place], place))
    for place in lost[:lacking]:
        shares[place] += 1
    pairs = zip(shares, parts, strict=True)
    shown = tuple(told(share * grain) if share or not part else f"<{told(grain)}" for share, part in pairs)
    return told(sum(shares) * grain), shown


def told(seconds: Fraction) -> str:
    """Exactly, to the millionth: `7d 11s`, `5h 17min`, `9.1s`, `30ms`."""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{_decimal(seconds * 1000)}ms"
    return " ".join(_units(seconds))


def _units(seconds: Fraction) -> Iterator[str]:
    rest = seconds
    if seconds >= 48 * HOUR:
        days, rest = divmod(rest, DAY)
        yield f"{days}d"
    for unit, name in ((HOUR, "h"), (MINUTE, "min")):
        number, rest = divmod(rest, unit)
        if number:
            yield f"{number}{name}"
    if rest:
        yield f"{_decimal(rest)}s"


def _decimal(amount: Fraction) -> str:
    whole, part = divmod(round(amount * 1_000_000), 1_000_000)
    return f"{whole}.{f'{part:06}'.rstrip('0')}" if part else f"{whole}"


def _rounded(seconds: Fraction, against: Fraction | None, *, up: bool) -> Fraction:
    grain = _grain(seconds, against, up=up)
    return (ceil if up else floor)(seconds / grain) * grain


def _grain(seconds: Fraction, against: Fraction | None, *, up: bool) -> Fraction:
    """The usual one for so long a time, or the first finer one that keeps it on its side of `against`."""
    usual = next((grain for limit, grain in _GRAINS if seconds < limit), HOUR)
    if against is None:
        return usual
    for grain in (usual, *(one for one in _FINER if one < usual)):
        shown = (ceil if up else floor)(seconds / grain) * grain
        if (shown > against) == (seconds > against):
            return grain
    return _FINER[-1]
