"""A large estate on one page: the most endangered first, what is alike once, and how many more there are.

A page that tells each of ten thousand databases in each of its sections is read by nobody, nor shown by a browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bkpc_compiler.backends import words
from bkpc_compiler.backends.estate import Flow
from bkpc_compiler.backends.procedure import Phase, Procedure
from bkpc_compiler.backends.report.day import Load, Stretch
from bkpc_compiler.backends.report.promises import Promise
from bkpc_grammar.plan import Database, Plan, Recovery

MANY = 300
"""Objectives from which on a page is made like this."""
SHOWN = 20
"""Rows of a kind that are told each."""
CHARTS = 12
"""Resources whose day is drawn, recoveries of a scope that are told."""
STEPS = 24
"""Steps of a recovery that are drawn."""
SHARED = 2
"""Users of a resource from which on it is shared."""
NAMES = 5
"""Names in a sentence."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """The first of many, and how many more there are."""

    shown: tuple[T, ...]
    more: int


def some(things: Iterable[T], most: int = SHOWN) -> Some[T]:
    every = tuple(things)
    return Some(every[:most], max(0, len(every) - most))


def few(names: Sequence[str], most: int = NAMES) -> str:
    """`a, b and c`; `a, b, c, d, e and 195 more`."""
    if len(names) <= most:
        return words.listed(list(names)) if names else ""
    return words.listed([*names[:most], f"{len(names) - most} more"])


@dataclass(frozen=True, slots=True)
class Alike:
    """Promises of one kind and size, the most endangered first."""

    promises: tuple[Promise, ...]

    @property
    def first(self) -> Promise:
        return self.promises[0]

    @property
    def title(self) -> str:
        most = words.of_share(self.first.promised_ms, self.first.millionths)
        return f"{self.first.scope}: {self.first.what} at most {most}"

    @property
    def proved(self) -> int:
        return sum(one.verdict == "PROVED" for one in self.promises)

    @property
    def endangered(self) -> Some[Promise]:
        return some(self.promises)


def alike(promises: Iterable[Promise]) -> tuple[Alike, ...]:
    """Those with one that is not proved first, then by what is left of them."""
    found: dict[tuple[str, str, int, int], list[Promise]] = {}
    for one in promises:
        found.setdefault((one.scope, one.kind, one.promised_ms, one.millionths), []).append(one)
    groups = [Alike(tuple(sorted(group, key=_safety))) for group in found.values()]
    return tuple(sorted(groups, key=lambda one: (_safety(one.first)[:3], one.title)))


def _safety(one: Promise) -> tuple[bool, bool, float, str]:
    """What is nearest to being broken comes first."""
    kept = one.bound_ms is not None and one.bound_ms / max(1, one.promised_ms)
    return (one.verdict == "PROVED", one.bound_ms is not None, -float(kept or 0), one.database)


@dataclass(frozen=True, slots=True)
class Moved:
    """What is moved to one store of one kind, from a store or from databases."""

    what: str
    origin: str
    store: str
    number: int
    rate: int  # of what never stops, of all; else the most that one takes
    reserved: str


def moved(flows: Iterable[Flow]) -> tuple[Moved, ...]:
    """The most first."""
    found: dict[tuple[str, str, str], list[Flow]] = {}
    for one in flows:
        found.setdefault((one.kind, one.source_store or "databases", one.store), []).append(one)
    told = [_moved(key, group) for key, group in found.items()]
    return tuple(sorted(told, key=lambda one: (-one.rate, one.what, one.origin, one.store)))


def _moved(key: tuple[str, str, str], flows: Sequence[Flow]) -> Moved:
    rates = [one.rate or 0 for one in flows]
    if flows[0].continuous:
        return Moved(*key, len(flows), sum(rates), f"{words.rate(sum(rates))}, always")
    return Moved(*key, len(flows), max(rates), f"up to {words.rate(max(rates))} each")


def in_all(databases: Sequence[Database]) -> str:
    """`170 more databases, 3.2TiB`."""
    return f"{words.many(len(databases), 'more database')}, {words.size(sum(one.size_bytes for one in databases))}"


def fullest(loads: Iterable[Load]) -> Some[Load]:
    """The resources of which most is reserved; those that one job has for itself last: it takes all there is."""

    def order(load: Load) -> tuple[bool, float, str]:
        users = len(load.streams) + len({slot.job for slot in load.slots})
        return (users < SHARED, -load.peak / max(1, load.resource.usable), load.resource.name)

    return some(sorted(loads, key=order), CHARTS)


def fullest_stretches(load: Load) -> Some[Stretch]:
    """In order of time."""
    stretches = load.stretches
    most = sorted(stretches, key=lambda one: (-load.reserved(one), one.begin))[:STEPS]
    return Some(tuple(sorted(most, key=lambda one: one.begin)), len(stretches) - len(most))


def longest(recoveries: Iterable[Recovery]) -> tuple[Recovery, ...]:
    """Of each scope those that take longest, and the scope with the longest first."""
    by_scope: dict[str, list[Recovery]] = {}
    for one in recoveries:
        by_scope.setdefault(one.scope, []).append(one)
    order = [sorted(group, key=lambda one: (-one.expect_ms, one.lost)) for group in by_scope.values()]
    return tuple(one for group in sorted(order, key=lambda one: -one[0].expect_ms) for one in group[:CHARTS])


def more_recoveries(plan: Plan) -> tuple[str, ...]:
    """How many others there are of each scope."""
    number: dict[str, int] = {}
    for one in plan.recoveries:
        number[one.scope] = number.get(one.scope, 0) + 1
    return tuple(
        f"{count - CHARTS} more after {scope}, none of which takes longer"
        for scope, count in number.items()
        if count > CHARTS
    )


def deciding(procedure: Procedure) -> Some[Phase]:
    """The steps that decide when all is done, and the first of the others; in order of time."""
    chosen = sorted(procedure.phases, key=lambda one: (not one.critical, one.number))[:STEPS]
    return Some(tuple(sorted(chosen, key=lambda one: one.number)), len(procedure.phases) - len(chosen))


@dataclass(frozen=True, slots=True)
class Rested:
    """Figures of one clause and origin that proofs rest on."""

    clause: str
    origin: str
    number: int
    first: str  # as it is written, and where
    databases: int


def rested(figures: Mapping[tuple[str, str, str], set[str]]) -> tuple[Rested, ...]:
    """By place, what and origin: whose promises rest on it. The most used first."""
    found: dict[tuple[str, str], list[tuple[str, str, set[str]]]] = {}
    for (where, what, origin), names in figures.items():
        found.setdefault((what.split(" ")[0], origin), []).append((where, what, names))
    told = []
    for (clause, origin), group in found.items():
        where, what, _ = min(group, key=lambda one: one[:2])
        users = set().union(*(names for _, _, names in group))
        told.append(Rested(clause, origin, len(group), f"{what}, {where}", len(users)))
    return tuple(sorted(told, key=lambda one: (-one.databases, one.clause, one.origin)))
