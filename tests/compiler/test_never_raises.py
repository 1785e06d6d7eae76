"""Whatever is written, `check` answers with diagnostics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bkpc_compiler.commands.test import failures_of
from tests.compiler.one_file import check, compiled

ROOT = Path(__file__).parents[1] / "cases" / "examples"
ESTATE = (ROOT / "shop" / "estate.bkp").read_text()
SOURCES = [(ROOT / "shop" / name).read_text() for name in ("payments.bkp", "broken.bkp", "estate.bkp")]
SOURCES.append((ROOT / "local.bkp").read_text())
_WORD = re.compile(r'"[^"\n]*"|[^\s{},"]+|[{},]|\s+|"')
WORDS = sorted({word for text in SOURCES for word in _WORD.findall(text)} | {"0s", "0%", "-1", "1e9", "0bit/s", "12.5"})


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """An example with some of its words dropped, doubled or exchanged."""
    words = _WORD.findall(draw(st.sampled_from(SOURCES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        words[at : at + 1] = draw(
            st.sampled_from([[], [words[at], " ", words[at]]]) | st.sampled_from(WORDS).map(lambda word: [word])
        )
    return "".join(words)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_example(text: str) -> None:
    checked = compiled(text, estate=ESTATE)
    assert checked.analysis is not None or checked.broken
    for test in checked.program.tests if checked.program else ():
        assert checked.program is not None
        failures_of(checked.program, test)
    for one in checked.diagnostics:
        assert one.primary.span.file in checked.sources
        assert 0 <= one.primary.span.start <= one.primary.span.end <= len(checked.sources[one.primary.span.file].text)


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "{", '"', "edition", "edition 1", "#", "\x00", "policy", "protect x with y"]
)
def test_a_scrap(text: str) -> None:
    check(text)
