"""A plan of older policies is refused where the newer ones are at hand, and only there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_grammar.plan import Plan, Source
from bkpc_runtime.errors import Refused
from bkpc_runtime.outdated import refuse_outdated
from tests.compiler.one_file import changed, planned

WRITTEN = {"policies/shop.bkp": b"edition 1\n", "estate.bkp": b"edition 1 # estate\n"}


@pytest.fixture
def plan() -> Plan:
    sources = [Source(path=path, sha256=hashlib.sha256(body).hexdigest()) for path, body in WRITTEN.items()]
    made = planned(changed())
    shipped = Source(path="std/oss.bkp", sha256="0" * 64)
    return replace(made, header=replace(made.header, sources=(*sources, shipped)))


def written(root: Path) -> None:
    for path, body in WRITTEN.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)


@pytest.mark.parametrize("root", [".", "team"])
def test_changed_policies_beside_the_plan_are_named(plan: Plan, tmp_path: Path, root: str) -> None:
    written(tmp_path / root)
    refuse_outdated(plan, tmp_path)
    (tmp_path / root / "estate.bkp").write_bytes(b"edition 1 # another\n")
    with pytest.raises(Refused, match=r"older policies: estate\.bkp") as refused:
        refuse_outdated(plan, tmp_path)
    assert "--outdated" in refused.value.help


def test_the_current_folder_counts_too(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "here")
    (tmp_path / "here" / "policies" / "shop.bkp").write_bytes(b"edition 1 # another\n")
    (tmp_path / "plans").mkdir()
    refuse_outdated(plan, tmp_path / "plans")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(Refused, match="policies/shop"):
        refuse_outdated(plan, tmp_path / "plans")


def test_where_not_all_of_them_are_at_hand_nothing_is_said(plan: Plan, tmp_path: Path) -> None:
    """A file of the same name in another project is none of the plan's."""
    (tmp_path / "estate.bkp").write_bytes(b"something else")
    refuse_outdated(plan, tmp_path)
