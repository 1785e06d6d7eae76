"""The house rules that a machine can hold: sizes of files and functions, and what the wheel carries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import BY_THE_CLOCK

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for room in ("compiler", "runtime", "grammar") for path in (ROOT / room).rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
# Each exception with its reason.
LONGER_FILES: dict[str, str] = {}
LONGER_FUNCTIONS: dict[str, str] = {}


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_one_thing(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE or name in LONGER_FILES, f"{name} has {lines} lines: probably two things"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{path.relative_to(ROOT)}:{node.name}"
            assert lines <= LONGEST_FUNCTION or name in LONGER_FUNCTIONS, f"{name} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_rooms_without_a_name(path: Path) -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}
    assert not vague & set(path.relative_to(ROOT).with_suffix("").parts)


def test_who_judges_seconds_is_there() -> None:
    assert sorted(name for name in BY_THE_CLOCK if not (ROOT / name).exists()) == []
