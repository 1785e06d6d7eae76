"""Words to values: quantities with their units, strings with their escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NoReturn

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.names import circle, unknown_name
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_grammar.quantities import BITS, BYTES, SECONDS, Count, Duration, Rate, Size
from bkpc_grammar.shares import MILLION
from bkpc_grammar.visible import is_hidden

_BARE = re.compile(r"\d+(?:\.\d+)?")
_WHOLE = re.compile(r"\d+")
_MOST = 10**9
_MOST_DIGITS = 18
_TOO_LONG = re.compile(rf"\d{{{_MOST_DIGITS + 1}}}")
_LONGEST = Duration(10_000 * 365 * SECONDS["d"], "10000 years")
_LARGEST = Size(4096 * BYTES["PiB"], "4096PiB")
"""A plan has whole bytes and milliseconds, in 64 bits each: what is beyond is a slip of the pen."""
_FASTEST = Rate(_LARGEST.amount, "4096PiB/s")
_HIGHEST, _STEEPEST = Fraction(10_000), Fraction(10)
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
        self._found: dict[str, str] = {}
        self._broken: dict[str, WrongValue] = {}

    def unsound(self) -> Iterator[WrongValue]:
        """Each `let` that stands for no value: for itself, or for a name that there is not; used or not."""
        for word in self._named.values():
            try:
                self._text(word)
            except WrongValue as problem:
                yield problem

    def _word(self, value: Clause) -> tuple[str, Span]:
        word = value.parts[0]
        assert isinstance(word, Word)
        return self._text(word), word.span

    def _text(self, word: Word) -> str:
        """What is written, or what a name stands for in the end."""
        way: dict[str, None] = {}
        while word.kind == "NAME" and word.text not in self._found:
            problem = self._broken.get(word.text) or self._broken_here(word, way)
            if problem is not None:
                self._broken.update(dict.fromkeys(way, problem))
                raise problem.with_traceback(None)
            way[word.text] = None
            word = self._named[word.text]
        text = self._found[word.text] if word.kind == "NAME" else word.text
        if len(text) > _MOST_DIGITS and _TOO_LONG.search(text):
            raise wrong_value(word.span, "nothing is counted with that many digits", f"at most {_MOST_DIGITS}")
        if not text.isascii() and (odd := next((char for char in text if _of_another_script(char)), None)):
            raise wrong_value(word.span, f"`{odd}` is a digit of another script", "write it with the digits 0 to 9")
        self._found.update(dict.fromkeys(way, text))
        return text

    def _broken_here(self, word: Word, way: dict[str, None]) -> WrongValue | None:
        """Why `word` stands for nothing, after those of `way`: the same for all of them."""
        if word.text in way:
            names = tuple(way)
            return WrongValue(self._circle(names[names.index(word.text) :]))
        return None if word.text in self._named else unknown_name(word, "value", self._named)

    def _circle(self, names: tuple[str, ...]) -> Diagnostic:
        """The same wherever the circle was entered, so that it is told once."""
        start = names.index(min(names))
        way = (*names[start:], *names[: start + 1])
        return circle(self._named[way[-2]], way, "stands for")

    def period(self, value: Clause) -> Duration:
        """A duration that must not be nothing."""
        found = self.duration(value)
        if not found.seconds:
            raise wrong_value(value.span, "this time must be longer than nothing", "such as `5s`, `6h`, `35d`")
        return found

    def duration(self, value: Clause) -> Duration:
        text, span = self._word(value)
        found = duration_of(text)
        if found is not None:
            return found if found <= _LONGEST else _beyond(text, span, str(_LONGEST))
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
            return found if found <= _LARGEST else _beyond(text, span, str(_LARGEST))
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
            return found if found <= _FASTEST else _beyond(text, span, str(_FASTEST))
        if _BARE.fullmatch(text):
            raise wrong_value(span, f"`{text}` has no unit", f"such as `{text}Mbit/s`, `{text}MiB/s`, `{text}GiB/h`")
        raise wrong_value(span, f"`{text}` is not a rate", "such as `500Mbit/s`, `200MiB/s`, `6GiB/h`")

    def number(self, value: Clause) -> Count:
        """How many there are: a whole number, without a unit."""
        text, span = self._word(value)
        if not _WHOLE.fullmatch(text) or not 0 < int(text) <= _MOST:
            raise wrong_value(span, f"`{text}` is not a number of things", f"a whole number from 1 to {_MOST}")
        return Count(Fraction(int(text)), text)

    def percent(self, value: Clause) -> Fraction:
        text, span = self._word(value)
        found = _percent(text)
        if found is None:
            raise wrong_value(span, f"`{text}` is not a percentage", "such as `40%`")
        return found if found <= _HIGHEST else _beyond(text, span, f"{_HIGHEST * 100}%")

    def growth(self, value: Clause) -> Fraction:
        """What is added each month, as a part of what is there."""
        text, span = self._word(value)
        found = _percent(text.removesuffix("/month")) if text.endswith("/month") else None
        if found is None:
            raise wrong_value(span, f"`{text}` is not growth over a month", "such as `2%/month`")
        return found if found <= _STEEPEST else _beyond(text, span, f"{_STEEPEST * 100}%/month")

    def quantile(self, value: Clause) -> Fraction:
        """`for 99%`: of all instants of failure."""
        found = self.percent(value)
        if not 0 < found <= 1:
            raise wrong_value(value.span, "a promise holds for more than 0% and at most 100%", "such as `for 99%`")
        if MILLION % found.denominator:
            raise wrong_value(value.span, "of a million instants that is no whole number", "such as `for 99.9999%`")
        return found


def _beyond(text: str, span: Span, most: str) -> NoReturn:
    raise wrong_value(span, f"`{text}` is beyond anything bkpc judges", f"at most {most}")


@lru_cache(_REMEMBERED)
def duration_of(text: str) -> Duration | None:
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


def _of_another_script(char: str) -> bool:
    """Whether a digit looks like another one to most people: `৪` is 4."""
    return char.isdecimal() and not char.isascii()


def count(word: Word, least: int, most: int, what: str) -> int:
    """A whole number from `least` to `most`."""
    is_whole = word.text.isascii() and word.text.isdigit() and len(word.text) <= _MOST_DIGITS
    if not is_whole or not least <= int(word.text) <= most:
        raise wrong_value(word.span, f"`{word.text}` is not {what}", f"a whole number from {least} to {most}")
    return int(word.text)


def filled(word: Word) -> str:
    """The text of a string literal that must say something that can be seen: it goes into pictures and paths."""
    text = string(word)
    if not text.strip():
        raise wrong_value(word.span, "this text is empty", None)
    hidden = None if text.isascii() and text.isprintable() else next(filter(is_hidden, text), None)
    if hidden is not None:
        raise wrong_value(word.span, f"`\\u{{{ord(hidden):x}}}` can't be seen", "write it without this character")
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
