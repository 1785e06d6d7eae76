"""Words to values: quantities with their units, strings with their escapes."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.names import circle, unknown_name
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_grammar.quantities import BITS, BYTES, SECONDS, Duration, Rate, Size

_BARE = re.compile(r"\d+(?:\.\d+)?")
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
_BYTES_OR_BITS = BYTES | BITS
_REMEMBERED = 4096
"""So many values of a kind are kept: an estate repeats its figures."""
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([^\W\d_]+)")


def wrong_value(span: Span, message: str, help_text: str | None = None) -> WrongValue:
    """BKP1001: a value of another kind than the clause takes."""
    return WrongValue(Diagnostic("BKP1001", "wrong-value", Severity.ERROR, message, Label(span), help=help_text))


class Values:
    """Reads values; `let` names stand for the words they were given."""

    def __init__(self, named: dict[str, Word]) -> None:
        self._named = named

    def _word(self, value: Clause) -> tuple[str, Span]:
        word = value.parts[0]
        assert isinstance(word, Word)
        way: list[str] = []
        given = word
        while given.kind == "NAME":
            if given.text in way:
                raise WrongValue(circle(word, (*way[way.index(given.text) :], given.text), "stands for"))
            if given.text not in self._named:
                raise unknown_name(given, "value", self._named)
            way.append(given.text)
            given = self._named[given.text]
        return given.text, word.span

    def period(self, value: Clause) -> Duration:
        """A duration that must not be nothing."""
        found = self.duration(value)
        if not found.seconds:
            raise wrong_value(value.span, "this time must be longer than nothing", "such as `5s`, `6h`, `35d`")
        return found

    def duration(self, value: Clause) -> Duration:
        text, span = self._word(value)
        found = _duration(text)
        if found is not None:
            return found
        pieces = _PIECE.findall(text)
        if _BARE.fullmatch(text):
            raise wrong_value(span, f"`{text}` has no unit", f"such as `{text}s`, `{text}min`, `{text}h`, `{text}d`")
        if not pieces or "".join(a + b for a, b in pieces) != text:
            raise wrong_value(span, f"`{text}` is not a duration", "such as `10s`, `5min`, `1h30min`, `35d`")
        unit = next(unit for _, unit in pieces if unit not in SECONDS)
        if unit == "m":
            raise wrong_value(span, "`m` may mean minutes or months", "write `min` or `mo`")
        raise wrong_value(span, f"`{unit}` is not a unit of time", f"the units are {', '.join(SECONDS)}")

    def size(self, value: Clause) -> Size:
        """The size of something that is there: never nothing."""
        found = self.burst(value)
        if not found.amount:
            raise wrong_value(value.span, "a size of nothing proves nothing", "write what it will hold")
        return found

    def burst(self, value: Clause) -> Size:
        """A size that may be nothing."""
        text, span = self._word(value)
        found = _size(text)
        if found is not None:
            return found
        if _BARE.fullmatch(text):
            raise wrong_value(span, f"`{text}` has no unit", f"such as `{text}MiB`, `{text}GiB`, `{text}TB`")
        raise wrong_value(span, f"`{text}` is not a size", "such as `64KiB`, `120GiB`, `2TB`")

    def rate(self, value: Clause) -> Rate:
        """A rate that something flows at: never nothing."""
        found = self.demand(value)
        if not found.bytes_per_second:
            raise wrong_value(value.span, "a rate of nothing moves nothing", "leave it out, or write a rate above 0")
        return found

    def demand(self, value: Clause) -> Rate:
        """A rate that may be nothing, such as the writes of a database nobody writes to."""
        text, span = self._word(value)
        found = _rate(text)
        if found is not None:
            return found
        if _BARE.fullmatch(text):
            raise wrong_value(span, f"`{text}` has no unit", f"such as `{text}Mbit/s`, `{text}MiB/s`, `{text}GiB/h`")
        raise wrong_value(span, f"`{text}` is not a rate", "such as `500Mbit/s`, `200MiB/s`, `6GiB/h`")

    def percent(self, value: Clause) -> Fraction:
        text, span = self._word(value)
        found = _percent(text)
        if found is None:
            raise wrong_value(span, f"`{text}` is not a percentage", "such as `40%`")
        return found

    def growth(self, value: Clause) -> Fraction:
        """What is added each month, as a part of what is there."""
        text, span = self._word(value)
        found = _percent(text.removesuffix("/month")) if text.endswith("/month") else None
        if found is None:
            raise wrong_value(span, f"`{text}` is not growth over a month", "such as `2%/month`")
        return found

    def quantile(self, value: Clause) -> Fraction:
        """`for 99%`: of all instants of failure."""
        found = self.percent(value)
        if not 0 < found <= 1:
            raise wrong_value(value.span, "a promise holds for more than 0% and at most 100%", "such as `for 99%`")
        return found


@lru_cache(_REMEMBERED)
def _duration(text: str) -> Duration | None:
    pieces = _PIECE.findall(text)
    if not pieces or "".join(a + b for a, b in pieces) != text or any(unit not in SECONDS for _, unit in pieces):
        return None
    return Duration(sum((_number(amount) * SECONDS[unit] for amount, unit in pieces), Fraction(0)), text)


@lru_cache(_REMEMBERED)
def _size(text: str) -> Size | None:
    match = _PIECE.fullmatch(text)
    return Size(_number(match[1]) * BYTES[match[2]], text) if match and match[2] in BYTES else None


@lru_cache(_REMEMBERED)
def _rate(text: str) -> Rate | None:
    amount, _, per = text.partition("/")
    match = _PIECE.fullmatch(amount)
    scale = _BYTES_OR_BITS.get(match[2]) if match else None
    if not match or scale is None or per not in SECONDS:
        return None
    return Rate(_number(match[1]) * scale / SECONDS[per], text)


@lru_cache(_REMEMBERED)
def _percent(text: str) -> Fraction | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    return Fraction(_number(match[1])) / 100 if match else None


def _number(text: str) -> Fraction | int:
    """Exactly what is written; a fraction of a whole number is made from it much faster than from its digits."""
    return Fraction(text) if "." in text else int(text)


def count(word: Word, least: int, most: int, what: str) -> int:
    """A whole number from `least` to `most`."""
    if not word.text.isascii() or not word.text.isdigit() or not least <= int(word.text) <= most:
        raise wrong_value(word.span, f"`{word.text}` is not {what}", f"a whole number from {least} to {most}")
    return int(word.text)


def filled(word: Word) -> str:
    """The text of a string literal that must say something."""
    text = string(word)
    if not text.strip():
        raise wrong_value(word.span, "this text is empty", None)
    return text


def string(word: Word) -> str:
    """The text a string literal stands for."""
    if "\\" not in word.text:
        return word.text[1:-1]

    def unescape(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] != "u":
            return {"n": "\n"}.get(escape, escape)
        number = int(escape[2:-1], 16)
        if number > _LAST_CHARACTER or number in _SURROGATES:
            raise wrong_value(word.span, f"`\\{escape}` is not a character", "they go up to `\\u{10FFFF}`")
        return chr(number)

    return re.sub(r"\\(u\{[0-9a-fA-F]+\}|.)", unescape, word.text[1:-1])
