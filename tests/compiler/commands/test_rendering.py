"""`bkpc graph`, `report`, `runbook` and `compile --target`: from a plan or a policy to files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bkpc_compiler.main import main
from bkpc_compiler.planning import emit as planner
from bkpc_grammar.canonical import canonical_bytes
from bkpc_grammar.plan import Plan
from tests.compiler.backends.made import made_plan

BROKEN = Path(__file__).parents[2] / "cases" / "examples" / "shop" / "broken.bkp"
COMMANDS = ("graph", "report", "runbook")


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    path.write_bytes(canonical_bytes(made_plan()))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["graph", "--format", "dot"], "digraph estate {"),
        (["graph", "--format", "mermaid"], "flowchart LR"),
        (["report"], "<!DOCTYPE html>"),
        (["runbook"], "# Recovery runbook"),
        (["runbook", "--format", "html"], "<!DOCTYPE html>"),
        (["compile", "--target", "report"], "<!DOCTYPE html>"),
        (["compile", "--target", "runbook"], "# Recovery runbook"),
    ],
)
def test_to_stdout(arguments: list[str], begins: str, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, plan]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(begins)
    assert shown.err == ""


@pytest.mark.parametrize(
    ("command", "name", "begins"),
    [
        ("graph", "g.dot", "digraph"),
        ("graph", "g.mmd", "flowchart"),
        ("runbook", "r.md", "# "),
        ("runbook", "r.html", "<!DOCTYPE"),
        ("report", "r.html", "<!DOCTYPE"),
    ],
)
def test_the_name_of_the_file_says_the_format(command: str, name: str, begins: str, plan: str, tmp_path: Path) -> None:
    assert main([command, plan, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text().startswith(begins)
    assert main(["compile", "--target", command, plan, "-o", str(tmp_path / f"again-{name}")]) == 0
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_a_target_fills_a_folder(plan: str, tmp_path: Path) -> None:
    assert main(["compile", "--target", "runbook", plan, "-o", f"{tmp_path}/new/folder/"]) == 0
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"runbook.md", "runbook.html"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_policy_that_does_not_check_is_told_and_nothing_written(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.html"
    assert main([command, str(BROKEN), "-o", str(output)]) == 1
    shown = capsys.readouterr()
    assert "error[BKP2001]" in shown.err
    assert shown.err.endswith(f"bkpc {command}: nothing written\n")
    assert not output.exists()
    assert main(["compile", "--target", command, str(BROKEN), "-o", str(output)]) == 1
    assert not output.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_there_or_was_edited(command: str, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "/nowhere.bkp"]) == 2
    assert main([command, "/nowhere.json"]) == 2
    Path(plan).write_bytes(Path(plan).read_bytes().replace(b"orders-db", b"orders-dc"))
    assert main([command, plan]) == 5
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "was changed after it was compiled" in shown.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["plan.json", "shop.bkp"])
def test_a_source_is_never_written_over(command: str, name: str, plan: str, tmp_path: Path) -> None:
    before = Path(plan).read_bytes()
    assert main([command, plan, "-o", str(tmp_path / name)]) == 2
    assert main(["compile", "--target", command, plan, "-o", str(tmp_path / name)]) == 2
    assert Path(plan).read_bytes() == before
    assert not (tmp_path / "shop.bkp").exists()


def test_a_folder_that_is_not_there_is_told(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", plan, "-o", "/nowhere/report.html"]) == 2
    assert "cannot write /nowhere/report.html: No such file or directory" in capsys.readouterr().err


def test_without_graphviz_an_svg_is_refused_in_words(
    plan: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["graph", plan]) == 2
    assert "in the package graphviz" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"example:\n  bkpc {command} policies/" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "loads"), [("check", False), ("compile", False), ("report", True)])
def test_only_pages_load_the_template_engine(command: str, loads: bool, plan: str) -> None:
    script = f"import sys; from bkpc_compiler.main import main; main([{command!r}, {plan!r}]); "
    script += "sys.exit('jinja2' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert run.returncode == loads, run.stderr


def test_a_fault_of_the_planner_is_told_and_no_plan_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    emit = planner.emit

    def planting(*given: Any) -> Plan:
        plan = emit(*given)
        early = (replace(job, schedule=replace(job.schedule, slot_ms=1)) for job in plan.jobs)
        return replace(plan, jobs=tuple(early))

    monkeypatch.setattr(planner, "emit", planting)
    policy, output = BROKEN.parents[1] / "local.bkp", tmp_path / "plan.json"
    for arguments in (["compile", "-o", str(output)], ["report", "-o", str(tmp_path / "r.html")], ["runbook"]):
        assert main([*arguments, str(policy)]) == 4
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "no plan is written. The fault is in bkpc, not in the policies: please report it" in shown.err
        assert "in its slot of 1 ms" in shown.err
    assert not list(tmp_path.iterdir())
