"""What the README and the pages show is what the program prints; what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def check(folder: Path, policy: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.bkp").write_text(policy)
    command = [sys.executable, "-m", "bkpc_compiler.main", "check", "shop.bkp"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_policy_of_the_readme_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (policy,), (refuted, proved) = blocks("bkp"), blocks("text")
    assert len(policy.splitlines()) <= 20
    before = check(tmp_path, policy)
    assert (before.returncode, before.stdout) == (1, refuted)
    after = check(tmp_path, policy.replace("  keep 14d", "  hot  to nas every 5s\n  keep 14d"))
    assert (after.returncode, after.stdout) == (0, proved)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_commands_that_are_named_exist() -> None:
    from bkpc_compiler.main import COMMANDS

    named = set(re.findall(r"`bkpc ([a-z]+)", "".join(page.read_text() for page in PAGES)))
    assert named <= set(COMMANDS)
    assert len(named) > 5


def test_the_page_of_measured_figures_has_each_of_them_in_its_unit() -> None:
    from bkpc_grammar.facts import UNITS, read_facts

    page = (ROOT / "docs" / "facts-and-growth.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(read_facts(example.encode(), "the page").facts) == 1
    lines = [line for line in page.splitlines() if line.startswith("| `")][1:]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    told = {(figure.strip(" `"), unit) for _, _, figures, unit, _ in rows for figure in figures.split(",")}
    assert told == set(UNITS.items())


def test_every_exit_code_of_the_runtime_is_explained() -> None:
    from bkpc_runtime import errors

    codes = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    table = (ROOT / "docs" / "exit-codes.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d) \|", table, re.MULTILINE)} >= codes | {0}


def test_every_permission_that_buckets_need_is_listed() -> None:
    source = (ROOT / "runtime" / "bkpc_runtime" / "stores" / "oss_settings.py").read_text()
    page = (ROOT / "docs" / "buckets.md").read_text()
    asked = set(re.findall(r"\boss:\w+", source))
    assert len(asked) == 20
    assert set(re.findall(r"`(oss:\w+)`", page)) == asked


def test_every_field_of_a_manifest_is_explained() -> None:
    import typing

    import msgspec

    from bkpc_runtime.repository.manifest import Manifest, Part

    page = (ROOT / "docs" / "repository-format.md").read_text()
    fields = {field.name for record in (Manifest, Part) for field in msgspec.structs.fields(record)}
    kinds = set(typing.get_args(typing.get_type_hints(Part)["kind"]))
    assert {name for name in fields | kinds if f"`{name}`" not in page} == set()
