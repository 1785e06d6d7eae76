"""The quick reading of text agrees with lark's: the same trees, and the same refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.source import SourceFile
from bkpc_compiler.syntax.grammar import build
from bkpc_compiler.syntax.parser import STATEMENT, grammatical, parse_by_lark
from bkpc_compiler.syntax.tree import Clause
from bkpc_compiler.syntax.well_formed import statements_of

ROOT = Path(__file__).parents[3]
_EXAMPLE = re.compile(r"^```bkp\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|\s+|[^\W\d]\w*(?:-\w+)*|\d[^\s{},()]*|<=|>=|==|!=|--|->|.', re.DOTALL)
EVERYTHING = """\
let slow = 10min
link a -> b { latency 3ms }
database d-1 at a { labels { full "x" at "y" } needs e, f  tls off ca "p" }
policy p extends q {
  promise against host, site { rpo 10s for 99% rto slow }
  incremental every 6h to full  full weekly on monday at 2:30 within 1h30min to to
  hot sync to 2 of a, b every 5s on outage degrade after 1min
  cold monthly on 3 at 03:00 from a to b
  flow { limit 1MiB/s lag warn 5s fail 1min size hold 40% verify every backup drill hourly }
  encrypt transfer, rest to "age1", "age2"
}
protect databases where env == "prod" and not (team != "x" or a == "b" and c == "d") with p { keep 3 daily, 5d }
require every database where a == "b" { rpo <= 10s against host keep > 3d survives site encrypt rest }
waive w on d until 2027-01-31 because "so"
test "t" { given link a -- b { bandwidth 1Gbit/s } given d { size 1B } expect d rpo against site <= 3s }
retire d keep 3y because "…"
"""


def _texts() -> Iterator[str]:
    """Every text of the language in the repository."""
    for folder in ("grammar", "tests"):
        yield from (path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.bkp")))
    for page in sorted((ROOT / "docs").rglob("*.md")):
        yield from (match[1] for match in _EXAMPLE.finditer(page.read_text(encoding="utf-8")))
    yield EVERYTHING


TEXTS = list(_texts())
WORDS = sorted(
    {word for text in TEXTS for word in _PIECE.findall(text)} | {"\ufeff", "", '"', "\\", "2026-02-30", "=="}
)


def _agrees(text: str) -> bool:
    """Whether lark takes `text`, once the two are seen to agree on it and on what is to be said of it."""
    source = SourceFile("a.bkp", text)
    expected = parse_by_lark(source, 0, len(text))
    found = statements_of("a.bkp", text, 0, len(text))
    parsed = grammatical(source)
    if isinstance(expected, Diagnostic):
        assert found is None
        assert (parsed.statements, parsed.found) == _statement_by_statement(source, expected)
        return False
    assert found == expected
    assert (parsed.statements, parsed.found, parsed.unread) == (expected, (), frozenset())
    return True


def _statement_by_statement(source: SourceFile, whole: Diagnostic) -> tuple[tuple[Clause, ...], tuple[Diagnostic, ...]]:
    starts = sorted({0, len(source.text), *(match.start() for match in STATEMENT.finditer(source.text))})
    parts = [parse_by_lark(source, start, end) for start, end in pairwise(starts)]
    statements = [one for part in parts if not isinstance(part, Diagnostic) for one in part]
    return tuple(statements), tuple(part for part in parts if isinstance(part, Diagnostic)) or (whole,)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A text with some of its words dropped, doubled, exchanged, or moved together."""
    pieces = _PIECE.findall(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(pieces) - 1))
        other = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "replace", "glue"])):
            case "drop":
                pieces[at] = ""
            case "double":
                pieces[at] += f" {pieces[at]}"
            case "swap":
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "replace":
                pieces[at] = draw(st.sampled_from(WORDS))
            case "glue":
                pieces[at : at + 6] = [piece for piece in pieces[at : at + 6] if piece.strip()] or [""]
    return "".join(pieces)


def test_whatever_is_written_here() -> None:
    assert len(TEXTS) > 60
    assert sum(_agrees(text) for text in TEXTS) > 60
    assert _agrees(EVERYTHING)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_text(text: str) -> None:
    _agrees(text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(from_lark(build()))
def test_any_sentence_of_the_grammar(text: str) -> None:
    _agrees(text)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        (" # only a remark", True),
        ("\ufeffedition 1\r\n", True),
        ("edition1", True),
        ('site a{region"x"}', True),
        ("policy p { full daily at02:30 to a }", True),
        ("policy p { keep35d,12monthly lock3d }", True),
        ("policy p { keep 2 dailyx }", False),
        ("database region at site { size 1B }", True),
        ("link a->b { latencyx }", True),
        ("link a--b{latency 1s}", True),
        ("link a-b--c { }", True),
        ("group g { rpo, rto, sync }", True),
        ('test "t" { expect rpo rpo==1s }', False),
        ('test "t" { expect rpo rpo against rto==1s }', True),
        ("edition 2026-01-01", False),
        ("edition 1 edition", False),
        ("edition 1 }", False),
        ('site a { region "x', False),
        ('timezone "\\u{41}\\n"', True),
        ('timezone "\\q"', False),
    ],
)
def test_words_that_touch_or_are_elsewhere_keywords(text: str, fits: bool) -> None:
    assert _agrees(text) == fits
