"""Diagnostics as text: the underline is below what it means, however long or wide the line is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.diagnostics.text import columns, render
from bkpc_compiler.source import SourceFile, Span


def shown(text: str, *words: str) -> list[str]:
    """The frame of a diagnostic with a label `<word>` at each word of `text`."""
    labels = [Label(Span("a.bkp", text.index(word), text.index(word) + len(word)), f"<{word}>") for word in words]
    one = Diagnostic("BKP9999", "test", Severity.ERROR, "message", labels[0], tuple(labels[1:]))
    return render([one], {"a.bkp": SourceFile("a.bkp", text)}).splitlines()


def under(lines: list[str], mark: str) -> str:
    """What stands above the run of `mark`s, by columns; the marked words are narrow."""
    at = next(number for number, line in enumerate(lines) if f"{mark} <" in line)
    start = columns(lines[at][: lines[at].index(mark)])
    length = lines[at].count(mark)
    above = next(line for line in reversed(lines[:at]) if "│ " in line and "<" not in line)
    cells = [char for char in above for _ in range(columns(char))]
    return "".join(cells[start : start + length])


def test_two_labels_on_one_line_show_it_once() -> None:
    lines = shown("policy basic { keep 14d }", "basic", "keep")
    assert sum("policy" in line for line in lines) == 1
    assert under(lines, "^") == "basic"
    assert under(lines, "-") == "keep"


@pytest.mark.parametrize("before", ["", "订单 ", "\t", "x" * 300 + " "])
def test_the_underline_is_below_the_word(before: str) -> None:
    assert under(shown(f"{before}database shop", "shop"), "^") == "shop"


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_long_line_is_clipped_around_the_word(left: int, right: int) -> None:
    lines = shown("a" * left + " word " + "b" * right, "word")
    assert under(lines, "^") == "word"
    assert max(map(len, lines)) <= 155


def test_of_hundreds_of_clauses_some_are_shown_and_the_rest_are_counted() -> None:
    lines = shown("policy basic { keep 14d }", "basic", *["keep"] * 300)
    assert sum("<keep>" in line for line in lines) == 24
    assert lines[-2].endswith("= note: and 276 more clauses: `--format json` has them all")
