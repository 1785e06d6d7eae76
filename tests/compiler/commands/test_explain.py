"""`bkpc explain`: what it prints, that a machine can work all of it out again, and what it says to a wrong question.

`BKPC_RENEW=1 pytest tests/compiler/commands/test_explain.py` renews the golden files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bkpc_compiler.commands.explanation_json import exact
from bkpc_compiler.commands.explanation_text import NARROWEST, PROVENANCE, Look, as_text, number, wrap
from bkpc_compiler.commands.source_files import judge_files
from bkpc_compiler.commands.waterfall import bar
from bkpc_compiler.diagnostics.text import columns
from bkpc_compiler.explanation.explain import explain
from bkpc_compiler.explanation.explanation import Explanation
from bkpc_compiler.main import main
from bkpc_compiler.program.model import Origin
from tests.compiler.explanation.recomputed import worked_out

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "tests" / "cases" / "examples"
PAYMENTS, BROKEN, LOCAL = EXAMPLES / "shop" / "payments.bkp", EXAMPLES / "shop" / "broken.bkp", EXAMPLES / "local.bkp"
POLICIES = sorted((ROOT / "policies").glob("*.bkp"))
SHIPPED = [LOCAL, PAYMENTS, BROKEN, *POLICIES]
GOLDEN = {
    "shop_of_local_at_80": (80, ["shop", str(LOCAL)]),
    "orders_against_site_at_120": (120, ["orders", "--against", "site", str(PAYMENTS)]),
    "orders_of_broken_at_60": (60, ["orders", str(BROKEN)]),
}


def run(*arguments: str, width: int = 100, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bkpc_compiler.main", "explain", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": str(width), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_it_prints_what_it_printed(name: str) -> None:
    width, arguments = GOLDEN[name]
    shown = run(*arguments, width=width, PYTHONHASHSEED="1")
    assert (shown.returncode, shown.stderr) == (0, "")
    golden = ROOT / "tests" / "cases" / "explain" / f"{name}.text"
    if os.environ.get("BKPC_RENEW"):
        assert not os.environ.get("CI"), "golden files are renewed by hand, never in CI"
        golden.write_text(shown.stdout)
    assert shown.stdout == golden.read_text()
    assert run(*arguments, width=width, PYTHONHASHSEED="2").stdout == shown.stdout


# ---------------------------------------------------------------- a machine adds it up


def documents(path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What is said of every database of `path` that has a promise."""
    analysis = judge_files([str(path)]).analysis
    assert analysis is not None
    found = []
    for name in dict.fromkeys(one.database.name for one in analysis.answers):
        assert main(["explain", name, str(path), "--format", "json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    return found


def objectives(document: dict[str, Any]) -> list[tuple[tuple[str, str, str], dict[str, Any]]]:
    return [
        ((document["database"], failure["scope"], one["objective"]), one)
        for failure in document["failures"]
        for one in failure["objectives"]
    ]


def check_bound(one: dict[str, Any], which: str) -> None:
    """Terms begin where the one before ended, and add up to the bound; each is worked out from its figures."""
    terms, total = one[which], one[f"{which}_seconds"]
    if terms is None:
        assert total is one[f"{which}_ms"] is None
        assert one["remarks"]
        return
    reached = Fraction(0)
    for term in terms:
        assert Fraction(term["begins_seconds"]) == reached
        reached += Fraction(term["seconds"])
        check_working(term)
    assert reached == Fraction(total)
    assert sum(term["ms"] for term in terms) == one[f"{which}_ms"]


def check_working(term: dict[str, Any]) -> None:
    known: dict[str, Fraction] = {}
    for cell in term["working"]:
        value = Fraction(cell["value"])
        if cell["expression"]:
            assert worked_out(cell["expression"], known) == value, cell
        known[cell["name"]] = value
    if known:
        assert list(known.values())[-1] == Fraction(term["seconds"]), term
    if re.match(r"(.*: )?(load|replay) .*:", term["label"]) and Fraction(term["seconds"]):
        assert known["bytes"] > 0
        if "rate" in known:  # reserved: whole milliseconds, rounded up
            assert 0 <= known["takes"] - known["bytes"] / known["rate"] < Fraction(1, 1000)
        else:
            assert known["takes"] == known["bytes"] / known["capacity"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_answer_of_what_is_shipped_adds_up(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(path), "--format", "json"]) in {0, 1}
    checked = {
        (one["database"], one["scope"], one["objective"]): one
        for one in json.loads(capsys.readouterr().out)["verdicts"]
    }
    transfers = 0
    for document in documents(path, capsys):
        for key, one in objectives(document):
            said = checked.pop(key)
            names = ("verdict", "promised_ms", "at_most_ms", "at_least_ms")
            assert {name: one[name] for name in names} == {name: said[name] for name in names}
            check_bound(one, "at_most")
            check_bound(one, "at_least")
            transfers += sum("takes" in {cell["name"] for cell in term["working"]} for term in one["at_most"] or ())
            if one["at_most"] is not None:
                assert Fraction(one["margin_seconds"]) == Fraction(one["promised_seconds"]) - Fraction(
                    one["at_most_seconds"]
                )
        check_reservations(document)
    assert not checked, "answers that nothing explained"
    assert transfers or path == BROKEN


def check_reservations(document: dict[str, Any]) -> None:
    """A slot has room for its bytes at its rate; one line is chosen, and every other says why not."""
    for failure in document["failures"]:
        for job in failure["jobs"]:
            taken = -(-job["bytes"] * 1000 // job["bytes_per_second"])
            assert Fraction(job["slot_seconds"]) == Fraction(taken, 1000) + Fraction(job["beside_seconds"])
        assert [line["why_not"] is None for line in failure["lines"]] == [line["chosen"] for line in failure["lines"]]
        assert [line["chosen"] for line in failure["lines"]].count(True) == 1


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_term_that_costs_time_names_a_clause_and_whose_figure_it_is(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for document in documents(path, capsys):
        for _, one in objectives(document):
            for term in [*(one["at_most"] or ()), *(one["at_least"] or ())]:
                assert term["sources"] or Fraction(term["seconds"]) == 0, term
                for source in term["sources"]:
                    assert re.fullmatch(r"[\w/.]+\.bkp:\d+", source["where"])
                    assert source["provenance"] == ("std" if source["where"].startswith("std/") else "declared")


def test_every_number_of_a_diagnostic_is_in_the_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(BROKEN)]) == 1
    told = capsys.readouterr().out
    found = re.findall(r"(?:-+|\^+) (?:at least )?((?:\d+\w+ ?)+)", told)
    labels = {one.strip() for one in found}
    assert {"25h 25min", "24h", "43min", "42min", "5h", "25min", "5h 25min"} <= labels
    assert main(["explain", "orders", str(BROKEN)]) == 0
    explained = capsys.readouterr().out
    assert {one for one in labels if one not in explained} == set()


def test_every_key_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "explain.md").read_text()

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for one in value.values() for key in keys(one)}
        return {key for one in value for key in keys(one)} if isinstance(value, list) else set()

    used = {key for path in SHIPPED for document in documents(path, capsys) for key in keys(document)}
    assert len(used) > 30
    assert {key for key in used if f"`{key}`" not in page} == set()


