"""Quantities: exact values with a unit, and the text people read.

Values are fractions, never floats: a verdict may hang on the last byte. Each prints in the author's
unit where it has one, otherwise rounded for people by `human`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Self

from msgspec import Struct

from bkpc_grammar.rounding import told_down, told_up

SECONDS: dict[str, Fraction] = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
"""Units of a duration, in seconds."""

BYTES: dict[str, Fraction] = {
    "B": Fraction(1),
    **{f"{prefix}B": Fraction(1000**power) for power, prefix in enumerate(("k", "M", "G", "T", "P"), 1)},
    "KB": Fraction(1000),
    **{f"{prefix}iB": Fraction(1024**power) for power, prefix in enumerate(("K", "M", "G", "T", "P"), 1)},
}
"""Units of a size, in bytes: decimal and binary told apart."""

BITS: dict[str, Fraction] = {
    "bit": Fraction(1, 8),
    **{f"{prefix}bit": Fraction(1000**power, 8) for power, prefix in enumerate(("k", "M", "G", "T"), 1)},
}
"""Units of a number of bits, in bytes; used in rates only."""


def no_more(one: Fraction, other: Fraction) -> bool:
    """`one <= other`: whole numbers compare faster than fractions do."""
    mine, of = one.as_integer_ratio()
    theirs, each = other.as_integer_ratio()
    return mine * each <= theirs * of


class _Quantity(Struct, frozen=True, eq=False, gc=False):
    amount: Fraction
    written: str = ""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.amount == self.amount

    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return not no_more(other.amount, self.amount)

    def __le__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return no_more(self.amount, other.amount)

    def __gt__(self, other: Self) -> bool:
        return not self <= other

    def __ge__(self, other: Self) -> bool:
        return not self < other

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.amount))

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.amount + other.amount)

    def __sub__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.amount - other.amount)

    def times(self, factor: Fraction | int) -> Self:
        """This quantity multiplied by a plain number."""
        return type(self)(self.amount * factor)


class Duration(_Quantity, frozen=True, eq=False, gc=False):
    """A span of time; `amount` in seconds."""

    @property
    def seconds(self) -> Fraction:
        return self.amount

    def milliseconds_up(self) -> int:
        """Whole milliseconds, rounded up: for bounds and deadlines that must not shrink."""
        whole, parts = self.amount.as_integer_ratio()
        return -(-whole * 1000 // parts)

    def milliseconds_down(self) -> int:
        """Whole milliseconds, rounded down: for what must not be counted on for longer."""
        return self.amount.numerator * 1000 // self.amount.denominator

    def human(self, against: Duration | None = None) -> str:
        """Rounded up to what people read: `5h 17min`, `52min`, `8s`, `30ms`; finer, where it would seem to be
        beyond `against` and is not."""
        return told_up(self.amount, against.amount if against else None)

    def human_down(self, against: Duration | None = None) -> str:
        """Rounded down: of what is a lower bound; finer, where it would seem not to be beyond `against` and is."""
        return told_down(self.amount, against.amount if against else None)

    def __str__(self) -> str:
        return self.written or self.human()


class Size(_Quantity, frozen=True, eq=False, gc=False):
    """A number of bytes."""

    @property
    def bytes(self) -> Fraction:
        return self.amount

    def bytes_up(self) -> int:
        whole, parts = self.amount.as_integer_ratio()
        return -(-whole // parts)

    def human(self) -> str:
        """Binary units, three significant figures at most: `300GiB`, `1.5MiB`."""
        return _human_scaled(self.amount, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 1024)

    def over(self, rate: Rate) -> Duration:
        """How long this takes at `rate`, which must not be zero."""
        return Duration(self.amount / rate.amount)

    def __str__(self) -> str:
        return self.written or self.human()


class Rate(_Quantity, frozen=True, eq=False, gc=False):
    """Bytes per second."""

    @property
    def bytes_per_second(self) -> Fraction:
        return self.amount

    def during(self, duration: Duration) -> Size:
        """How much arrives in `duration`."""
        return Size(self.amount * duration.amount)

    def human(self) -> str:
        return _human_scaled(self.amount, ("B/s", "kB/s", "MB/s", "GB/s", "TB/s"), 1000)

    def __str__(self) -> str:
        return self.written or self.human()


class Count(_Quantity, frozen=True, eq=False, gc=False):
    """A whole number of things."""

    @property
    def number(self) -> int:
        return int(self.amount)

    def human(self) -> str:
        return f"{self.number}"

    def __str__(self) -> str:
        return self.written or self.human()


ZERO_DURATION = Duration(Fraction(0))
ZERO_RATE = Rate(Fraction(0))


def duration(amount: int | Fraction | str, unit: str = "s") -> Duration:
    """`duration(5, "min")`; a string amount may be decimal: `duration("1.5", "h")`."""
    return Duration(Fraction(amount) * SECONDS[unit], f"{amount}{unit}")


def size(amount: int | Fraction | str, unit: str = "B") -> Size:
    """`size(300, "GiB")`."""
    return Size(Fraction(amount) * BYTES[unit], f"{amount}{unit}")


def rate(amount: int | Fraction | str, unit: str = "B", per: str = "s") -> Rate:
    """`rate(2, "GiB", "h")`, `rate(1, "Gbit")`."""
    scale = BITS[unit] if unit in BITS else BYTES[unit]
    return Rate(Fraction(amount) * scale / SECONDS[per], f"{amount}{unit}/{per}")


def _human_scaled(amount: Fraction, units: tuple[str, ...], step: int) -> str:
    number, parts, index = amount.numerator, amount.denominator, 0
    while number >= step * parts and index < len(units) - 1:
        parts *= step
        index += 1
    whole, tenth = divmod(_rounded(number * 10, parts) if number < 100 * parts else _rounded(number, parts) * 10, 10)
    text = f"{whole}.{tenth}" if tenth else f"{whole}"
    return f"{text}{units[index]}"


def _rounded(number: int, parts: int) -> int:
    """As `round` does with the fraction of the two: what is halfway goes to the even one."""
    whole, rest = divmod(number, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2))
