"""Corner cases as files: `tests/cases/corners/NAME.bkp`, each with its verdicts and bounds worked out by hand.

Their headers, one line each:

    # why: the arithmetic, in words
    # suppose: headroom 0%, retries 10%, verification 5min   figures of `std/mysql`, replaced; retries,
                                                             verification, prepares, table and starts are nothing
                                                             where not named
    # expect: shop rpo site PROVED upper 24h+4000s lower 24h    every answer of `check`, bounds where they matter;
                                                                `*` stands for every database not named otherwise
    # errors: BKP2001, BKP3001                                  every code of an error of `check`; none: it is clean
    # refused: BKP7001                                          what `compile` does not run yet, though all is proved
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.commands.test import failures_of
from bkpc_compiler.diagnostics.diagnostic import Severity
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.passes import Checked, check_sources, compile_sources
from bkpc_compiler.program import resolve
from bkpc_grammar.quantities import SECONDS

CORNERS = Path(__file__).parents[2] / "cases" / "corners"
CASES = sorted(CORNERS.glob("*.bkp"))
FEWEST = 40
_EXPECT = re.compile(r"(\S+) (rpo|rto) (\w+) (PROVED|REFUTED|UNDECIDED)(?: upper (\S+))?(?: lower (\S+))?")


@dataclass(frozen=True, slots=True)
class Expected:
    """One answer as a header has it; bounds in seconds, "none", or None where the header says nothing."""

    verdict: Verdict
    upper: str | None
    lower: str | None


def headers(text: str, kind: str) -> list[str]:
    return re.findall(rf"^# {kind}: (.*)$", text, re.MULTILINE)


def expectations(text: str) -> dict[tuple[str, str, str], Expected]:
    """By database, objective and scope."""
    found = {}
    for line in headers(text, "expect"):
        match = _EXPECT.fullmatch(line.strip())
        assert match, f"not understood: {line}"
        database, kind, scope, verdict, upper, lower = match.groups()
        found[database, kind, scope] = Expected(Verdict(verdict), upper, lower)
    return found


def codes(text: str, kind: str) -> set[str]:
    return {code.strip() for line in headers(text, kind) for code in line.split(",")}


def seconds(text: str) -> Fraction:
    """`24h+4000s`."""
    total = Fraction(0)
    for part in text.split("+"):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", part)
        assert match, f"not a time: {part}"
        total += Fraction(match[1]) * SECONDS[match[2]]
    return total


def bound_is(bound: Bound | None, wanted: str) -> bool:
    """`wanted`: "none", a time, or `<=` and a time."""
    if bound is None or wanted == "none":
        return bound is None and wanted == "none"
    if wanted.startswith("<="):
        return bound.total.amount <= seconds(wanted[2:])
    return bound.total.amount == seconds(wanted)


def in_words(answer: Answer) -> str:
    def of(bound: Bound | None) -> str:
        return f"{float(bound.total.amount)}s" if bound else "none"

    name, scope = answer.database.name, answer.promise.scope
    return f"{name} {answer.kind} {scope} {answer.verdict} upper {of(answer.upper)} lower {of(answer.lower)}"


@pytest.fixture
def standard(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """`std/mysql` with the figures that the case supposes."""
    figures = {"retries": "0%", "verification": "0s", "prepares": "0s", "table": "0s", "starts": "0s"}
    for line in headers(path.read_text(), "suppose"):
        figures |= dict(one.split() for one in line.split(","))
    written = resolve._standard

    def supposed(name: str) -> str:
        text = written(name)
        for figure, value in figures.items() if name == "std/mysql.bkp" else ():
            text, number = re.subn(rf"^(  {figure} +)\S+", rf"\g<1>{value}", text, flags=re.MULTILINE)
            assert number == 1, figure
        return text

    monkeypatch.setattr(resolve, "_standard", supposed)


def errors_of(checked: Checked) -> set[str]:
    return {one.code for one in checked.diagnostics if one.severity is Severity.ERROR}


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= FEWEST


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("standard")
def test_verdicts_and_bounds_are_as_worked_out_by_hand(path: Path) -> None:
    text = path.read_text()
    assert headers(text, "why")
    expected = expectations(text)
    checked = check_sources([path.name], FileReader(CORNERS))
    assert errors_of(checked) == codes(text, "errors"), [one.message for one in checked.diagnostics]
    used = set()
    for answer in checked.answers:
        key = (answer.database.name, answer.kind, answer.promise.scope.value)
        key = key if key in expected else ("*", *key[1:])
        assert key in expected, f"not expected: {in_words(answer)}"
        wanted = expected[key]
        used.add(key)
        assert answer.verdict is wanted.verdict, in_words(answer)
        assert wanted.upper is None or bound_is(answer.upper, wanted.upper), in_words(answer)
        assert wanted.lower is None or bound_is(answer.lower, wanted.lower), in_words(answer)
    assert used == expected.keys()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("standard")
def test_what_is_proved_compiles_to_a_verified_plan(path: Path) -> None:
    text = path.read_text()
    plan, checked = compile_sources([path.name], FileReader(CORNERS), "0")
    proved = all(one.verdict is Verdict.PROVED for one in expectations(text).values()) and not codes(text, "errors")
    if codes(text, "refused"):
        assert proved, "what is refused must be proved"
        assert errors_of(checked) == codes(text, "refused")
    assert (plan is not None) == (proved and not codes(text, "refused"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("standard")
def test_blocks_of_tests_hold(path: Path) -> None:
    checked = check_sources([path.name], FileReader(CORNERS))
    tests = checked.program.tests if checked.program else ()
    assert bool(tests) == ('\ntest "' in path.read_text() and checked.program is not None)
    for one in tests:
        assert checked.program is not None
        assert failures_of(checked.program, one) == []
