"""What is written for the hand-made plan is what was written; `BKPC_RENEW=1` renews the golden files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bkpc_compiler.backends.graph import graph_dot, graph_mermaid
from bkpc_compiler.backends.runbook import runbook_markdown
from bkpc_grammar.plan import Plan
from tests.compiler.backends.made import made_plan

GOLDEN = Path(__file__).parents[2] / "cases" / "backends"


@pytest.mark.parametrize(
    ("name", "render"), [("graph.dot", graph_dot), ("graph.mmd", graph_mermaid), ("runbook.md", runbook_markdown)]
)
def test_it_is_what_it_was(name: str, render: Callable[[Plan], str]) -> None:
    golden = GOLDEN / name
    text = render(made_plan())
    if os.environ.get("BKPC_RENEW"):
        assert not os.environ.get("CI"), "golden files are renewed by hand, never in CI"
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not [line for line in text.splitlines() if line != line.rstrip()]
