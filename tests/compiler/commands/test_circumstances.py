"""`--facts`, `--today` and `--horizon`: taken alike by every command that reads policies, and refused in words."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bkpc_compiler.commands import given_file
from bkpc_compiler.main import main
from bkpc_grammar.canonical import canonical_bytes, read_plan
from tests.compiler.backends.html_page import assert_sound
from tests.compiler.backends.made import made_plan
from tests.compiler.facts_made import document, fact

SHOP = Path(__file__).parents[2] / "cases" / "examples" / "shop"
PAYMENTS, FACTS = str(SHOP / "payments.bkp"), str(SHOP / "facts.json")
COMMANDS = ("check", "compile", "report", "graph", "runbook", "test")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_document_that_is_none_is_told_with_its_place(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "facts.json"
    facts.write_bytes(document(fact("database", "orders", "size", 1.5)))  # type: ignore[arg-type]
    assert main([command, PAYMENTS, "--facts", str(facts)]) == 2
    shown = capsys.readouterr()
    says = f"{facts} is not a document of measured figures: Expected `int`, got `float` - at `$.facts[0].value`"
    assert (shown.out, shown.err) == ("", f"bkpc {command}: {says}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_document_that_is_not_there_is_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, PAYMENTS, "--facts", "/nowhere/facts.json"]) == 2
    assert capsys.readouterr().err == f"bkpc {command}: /nowhere/facts.json can't be read: No such file or directory\n"


def test_a_pipe_is_read_where_somebody_writes_and_told_where_nobody_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_file, "_PATIENCE_MS", 200)
    pipe = tmp_path / "facts.json"
    os.mkfifo(pipe)
    assert main(["check", PAYMENTS, "--facts", str(pipe)]) == 2
    assert capsys.readouterr().err == f"bkpc check: {pipe} can't be read: it is a pipe, and nothing writes to it\n"
    monkeypatch.setattr(given_file, "_PATIENCE_MS", 20_000)
    slow = b"restores" * 20_000  # more than a pipe holds
    body = document(fact("database", "orders", "restores", 10 * 1024**2)).replace(b"{", b"{ " + b" " * len(slow), 1)
    for before in (0.2, 0.0):
        writer = threading.Thread(target=written, args=(pipe, before, body))
        writer.start()
        assert main(["check", PAYMENTS, "--facts", str(pipe)]) == 1
        writer.join()
        assert "error[BKP3001]: `orders` cannot be back in service" in capsys.readouterr().out


def written(pipe: Path, before: float, body: bytes) -> None:
    """In two goes, the first after a while."""
    time.sleep(before)
    with pipe.open("wb", buffering=0) as opened:
        time.sleep(0.2)
        opened.write(body[:9])
        time.sleep(0.2)
        opened.write(body[9:])


@pytest.mark.parametrize("given", ["/dev/stdin", "<(cat facts.json)", "<(sleep 0.3; cat facts.json)"])
def test_a_document_from_the_shell(given: str, tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_bytes(document(fact("database", "orders", "restores", 10 * 1024**2)))
    line = f"cat facts.json | {sys.executable} -m bkpc_compiler.main check {PAYMENTS} --facts {given}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    assert "error[BKP3001]: `orders` cannot be back in service" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_figures(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    facts.write_bytes(document(fact("database", "orders", "restores", 10 * 1024**2)))
    given = ["--format", "dot"] if command == "graph" else []
    assert main([command, PAYMENTS, *given]) == 0
    code = 0 if command == "test" else 1  # its one test is about a loss of data: nothing to do with restores
    assert main([command, PAYMENTS, "--facts", str(facts), *given]) == code
    if command != "test":
        shown = capsys.readouterr()
        assert "error[BKP3001]: `orders` cannot be back in service" in shown.out + shown.err


def test_a_test_is_judged_with_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    facts.write_bytes(document(fact("database", "orders", "writes", 60 * 1024**2)))
    assert main(["test", PAYMENTS, "--facts", str(facts)]) == 1
    assert "FAILED  payments outlive a slow link" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["report", "graph", "runbook"])
def test_a_plan_is_made_already(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(canonical_bytes(made_plan()))
    assert main([command, str(plan), "--facts", FACTS]) == 2
    assert "give `--facts` together with the policies" in capsys.readouterr().err


def compiled(tmp_path: Path, *given: str) -> bytes:
    plan = tmp_path / "plan.json"
    assert main(["compile", PAYMENTS, "-o", str(plan), *given]) == 0
    return plan.read_bytes()


def test_the_plan_names_the_document_and_what_was_measured(tmp_path: Path) -> None:
    plan = read_plan(compiled(tmp_path, "--facts", FACTS), "plan.json")
    digest = hashlib.sha256(Path(FACTS).read_bytes()).hexdigest()
    assert [(one.path, one.sha256) for one in plan.header.sources if one.path.endswith(".json")] == [
        ("facts.json", digest)
    ]
    assert [one.size_bytes for one in plan.estate.databases if one.name == "orders"] == [400 * 1024**3]
    measured = {(x.what, x.origin, x.measured) for one in plan.objectives for x in one.assumptions if x.measured}
    assert (
        "size 300GiB",
        "measured",
        "measured 400GiB on 2026-11-20: backup 2026-11-20 full, worst of 7",
    ) in measured
    terms = [x for one in plan.objectives for x in one.rto_terms if "estate.bkp:50" in x.where]
    assert {one.origin for one in terms} == {"measured"}


def test_a_figure_is_from_where_it_is_written_not_from_where_the_narrow_place_is(tmp_path: Path) -> None:
    plan = read_plan(compiled(tmp_path), "plan.json")
    for one in (x for objective in plan.objectives for x in objective.assumptions):
        assert one.origin == ("std" if one.where.startswith("std/") else "declared"), one


def test_no_byte_of_a_plan_depends_on_the_day_or_on_where_the_document_lies(tmp_path: Path) -> None:
    elsewhere = tmp_path / "some" / "where"
    elsewhere.mkdir(parents=True)
    shutil.copy(FACTS, elsewhere)
    first = compiled(tmp_path, "--facts", FACTS)
    assert compiled(tmp_path, "--facts", FACTS, "--today", "2031-01-01") == first
    assert compiled(tmp_path, "--facts", str(elsewhere / "facts.json")) == first
    assert compiled(tmp_path) != first
    assert compiled(tmp_path, "--today", "2031-01-01") == compiled(tmp_path)


def as_json(capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, Any]:
    main(["check", PAYMENTS, "--format", "json", *given])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_json_has_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(as_json(capsys)) == {"diagnostics", "verdicts"}
    found = as_json(capsys, "--facts", FACTS, "--today", "2026-11-24")
    (size,) = [one for one in found["measured"] if one["figure"] == "size"]
    assert size == {
        "about": "database", "name": "orders", "site": None, "figure": "size", "unit": "bytes",
        "value": 429496729600, "declared": "300GiB", "where": "estate.bkp:50", "measured_at": "2026-11-20",
        "age_days": 4, "source": "backup 2026-11-20 full", "samples": 7,
    }  # fmt: skip
    (latency,) = [one for one in found["measured"] if one["figure"] == "latency"]
    assert (latency["value"], latency["unit"], latency["declared"]) == (33, "milliseconds", "30ms")
    (edit,) = [one["edit"] for one in found["diagnostics"] if one["code"] == "BKP7003"]
    assert (edit["old"], edit["new"], edit["fact"]) == ("size 300GiB", "size 400GiB", False)
    assert as_json(capsys, "--facts", FACTS)["measured"][0]["age_days"] is None


def test_json_has_what_is_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "--horizon", "3y", "--today", "2026-11-24")
    assert found["horizon"] == {"months": 36, "no_longer_proved": 2}
    (broken,) = [
        one["ahead"]
        for one in found["verdicts"]
        if (one["database"], one["scope"], one["objective"]) == ("orders", "host", "rto")
    ]
    assert (broken["first_month_not_proved"], broken["calendar_month"]) == (18, "2028-05")
    assert broken["size_bytes"] == -(-300 * 1024**3 * 103**18 // 100**18)
    assert broken["at_least_ms"] < 2 * 3600 * 1000 < broken["at_most_ms"]
    others = [one["ahead"] for one in found["verdicts"] if one["ahead"]["first_month_not_proved"] is None]
    assert len(others) == len(found["verdicts"]) - 2
    assert found["diagnostics"][0]["code"] == "BKP7005"
    undated = as_json(capsys, "--horizon", "3y")["verdicts"]
    assert {one["ahead"].get("calendar_month") for one in undated} == {None}


def test_explain_shows_what_was_measured_of_each_clause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    thaw = fact("class", "standard", "thaw", 90_000)
    facts.write_bytes(document(*json.loads(Path(FACTS).read_bytes())["facts"], thaw))
    given = ["explain", "orders", PAYMENTS, "--against", "host", "--facts", str(facts)]
    assert main([*given, "--today", "2026-11-24", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["assumed"]
    found = {one["measured"]: one["text"] for one in told if one["provenance"] == "measured"}
    assert found["measured 400GiB on 2026-11-20, 4 days old: backup 2026-11-20 full, worst of 7"] == "size 300GiB"
    assert found["measured 1min 30s on 2026-11-20, 4 days old: full backup"] == "standard"
    assert {one["measured"] for one in told if one["provenance"] != "measured"} == {None}
    assert main(given) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "estate.bkp:50 size 300GiB (measured 400GiB on 2026-11-20: backup 2026-11-20 full, worst of 7)" in shown


def test_nothing_grows_is_no_promise_that_all_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(SHOP.parent / "local.bkp"), "--horizon", "12mo"]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("looked 12 months ahead: no database grows\n")
    assert "holds" not in shown


def test_the_report_shows_bounds_month_by_month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main(["report", PAYMENTS, "-o", str(page), "--horizon", "30mo", "--facts", FACTS]) == 0
    assert "warning[BKP7005]: in 11 months it is no longer proved" in capsys.readouterr().err
    root = assert_sound(page.read_text())
    shown = " ".join(root.text.split())
    assert "no longer proved in month 11; promised 2h" in shown
    assert "size 300GiB estate.bkp:50 measured 400GiB on 2026-11-20: backup 2026-11-20 full, worst of 7" in shown
    tables = [one for one in root.all("table") if "month by month" in one.all("caption")[0].text]
    assert {len(one.all("tr")) for one in tables} == {1 + 31}
    assert len(tables) == 30


def test_a_plan_says_nothing_of_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(canonical_bytes(made_plan()))
    assert main(["report", str(plan), "--horizon", "12mo"]) == 2
    assert "give `--horizon` together with the policies" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--horizon", "12m"], "`m` may mean minutes or months: write `mo`"),
        (["--horizon", "12"], "write `12mo` or `1y`"),
        (["--horizon", "mo"], "write `12mo` or `1y`"),
        (["--horizon", "6mo1y"], "write `12mo` or `1y`"),
        (["--horizon", ""], "--horizon is empty"),
        (["--horizon", "1.5y"], "write `12mo` or `1y`"),
        (["--horizon", "0mo"], "is not from 1 to 120 months"),
        (["--horizon", "10y1mo"], "is not from 1 to 120 months"),
        (["--horizon", "9999999999mo"], "write `12mo` or `1y`"),
        (["--today", "2026-02-30"], "is not a day: write YYYY-MM-DD"),
        (["--today", "20261124"], "is not a day: write YYYY-MM-DD"),
        (["--today", "24.11.2026"], "is not a day: write YYYY-MM-DD"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(
    given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", PAYMENTS, *given]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("text", "months"), [("1mo", 1), ("1y", 12), ("1y6mo", 18), ("10y", 120), ("120mo", 120)])
def test_months_and_years(text: str, months: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(SHOP.parent / "local.bkp"), "--horizon", text]) == 0
    assert f"looked {months} month{'' if months == 1 else 's'} ahead" in capsys.readouterr().out
