"""Every code has a page, whose example raises exactly that code and whose mended form does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.main import VERSION
from bkpc_compiler.passes import check_sources, compile_sources

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "errors").glob("BKP*.md"))
RAISED = [
    code
    for path in sorted((ROOT / "compiler" / "bkpc_compiler").rglob("*.py"))
    for code in re.findall(r'(?:code=|Diagnostic\(\s*)"(BKP\d{4})"', path.read_text())
]


def found_in(text: str, code: str) -> tuple[Diagnostic, ...]:
    """What `check` says; what `compile` says for the codes of plans."""

    class OneFile(FileReader):
        def __call__(self, path: str) -> str:
            return text if path == "example.bkp" else super().__call__(path)

    if not code.startswith("BKP7"):
        return check_sources(["example.bkp"], OneFile(ROOT)).diagnostics
    return compile_sources(["example.bkp"], OneFile(ROOT), VERSION)[1].diagnostics


def blocks(page: Path) -> tuple[str, str]:
    text = page.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "Why", "Example", "Mended"]
    example, mended = re.findall(r"```bkp\n(.*?)```", text, re.DOTALL)
    return example, mended


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {page.stem for page in PAGES} == set(RAISED)


def test_every_code_is_raised_in_one_place() -> None:
    assert sorted(set(RAISED)) == sorted(RAISED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_example_raises_exactly_its_code(page: Path) -> None:
    assert {one.code for one in found_in(blocks(page)[0], page.stem)} == {page.stem}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_name_of_the_page_is_that_of_the_code(page: Path) -> None:
    title = page.read_text().partition("\n")[0]
    assert {f"# {one.code} {one.name}" for one in found_in(blocks(page)[0], page.stem)} == {title}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_mended_example_is_clean(page: Path) -> None:
    assert found_in(blocks(page)[1], page.stem) == ()
