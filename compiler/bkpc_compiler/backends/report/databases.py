"""Every database of a large estate in one row, to be found by its name: what is promised of it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bkpc_compiler.backends.natural import natural
from bkpc_compiler.backends.report.promises import Promise
from bkpc_grammar.plan import Plan
from bkpc_grammar.shares import for_share

TOGETHER = 300
"""Databases in a part, which opens as one."""

_SCOPES = {
    "corruption": "Corruption",
    "host": "Host lost",
    "site": "Site lost",
    "region": "Region lost",
    "intruder": "Intruder",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One database. `after`: of each scope, what it loses and when it is back, at most; `month`: its storage."""

    name: str
    site: str
    size_bytes: int
    after: tuple[str, ...]
    proved: bool
    month: str


@dataclass(frozen=True, slots=True)
class Databases:
    """All of an estate. `failures`: those that anything is promised of, as a column is headed."""

    failures: tuple[str, ...]
    parts: tuple[tuple[Row, ...], ...]
    billed: bool


def databases_of(plan: Plan, promises: Iterable[Promise], months: Mapping[str, str]) -> Databases:
    """By name, `db2` before `db10`."""
    of: dict[str, dict[str, dict[str, Promise]]] = {}
    for one in promises:
        of.setdefault(one.database, {}).setdefault(one.scope, {})[one.kind] = one
    known = {one.name: one for one in plan.estate.databases}
    scopes = tuple(scope for scope in _SCOPES if any(scope in its for its in of.values()))
    rows = [
        Row(
            name,
            known[name].site if name in known else "",
            known[name].size_bytes if name in known else 0,
            tuple(_after(its.get(scope, {})) for scope in scopes),
            all(one.verdict == "PROVED" for both in its.values() for one in both.values()),
            months.get(name, "–"),
        )
        for name, its in sorted(of.items(), key=lambda one: natural(one[0]))
    ]
    parts = tuple(tuple(rows[at : at + TOGETHER]) for at in range(0, len(rows), TOGETHER))
    return Databases(tuple(_SCOPES[one] for one in scopes), parts, bool(months))


def _after(its: Mapping[str, Promise]) -> str:
    """`10s / 26min`; `–` for what is not promised."""
    return f"{_told(its.get('rpo'))} / {_told(its.get('rto'))}" if its else "–"


def _told(one: Promise | None) -> str:
    if one is None:
        return "–"
    most = one.most if one.bound_ms is not None else "no bound"
    return f"{most}{for_share(one.millionths)}{'' if one.verdict == 'PROVED' else ' (not proved)'}"
