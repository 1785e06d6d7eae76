"""A promise for a share of all instants (`for 50%`): every figure of it says so, wherever it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from bkpc_grammar.canonical import read_plan

POLICY = """\
edition 1
site here { region "r1" }
site there { region "r2" }
link here -- there { bandwidth 100MB/s  latency 50ms }
store far at there { directory "/far"  reads 1GB/s  writes 1GB/s }
database shop at here {
  mysql "d.example"  credentials env U, P  size 1GB  writes 1MB/s  burst 1MB  dumps 1GB/s  restores 1GB/s
  replays 900MB/s  standby there { provision 10min } }
policy tier {
  promise against site { rpo 13h for SHARE  rto 2h }
  full daily at 00:00 within 4h to far
}
protect shop with tier
test "t" { expect shop rpo against site <= 1h }
"""


def of(folder: Path, share: str, policy: str = POLICY) -> str:
    """The path of a policy."""
    path = folder / "shop.bkp"
    path.write_text(policy.replace("SHARE", share))
    return str(path)


def test_check_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", of(tmp_path, "50%")]) == 0
    assert "rpo 13h for 50%  ≤ 12h 6min" in capsys.readouterr().out
    assert main(["check", of(tmp_path, "50%"), "--format", "json"]) == 0
    shares = {one["objective"]: one["share"] for one in json.loads(capsys.readouterr().out)["verdicts"]}
    assert shares == {"rpo": "0.5", "rto": "1"}


def test_diagnostics_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", of(tmp_path, "99.95%")]) == 1
    told = capsys.readouterr()
    assert "`shop` can lose more than 13h for 99.95% after the loss of site `here`" in told.out + told.err


def test_a_test_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", of(tmp_path, "50%")]) == 1
    assert "shop rpo against site for 50%: between " in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_the_runbook_says_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"runbook.{suffix}"
    assert main(["runbook", of(tmp_path, "50%"), "-o", str(path)]) == 0
    text = path.read_text()
    assert all(one in text for one in ("13h for 50%", "12h 6min for 50%", "at most 13h of data lost for 50%"))
    assert "at the others it may be more" in text
    assert main(["runbook", of(tmp_path, "100%", POLICY.replace("13h", "25h")), "-o", str(path)]) == 0
    assert "at the others it may be more" not in path.read_text()


def test_the_plan_has_it_without_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    assert main(["compile", of(tmp_path, "99.9999%", POLICY.replace("13h", "25h")), "-o", str(path)]) == 0
    (objective,) = read_plan(path.read_bytes(), "plan.json").objectives
    assert (objective.rpo_millionths, objective.rto_millionths) == (999_999, 1_000_000)
    assert main(["check", of(tmp_path, "99.99999%")]) == 1
    told = capsys.readouterr()
    assert "such as `for 99.9999%`" in told.out + told.err