def test_the_page_shows_what_is_printed() -> None:
    page = (ROOT / "docs" / "explain.md").read_text()
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    printed = run("shop", str(LOCAL), width=100).stdout
    assert shown in printed


# ---------------------------------------------------------------- questions without an answer


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["shpo", str(LOCAL)], 2, "there is no database `shpo` (did you mean `shop`?)"),
        (["ledger", str(LOCAL)], 2, "there is no database `ledger`; there are shop"),
        (["checkout", str(PAYMENTS)], 2, "`checkout` is a group; name one of its databases: accounts, orders"),
        (["orders", "--against", "sites", str(PAYMENTS)], 2, "there is no scope `sites` (did you mean `site`?)"),
        (
            ["orders", "--against", "host", str(BROKEN)],
            2,
            "nothing is promised for `orders` against host, only against",
        ),
        (["config", str(BROKEN)], 2, "nothing is promised for `config`: `protect config with …`"),
        (["orders", "nowhere"], 2, "nowhere does not exist"),
        (["BKP3001", str(LOCAL)], 2, "it is a diagnostic: `bkpc explain BKP3001` alone shows its page"),
        (["BKP9999"], 2, "there is no diagnostic 'BKP9999'"),
        (["rto-unreachabel", "--against", "site", str(LOCAL)], 2, "there is no database `rto-unreachabel`"),
    ],
)
def test_what_cannot_be_explained_says_why(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert shown.err.count("\n") == 1


def test_a_name_that_nothing_has(tmp_path: Path) -> None:
    shown = run("rto-unreachabel", cwd=tmp_path)
    assert shown.returncode == 2
    assert "there is no diagnostic 'rto-unreachabel' (did you mean rto-unreachable?), and no .bkp file" in shown.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_policies_with_errors_are_told_instead(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bkp").write_text(LOCAL.read_text().replace("to disk\n", "to dsik\n", 1))
    assert main(["explain", "shop", str(tmp_path), "--format", form]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error[BKP1002]" in shown.err
    assert shown.err.endswith("before the errors above are mended\n")


def test_a_refuted_promise_is_explained_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "orders", str(BROKEN)]) == 0
    assert "REFUTED" in capsys.readouterr().out


def test_a_name_of_both_is_a_diagnostics_unless_more_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = LOCAL.read_text().replace("database shop", "database no-way").replace("protect shop", "protect no-way")
    (tmp_path / "both.bkp").write_text(text)
    monkeypatch.chdir(tmp_path)
    titles = {path.read_text().split()[2]: path for path in (ROOT / "docs" / "errors").glob("*.md")}
    assert "no-way" in titles
    assert main(["explain", "no-way"]) == 0
    assert capsys.readouterr().out.rstrip() == titles["no-way"].read_text().rstrip()
    for arguments in (["both.bkp"], ["--against", "corruption"], ["--against", "corruption", "both.bkp"]):
        assert main(["explain", "no-way", *arguments]) == 0
        assert capsys.readouterr().out.startswith("`no-way` against corruption:")


def test_a_page_loads_nothing_heavy() -> None:
    heavy = ("lark", "networkx", "msgspec", "bkpc_runtime", "bkpc_compiler.feasibility", "bkpc_compiler.explanation")
    command = [sys.executable, "-X", "importtime", "-m", "bkpc_compiler.main", "explain", "BKP3001"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("# BKP3001 ")
    imported = [line.rpartition("|")[2].strip() for line in shown.stderr.splitlines() if "|" in line]
    assert not [name for name in imported if name.startswith(heavy)]


# ---------------------------------------------------------------- how it looks


def explanation_of(path: Path, database: str) -> Explanation:
    checked = judge_files([str(path)])
    assert checked.analysis is not None
    return explain(checked.analysis, database, None, checked.place_of)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = as_text(explanation_of(PAYMENTS, "orders"), Look(width))
    assert [line for line in text.splitlines() if columns(line) > max(width, NARROWEST)] == []


def test_colour_changes_nothing_else() -> None:
    explanation = explanation_of(BROKEN, "orders")
    coloured = as_text(explanation, Look(100, colour=True))
    assert coloured.count("\x1b[") > 10
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == as_text(explanation, Look(100))


def test_a_stream_without_blocks_gets_a_plain_waterfall() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "bkpc_compiler.main", "explain", "orders", str(PAYMENTS), "--against", "site"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "100"},
        check=True,
    )
    text = shown.stdout.decode("ascii")
    assert "####" in text
    assert "\\u" not in text
    assert "floor(left * 12 / 16)" in text


