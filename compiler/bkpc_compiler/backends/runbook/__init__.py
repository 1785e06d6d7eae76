"""The recovery procedures as a person follows them at three in the morning: Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import page
from bkpc_compiler.backends.procedure import Procedure, procedures_of
from bkpc_compiler.backends.runbook.acts import Act, acts_of, encrypted, folders_of, secrets_of
from bkpc_compiler.backends.runbook.checks import checks_of
from bkpc_grammar.plan import Plan

__all__ = ["runbook_html", "runbook_markdown"]


MANY = 60
"""With more procedures than these a page does not list them all at once."""


@dataclass(frozen=True, slots=True)
class _Chapter:
    """One procedure with its acts and its check list."""

    procedure: Procedure
    acts: tuple[Act, ...]
    checks: tuple[str, ...]


def runbook_markdown(plan: Plan, index: str = "") -> str:
    """The runbook as Markdown; no part of a plan is taken for markup. `index`: where all procedures are found."""
    return _page("runbook.md", plan, index)


def runbook_html(plan: Plan, index: str = "") -> str:
    """The runbook as one self-contained HTML page."""
    return _page("runbook.html", plan, index)


def _page(template: str, plan: Plan, index: str) -> str:
    chapters = [
        _Chapter(procedure, acts_of(procedure), checks_of(procedure)) for procedure in procedures_of(plan)
    ]  # fmt: skip
    return page(
        template,
        plan=plan,
        index=index,
        listed_above=MANY,
        chapters=chapters,
        secrets=secrets_of(plan),
        folders=folders_of(plan),
        encrypted=encrypted(plan),
        shares_told=words.SHARES,
    )
