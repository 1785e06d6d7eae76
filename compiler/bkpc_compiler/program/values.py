"""Words to values: quantities with their units, strings with their escapes."""

from __future__ import annotations

import re
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_grammar.quantities import BITS, BYTES, SECONDS, Duration, Rate, Size

_PIECE = re.compile(r"(\d+(?:\.\d+)?)([^\W\d_]+)")


class WrongValue(Exception):
    """A value that can't be taken; carries the diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


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
        seen: set[str] = set()
        given = word
        while given.kind == "NAME":
            if given.text in seen or given.text not in self._named:
                raise wrong_value(word.span, f"there is no value `{word.text}`", "declare it with `let`")
            seen.add(given.text)
            given = self._named[given.text]
        return given.text, word.span

    def duration(self, value: Clause) -> Duration:
        text, span = self._word(value)
        pieces = _PIECE.findall(text)
        if not pieces or "".join(a + b for a, b in pieces) != text:
            raise wrong_value(span, f"`{text}` is not a duration", "such as `10s`, `5min`, `1h30min`, `35d`")
        total = Fraction(0)
        for amount, unit in pieces:
            if unit == "m":
                raise wrong_value(span, "`m` may mean minutes or months", "write `min` or `mo`")
            if unit not in SECONDS:
                units = ", ".join(SECONDS)
                raise wrong_value(span, f"`{unit}` is not a unit of time", f"the units are {units}")
            total += Fraction(amount) * SECONDS[unit]
        return Duration(total, text)

    def size(self, value: Clause) -> Size:
        text, span = self._word(value)
        match = _PIECE.fullmatch(text)
        if not match or match[2] not in BYTES:
            raise wrong_value(span, f"`{text}` is not a size", "such as `64KiB`, `120GiB`, `2TB`")
        return Size(Fraction(match[1]) * BYTES[match[2]], text)

    def rate(self, value: Clause) -> Rate:
        text, span = self._word(value)
        amount, _, per = text.partition("/")
        match = _PIECE.fullmatch(amount)
        scale = (BYTES | BITS).get(match[2]) if match else None
        if not match or scale is None or per not in SECONDS:
            raise wrong_value(span, f"`{text}` is not a rate", "such as `500Mbit/s`, `200MiB/s`, `6GiB/h`")
        return Rate(Fraction(match[1]) * scale / SECONDS[per], text)

    def percent(self, value: Clause) -> Fraction:
        text, span = self._word(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)%(?:/month)?", text)
        if not match:
            raise wrong_value(span, f"`{text}` is not a percentage", "such as `40%`, or `2%/month` for growth")
        return Fraction(match[1]) / 100


def string(word: Word) -> str:
    """The text a string literal stands for."""

    def unescape(match: re.Match[str]) -> str:
        escape = match[1]
        return chr(int(escape[2:-1], 16)) if escape[0] == "u" else {"n": "\n"}.get(escape, escape)

    return re.sub(r"\\(u\{[0-9a-fA-F]+\}|.)", unescape, word.text[1:-1])