def test_bars_begin_where_the_one_before_ended() -> None:
    parts = [Fraction(part) for part in (3, 5, 0, 7, 25)]
    reached, drawn = Fraction(0), []
    for part in parts:
        drawn.append(bar(reached, part, Fraction(40), 20))
        reached += part
    assert [len(one) for one in drawn] == [20] * 5
    assert drawn[0] == "██".ljust(20)
    assert drawn[2] == "    ▏".ljust(20)
    assert drawn[4].endswith("█")
    assert bar(Fraction(0), Fraction(0), Fraction(0), 4) == "▏   "
    assert bar(Fraction(40), Fraction(1, 1000), Fraction(40), 20).count("█") == 1


def test_numbers() -> None:
    assert exact(Fraction(5)) == "5"
    assert exact(Fraction(3, 100)) == "0.03"
    assert exact(Fraction(-1, 8)) == "-0.125"
    assert exact(Fraction(2, 3)) == "2/3"
    assert all(Fraction(exact(one)) == one for one in (Fraction(7, 640), Fraction(1, 3), Fraction(-12345, 1000)))
    assert number(Fraction(1_234_567)) == "1,234,567"
    assert number(Fraction(-5, 2)) == "-2.5"
    assert number(Fraction(2, 3)) == "≈0.666666667"


def test_words_are_broken_at_blanks() -> None:
    assert wrap("one  two three", 8, 0) == ["one  two", "three"]
    assert wrap("one two three", 9, 2) == ["one two", "three"]
    assert wrap("数据库 数据库", 6, 0) == ["数据库", "数据库"]
    assert wrap("", 5, 0) == [""]


def test_every_provenance_has_words() -> None:
    assert set(PROVENANCE) == set(Origin)
