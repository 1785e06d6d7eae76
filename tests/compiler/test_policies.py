"""The policies a user can start from: each checks clean, holds what it promises, and compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.diagnostics.diagnostic import Severity
from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.passes import compile_sources

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.mark.parametrize("name", sorted(path.name for path in POLICIES.glob("*.bkp")))
def test_a_policy_to_start_from_checks_clean(name: str) -> None:
    made, checked = compile_sources([name], FileReader(POLICIES), "0")
    found = [one for one in checked.diagnostics if one.code != "BKP7002"]  # judged, not carried out yet
    assert not found, found[0].message
    assert not [one for one in checked.diagnostics if one.severity is Severity.ERROR]
    assert {one.verdict for one in checked.answers} == {Verdict.PROVED}
    assert made is not None


def test_there_are_some() -> None:
    assert len(list(POLICIES.glob("*.bkp"))) >= 3
