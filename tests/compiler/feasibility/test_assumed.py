"""What `std/mysql` only assumes refutes nothing; what a database declares, or somebody measured, does."""

from __future__ import annotations

from typing import Any

import pytest

from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.passes import Checked
from tests.compiler.facts_made import fact
from tests.compiler.one_file import check, check_with

ESTATE = """edition 1
site here { region "r1" }
store near at here { directory "/near"  reads 100MB/s  writes 100MB/s }
database shop at here {
  mysql "shop.example"  credentials env U, P
  size 9GB  writes 1MB/s  dumps 1GB/s  restores 1GB/s  replays 90MB/s  starts 0s  table 0s  FIGURES
}
policy tier {
  promise against host { rpo 5.1s  rto 4min }
  full daily at 00:00 within 4h to near
  hot to near every 5s
}
protect shop with tier
"""


def verdicts(checked: Checked) -> dict[str, Verdict]:
    assert checked.analysis is not None
    return {one.kind: one.verdict for one in checked.analysis.answers}


def helps(checked: Checked) -> str:
    return " ".join(one.help or "" for one in checked.diagnostics)


def test_nothing_is_refuted_for_what_nobody_said() -> None:
    checked = check(ESTATE.replace("FIGURES", ""))
    assert verdicts(checked) == {"rpo": Verdict.UNDECIDED, "rto": Verdict.REFUTED}  # a day of log takes 16 min
    assert "std/mysql assumes `burst 64MiB` of `shop`" in helps(checked)


def test_it_is_refuted_once_somebody_says_it() -> None:
    checked = check(ESTATE.replace("FIGURES", "burst 64MiB"))
    assert verdicts(checked)["rpo"] is Verdict.REFUTED
    assert "assumes `burst" not in helps(checked)


@pytest.mark.parametrize(("said", "expected"), [("1min", Verdict.PROVED), ("5min", Verdict.REFUTED)])
def test_how_long_it_is_verified_is_said_of_a_database(said: str, expected: Verdict) -> None:
    text = ESTATE.replace("  hot to near every 5s\n", "").replace("rpo 5.1s", "rpo 30h")
    assert verdicts(check(text.replace("FIGURES", f"verifies {said}")))["rto"] is expected
    unsaid = check(text.replace("FIGURES", ""))
    assert verdicts(unsaid)["rto"] is Verdict.UNDECIDED
    assert "std/mysql assumes `verifies 5min` of `shop`, at which nobody can keep this" in helps(unsaid)


def test_measured_it_counts() -> None:
    text = ESTATE.replace("  hot to near every 5s\n", "").replace("rpo 5.1s", "rpo 30h").replace("FIGURES", "")

    def measured(milliseconds: int) -> Verdict:
        made: dict[str, Any] = fact("database", "shop", "verifies", milliseconds)
        return verdicts(check_with(text, made))["rto"]

    assert measured(60_000) is Verdict.PROVED
    assert measured(300_000) is Verdict.REFUTED


def test_a_test_may_suppose_it() -> None:
    text = (
        ESTATE.replace("  hot to near every 5s\n", "")
        .replace("rpo 5.1s", "rpo 30h")
        .replace("FIGURES", "verifies 1min")
    )
    passes = text + 'test "slow" { given shop { verifies 2min }  expect shop rto against host <= 4min }\n'
    assert [one.code for one in check(passes).diagnostics] == []
