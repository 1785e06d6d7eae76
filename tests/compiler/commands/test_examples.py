"""The examples through the real program: golden output, exit codes, the same bytes from anywhere.

`BKPC_RENEW=1 pytest tests/compiler/commands/test_examples.py` renews the golden files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bkpc_grammar.canonical import read_plan

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "tests" / "cases" / "examples"
CASES = {"local.bkp": 0, "shop/payments.bkp": 0, "shop/broken.bkp": 1, "shop/estate.bkp": 2}


def bkpc(*arguments: str, cwd: Path = ROOT, seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bkpc_compiler.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("name", "code"), CASES.items())
def test_check_prints_what_it_printed(name: str, code: int) -> None:
    run = bkpc("check", str(EXAMPLES / name))
    golden = (EXAMPLES / name).with_suffix(".check")
    if os.environ.get("BKPC_RENEW"):
        assert not os.environ.get("CI"), "golden files are renewed by hand, never in CI"
        golden.write_text(run.stdout)
    assert run.returncode == code, run.stderr
    assert run.stdout == golden.read_text()


def test_check_with_facts_and_a_horizon_prints_what_it_printed() -> None:
    given = ["--facts", str(EXAMPLES / "shop/facts.json"), "--horizon", "24mo", "--today", "2026-11-24", "--explain"]
    run = bkpc("check", str(EXAMPLES / "shop/payments.bkp"), *given)
    golden = EXAMPLES / "shop" / "payments.ahead.check"
    if os.environ.get("BKPC_RENEW"):
        assert not os.environ.get("CI"), "golden files are renewed by hand, never in CI"
        golden.write_text(run.stdout)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == golden.read_text()


def test_broken_is_refuted_for_its_thaw_its_link_and_its_missing_log() -> None:
    shown = bkpc("check", str(EXAMPLES / "shop/broken.bkp")).stdout
    assert "class cold_archive" in shown
    assert "bandwidth 1Gbit/s" in shown
    assert "no `hot` level" in shown
    assert "error[BKP2001]" in shown
    assert "error[BKP3001]" in shown
    assert shown.count("REFUTED") == 2


def test_tests_of_payments_hold() -> None:
    run = bkpc("test", str(EXAMPLES / "shop/payments.bkp"))
    assert (run.returncode, run.stderr) == (0, "")


def test_plan_is_the_same_from_everywhere(tmp_path: Path) -> None:
    plans = []
    for seed, cwd in (("1", tmp_path), ("2", ROOT), ("3", EXAMPLES / "shop")):
        source = os.path.relpath(EXAMPLES / "shop" / "payments.bkp", cwd)
        run = bkpc("compile", source, "-o", str(tmp_path / f"{seed}.json"), cwd=cwd, seed=seed)
        assert run.returncode == 0, run.stderr
        plans.append((tmp_path / f"{seed}.json").read_bytes())
    assert len(set(plans)) == 1
    assert read_plan(plans[0], "plan.json").header.digest
    assert str(ROOT).encode() not in plans[0]


def test_compile_writes_nothing_for_a_refuted_policy(tmp_path: Path) -> None:
    run = bkpc("compile", str(EXAMPLES / "shop/broken.bkp"), "-o", str(tmp_path / "plan.json"))
    assert run.returncode == 1
    assert run.stdout == ""
    assert set(re.findall(r"error\[(BKP\d+)\]", run.stderr)) == {"BKP2001", "BKP3001", "BKP6005"}
    assert not (tmp_path / "plan.json").exists()


def test_nothing_to_check_is_not_green(tmp_path: Path) -> None:
    run = bkpc("check", str(tmp_path))
    assert run.returncode == 2
    assert "nothing was checked" in run.stderr
    assert bkpc("check", str(tmp_path / "absent.bkp")).returncode == 2


def test_json_carries_verdicts_and_places() -> None:
    import json

    document = json.loads(bkpc("check", "--format", "json", str(EXAMPLES / "shop/broken.bkp")).stdout)
    assert [one["verdict"] for one in document["verdicts"]] == ["REFUTED", "REFUTED"]
    assert all(one["primary"]["line"] for one in document["diagnostics"])


def test_a_reader_that_leaves_early_is_no_problem() -> None:
    command = f"{sys.executable} -m bkpc_compiler.main --help | head -n 1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert run.stderr == ""
