"""The runbook of a large estate: a page for each failure, each whole in itself, and one that leads to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import page, script, slug
from bkpc_compiler.backends.natural import natural
from bkpc_compiler.backends.part import Recovering
from bkpc_compiler.backends.runbook import MANY, runbook_html, runbook_markdown
from bkpc_grammar.plan import Plan, Recovery

_RENDER: dict[str, Callable[[Plan, str], str]] = {"html": runbook_html, "md": runbook_markdown}
_NAMED = 5
"""Databases that the page which leads to all names of one recovery."""
SCOPES = {
    "corruption": "Wrong or deleted data",
    "host": "Loss of a host",
    "site": "Loss of a site",
    "region": "Loss of a region",
    "intruder": "An intruder",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One failure. `back`: the databases that come back, the first by name."""

    title: str
    path: str
    back: str
    names: str  # of all that come back, to be found by
    takes_ms: int


def pages_of(plan: Plan, form: str) -> Iterator[tuple[str, str]]:
    """The path of each page below the folder, and its text; the one that leads to all comes last."""
    paths, recovering = _paths(plan, form), Recovering(plan)
    for recovery, path in zip(plan.recoveries, paths, strict=True):
        yield path, _RENDER[form](recovering.only((recovery,)), f"../index.{form}")
    yield f"index.{form}", _index(plan, paths, form)


def _paths(plan: Plan, form: str) -> list[str]:
    """`corruption/shop.html`; a number behind what two names become alike."""
    taken: dict[str, int] = {}
    found = []
    for one in plan.recoveries:
        name = f"{one.scope}/{slug(one.lost) or 'all'}"
        again = taken[name.casefold()] = taken.get(name.casefold(), 0) + 1
        found.append(f"{name}{f'~{again}' if again > 1 else ''}.{form}")
    return found


def _index(plan: Plan, paths: list[str], form: str) -> str:
    parts: dict[str, list[_Entry]] = {}
    pairs = sorted(zip(plan.recoveries, paths, strict=True), key=lambda one: natural(one[0].lost))
    for scope, title in SCOPES.items():
        entries = [_entry(one, path) for one, path in pairs if one.scope == scope]
        if entries:
            parts[title] = entries
    return page(f"runbook_index.{form}", plan=plan, parts=parts, listed_above=MANY, **script("find"))


def _entry(one: Recovery, path: str) -> _Entry:
    names = sorted(one.databases, key=natural)
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    back = words.listed([*names[:_NAMED], *more]) if names else "–"
    return _Entry(words.failure(one.scope, one.lost), path, back, " ".join(names), one.expect_ms)
