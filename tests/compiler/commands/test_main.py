"""The program around the commands: version, help, unknown names, a missing runtime."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bkpc_compiler.main import COMMANDS, main

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


def test_a_missing_runtime_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pymysql'", name="pymysql")

    monkeypatch.setattr("importlib.import_module", absent)
    assert main(["status"]) == 2
    assert "pip install 'bkpc[runtime]'" in capsys.readouterr().err
