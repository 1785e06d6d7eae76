"""Every code has a page, whose example raises exactly that code and whose mended form does not."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from bkpc_compiler.circumstances import Circumstances, MeasuredFacts
from bkpc_compiler.commands.circumstances_given import add_circumstances, add_horizon
from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.main import VERSION
from bkpc_compiler.passes import check_sources, compile_sources, looked_ahead
from bkpc_grammar.facts import read_facts

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "errors").glob("BKP*.md"))
RAISED = [
    code
    for path in sorted((ROOT / "compiler" / "bkpc_compiler").rglob("*.py"))
    for code in re.findall(r'(?:code=|Diagnostic\(\s*)"(BKP\d{4})"', path.read_text())
]


def found_in(text: str, code: str, facts: str | None = None) -> tuple[Diagnostic, ...]:
    """What the command that the page names says, with its options; else what `check` says, or `compile` for the
    codes of plans."""

    class OneFile(FileReader):
        def __call__(self, path: str) -> str:
            return text if path == "example.bkp" else super().__call__(path)

    told = re.search(r"^Told by `bkpc check (.*)`", (ROOT / "docs" / "errors" / f"{code}.md").read_text(), re.MULTILINE)
    if told:
        parser = argparse.ArgumentParser()
        add_circumstances(parser)
        add_horizon(parser)
        given = parser.parse_args(told[1].split())
        assert (given.facts is None) == (facts is None)
        document = MeasuredFacts("facts.json", "", read_facts(facts.encode(), "facts.json")) if facts else None
        checked = check_sources(["example.bkp"], OneFile(ROOT), Circumstances(document, given.today))
        return (looked_ahead(checked, given.horizon) if given.horizon else checked).diagnostics
    if not code.startswith("BKP7"):
        return check_sources(["example.bkp"], OneFile(ROOT)).diagnostics
    return compile_sources(["example.bkp"], OneFile(ROOT), VERSION)[1].diagnostics


def blocks(page: Path, kind: str = "bkp") -> tuple[str, str] | tuple[None, None]:
    """The example and its mended form; None where the page has no such block."""
    text = page.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "Why", "Example", "Mended"]
    found = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    if kind != "bkp" and not found:
        return None, None
    example, mended = found
    return example, mended


def example_of(page: Path, number: int) -> tuple[Diagnostic, ...]:
    """What is found in the example (0) or its mended form (1)."""
    text = blocks(page)[number]
    assert text is not None
    return found_in(text, page.stem, blocks(page, "json")[number])


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {page.stem for page in PAGES} == set(RAISED)


def test_every_code_is_raised_in_one_place() -> None:
    assert sorted(set(RAISED)) == sorted(RAISED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_example_raises_exactly_its_code(page: Path) -> None:
    assert {one.code for one in example_of(page, 0)} == {page.stem}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_name_of_the_page_is_that_of_the_code(page: Path) -> None:
    title = page.read_text().partition("\n")[0]
    assert {f"# {one.code} {one.name}" for one in example_of(page, 0)} == {title}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_mended_example_is_clean(page: Path) -> None:
    assert example_of(page, 1) == ()
