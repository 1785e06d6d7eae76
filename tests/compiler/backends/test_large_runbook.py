"""The runbook of a large estate: a page for each failure, and only what brings back some databases."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bkpc_compiler.backends.part import Recovering
from bkpc_compiler.backends.runbook import runbook_html, runbook_markdown
from bkpc_compiler.backends.runbook.pages import pages_of
from bkpc_compiler.main import main
from bkpc_grammar.canonical import canonical_bytes
from tests.compiler.backends.html_page import assert_sound
from tests.compiler.backends.made import made_plan
from tests.compiler.backends.test_large_report import FEW, planned
from tests.compiler.backends.test_pages import EVIL, evil_plan


def test_each_failure_has_a_page_that_is_led_to() -> None:
    plan = planned(FEW)
    pages = dict(pages_of(plan, "html"))
    assert len(pages) == len(plan.recoveries) + 1
    root = assert_sound(pages.pop("index.html"), to=set(pages))
    assert {one.attributes["href"] for one in root.all("a") if not one.attributes["href"].startswith("#")} == set(pages)
    for path, text in pages.items():
        assert_sound(text, to={"../index.html"})
        assert path.count("/") == 1
    site = pages["site/s0.html"]
    assert "bkpc restore plan.json db0" in site
    assert "bkpc restore plan.json db1 " not in site
    assert "store near1" in site
    assert "store near2" not in site
    (row,) = [one for one in root.all("tr") if "Loss of site s0" in one.text]
    assert row.attributes["data-find"] == "db0 db50"


def test_a_page_says_what_the_whole_runbook_says() -> None:
    plan = planned(FEW)
    whole = runbook_markdown(plan)
    for path, text in pages_of(plan, "md"):
        if path != "index.md":
            chapter = text.partition('<a id="procedure-1"></a>')[2].partition("## 1. ")[2]
            assert chapter in whole, path


def test_names_that_make_one_file_name_make_two_files() -> None:
    made = planned(FEW)
    first, second, *others = [one for one in made.recoveries if one.scope == "corruption"]
    alike = [msgspec.structs.replace(first, lost="a b"), msgspec.structs.replace(second, lost="A/b"), *others]
    paths = [path for path, _ in pages_of(msgspec.structs.replace(made, recoveries=tuple(alike)), "md")]
    assert paths[:2] == ["corruption/a-b.md", "corruption/A-b~2.md"]


def test_what_is_hostile_stays_text_and_in_the_folder() -> None:
    for form in ("html", "md"):
        for path, text in pages_of(evil_plan(), form):
            assert ".." not in path
            assert path.count("/") <= 1
            assert EVIL not in path
            assert "<script>alert" not in text or form == "md"


def test_only_the_procedures_that_bring_one_back() -> None:
    plan = Recovering(made_plan()).of(["config"])
    assert {one.lost for one in plan.recoveries} == {
        one.lost for one in made_plan().recoveries if "config" in one.databases
    }
    assert len(Recovering(planned(FEW)).of(["db7"]).recoveries) == 3
    text = runbook_html(Recovering(planned(FEW)).of(["db7"]))
    assert "Loss of site s7" in text
    assert "Loss of site s8" not in text


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    path.write_bytes(canonical_bytes(planned(FEW)))
    return str(path)


def test_into_a_folder(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runbook", plan, "-o", f"{tmp_path}/runbook/"]) == 0
    assert capsys.readouterr().err == f"{tmp_path}/runbook/index.html\n"
    assert (tmp_path / "runbook" / "corruption" / "db7.html").exists()
    assert main(["runbook", plan, "--database", "db7", "--format", "md", "-o", f"{tmp_path}/one/"]) == 0
    found = {path.relative_to(tmp_path / "one").as_posix() for path in (tmp_path / "one").rglob("*.md")}
    assert found == {"index.md", "corruption/db7.md", "host/db7.md", "site/s7.md"}


def test_pages_that_another_run_has_left_are_named(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = f"{tmp_path}/runbook/"
    assert main(["runbook", plan, "--database", "db7", "-o", into]) == 0
    assert "not of this run" not in capsys.readouterr().err
    (tmp_path / "runbook" / "host" / "gone.html").write_text("of an earlier plan")
    (tmp_path / "runbook" / "host" / "notes.txt").write_text("of somebody else")
    assert main(["runbook", plan, "--database", "db7", "-o", into]) == 0
    told = capsys.readouterr().err
    assert f"not of this run: {tmp_path}/runbook/host/gone.html; they stay" in told
    assert main(["runbook", plan, "--database", "db8", "-o", into]) == 0
    assert f"{tmp_path}/runbook/corruption/db7.html, " in capsys.readouterr().err


def test_on_one_page_it_says_that_there_are_others(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runbook", plan, "-o", f"{tmp_path}/r.html"]) == 0
    assert "170 procedures on one page; `-o FOLDER/` makes a page for each" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["graph", "runbook"])
def test_a_database_that_is_not_there(command: str, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, plan, "--database", "db700"]) == 2
    assert "the plan has no database `db700`" in capsys.readouterr().err


def test_a_site_that_is_not_there(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", plan, "--format", "dot", "--site", "s99"]) == 2
    assert "no database of the plan stands at a site `s99`" in capsys.readouterr().err
    assert main(["graph", plan, "--format", "dot", "--site", "s9"]) == 0
    assert '"database db59"' in capsys.readouterr().out


def test_where_several_come_back_each_has_a_host_of_its_own() -> None:
    """And nobody types one address into all of them."""
    plan = planned(FEW)
    for path, text in pages_of(plan, "md"):
        hosts = set(re.findall(r"NEW-HOST[-a-z0-9]*", text))
        back = next((one.databases for one in plan.recoveries if path == f"{one.scope}/{one.lost}.md"), ())
        assert hosts == ({"NEW-HOST"} if len(back) == 1 else {f"NEW-HOST-{name}" for name in back}), path
