"""The shipped table is that of the grammar."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from bkpc_compiler.syntax import grammar

EXAMPLES = sorted((Path(__file__).parents[2] / "cases" / "examples").rglob("*.bkp"))


def test_the_table_is_current() -> None:
    """`make generated` renews it. Made by another lark it is not used, and not wrong."""
    head = files("bkpc_grammar").joinpath("bkp.table").read_bytes().partition(b"\n")[0]
    assert head.split()[-1] == grammar._head().split()[-1]


def test_it_is_made_alike_each_time() -> None:
    """Else `make generated` would change it without a reason; hashes fall otherwise in each process."""
    shipped = files("bkpc_grammar").joinpath("bkp.table").read_bytes()
    if shipped.partition(b"\n")[0] == grammar._head():
        assert grammar.made() == shipped


def test_the_table_parses_as_the_grammar_does() -> None:
    built = grammar.build()
    assert len(EXAMPLES) > 3
    for path in EXAMPLES:
        text = path.read_text()
        assert grammar.parser().parse(text) == built.parse(text)
