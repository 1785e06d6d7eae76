"""What each target is made into: its files, and how each is rendered. Nothing heavy is loaded before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bkpc_grammar.plan import Plan


@dataclass(frozen=True, slots=True)
class File:
    """One way to render a target."""

    format: str
    name: str  # in a folder
    render: Callable[[Plan], str]
    suffixes: tuple[str, ...]


def _svg(plan: Plan) -> str:
    from bkpc_compiler.backends.graph import graph_svg

    return graph_svg(plan)


def _dot(plan: Plan) -> str:
    from bkpc_compiler.backends.graph import graph_dot

    return graph_dot(plan)


def _mermaid(plan: Plan) -> str:
    from bkpc_compiler.backends.graph import graph_mermaid

    return graph_mermaid(plan)


def _report(plan: Plan) -> str:
    from bkpc_compiler.backends.report import report_html

    return report_html(plan)


def _runbook_markdown(plan: Plan) -> str:
    from bkpc_compiler.backends.runbook import runbook_markdown

    return runbook_markdown(plan)


def _runbook_html(plan: Plan) -> str:
    from bkpc_compiler.backends.runbook import runbook_html

    return runbook_html(plan)


def _iam_json(plan: Plan) -> str:
    from bkpc_compiler.backends.iam import iam_json

    return iam_json(plan)


def _iam_markdown(plan: Plan) -> str:
    from bkpc_compiler.backends.iam import iam_markdown

    return iam_markdown(plan)


def _grants(plan: Plan) -> str:
    from bkpc_compiler.backends.iam import grants_sql

    return grants_sql(plan)


TARGETS: dict[str, tuple[File, ...]] = {
    "graph": (
        File("svg", "graph.svg", _svg, (".svg",)),
        File("dot", "graph.dot", _dot, (".dot", ".gv")),
        File("mermaid", "graph.mmd", _mermaid, (".mmd", ".mermaid")),
    ),
    "report": (File("html", "report.html", _report, (".html", ".htm")),),
    "iam": (
        File("json", "iam.json", _iam_json, (".json",)),
        File("md", "iam.md", _iam_markdown, (".md", ".markdown")),
        File("sql", "grants.sql", _grants, (".sql",)),
    ),
    "runbook": (
        File("md", "runbook.md", _runbook_markdown, (".md", ".markdown")),
        File("html", "runbook.html", _runbook_html, (".html", ".htm")),
    ),
}
"""Target → its files; the first is the default."""


def chosen(files: Sequence[File], wanted: str | None, output: str) -> File:
    """The format asked for, else the one that the output's name ends in, else the first."""
    for one in files:
        if one.format == wanted:
            return one
    return next((one for one in files if PurePath(output).suffix in one.suffixes), files[0])
