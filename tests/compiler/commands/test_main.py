"""The program around the commands: version, help, unknown names, a missing runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bkpc_compiler.main import COMMANDS, main

CORNERS = Path(__file__).parents[2] / "cases" / "corners"
BROKEN = Path(__file__).parents[2] / "cases" / "examples" / "shop" / "broken.bkp"
HEAVY = ("lark", "networkx", "msgspec", "argparse.", "bkpc_runtime", "bkpc_compiler.feasibility")


def test_version_imports_nothing_heavy() -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bkpc_compiler.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("bkpc ")
    imported = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if "|" in line]
    assert not [name for name in imported if name.startswith(HEAVY)]


def test_no_command_shows_all_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_help_is_fine() -> None:
    assert main(["--help"]) == 0


def test_unknown_command_names_a_similar_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    assert "did you mean 'check'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["check", "compile", "test", "explain"])
def test_help_of_each_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"example:\n  bkpc {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["restore", "plan.json", "shop", "--to", "", "--into", "u"], "--to"),
        (["restore", "plan.json", "shop", "--to=", "--into", "u"], "--to"),
        (["restore", "plan.json", "--group", "g", "--into", "a=u", "--to", " "], "--to"),
        (["restore", "plan.json", "--scope", "site:x", "--into", "a=u", "--store", ""], "--store"),
        (["restore", "plan.json", "shop", "--tables", "s.t", "--as", "", "--into", "u"], "--as"),
        (["restore", "plan.json", "shop", "--before-event", "", "--into", "u"], "--before-event"),
        (["drill", "plan.json", "shop", "--to", ""], "--to"),
        (["drill", "plan.json", "shop", "--image", ""], "--image"),
        (["verify", "plan.json", "--store", ""], "--store"),
        (["log", "plan.json", "shop", "--find", "drop table a.b", "--store", ""], "--store"),
        (["apply", "plan.json", "--only", ""], "--only"),
        (["restore", "plan.json", "", "--into", "u"], "an argument"),
    ],
)
def test_an_empty_value_is_not_the_default(given: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--to "$POINT"`, misspelt, would bring back the latest state."""
    assert main(given) == 2
    assert f"bkpc {given[0]}: {named} is empty" in capsys.readouterr().err


def test_a_missing_runtime_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pymysql'", name="pymysql")

    monkeypatch.setattr("importlib.import_module", absent)
    assert main(["status"]) == 2
    assert "pip install 'bkpc[runtime]'" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_output_without_these_characters_shows_the_rest(encoding: str) -> None:
    command = [sys.executable, "-m", "bkpc_compiler.main", "check", str(BROKEN)]
    run = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False)
    assert (run.returncode, run.stderr) == (1, b"")
    assert b"REFUTED" in run.stdout


def test_an_output_that_is_full_is_told() -> None:
    command = f"{sys.executable} -m bkpc_compiler.main check {BROKEN} > /dev/full"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (2, "bkpc: the output can't be written: No space left on device\n")


def test_of_logs_that_are_too_much_together_json_has_no_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """That of each log alone is no bound of what is lost: next to REFUTED it would be below what is promised."""
    assert main(["check", str(CORNERS / "logs_together_more_than_the_link.bkp"), "--format", "json"]) == 1
    found = {one["database"]: one for one in json.loads(capsys.readouterr().out)["verdicts"]}
    assert [(name, found[name]["at_least_ms"]) for name in ("one", "two")] == [("one", None), ("two", None)]
    assert found["three"]["verdict"] == "UNDECIDED"
    assert found["three"]["at_least_ms"] is not None


def test_a_plan_never_replaces_a_policy(tmp_path: Path) -> None:
    policy = tmp_path / "policy.bkp"
    policy.write_text("edition 1\n")
    assert main(["compile", str(policy), "-o", str(policy)]) == 2
    assert policy.read_text() == "edition 1\n"
