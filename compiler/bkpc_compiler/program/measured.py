"""Measured figures in the place of declared ones: a program to a program, before anything is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from bkpc_compiler.program.literal import Figure
from bkpc_compiler.program.measurement import Measurement
from bkpc_compiler.program.model import Account, Database, Given, Link, Origin, Program, Standby, StorageClass, Store
from bkpc_compiler.source import Span
from bkpc_grammar.facts import AnyFact, Facts, LinkFact, about, link_both_ways, one_spelling, site_of
from bkpc_grammar.quantities import Count, Duration, Rate, Size

T = TypeVar("T", Account, Database, Link, Store, Standby, StorageClass)
_OWN_IN_STD = ("class", "region")
"""Figures of `std` that are of one thing only."""
_QUANTITIES: Mapping[str, type[Duration] | type[Size] | type[Rate] | type[Count]] = {
    "bytes": Size,
    "bytes_per_second": Rate,
    "milliseconds": Duration,
    "count": Count,
}


def measured(program: Program, facts: Facts) -> tuple[Program, tuple[AnyFact, ...]]:
    """`program` with each measured figure in place, and the facts about things it doesn't know.

    A figure keeps the place of the declaration that it overrides; `Program.measured` says what was declared.
    """
    putting = _Putting(facts, {link_both_ways(one.name): one.name for one in program.links})
    changed = replace(
        program,
        accounts=tuple(putting.account(one) for one in program.accounts),
        links=tuple(putting.link(one) for one in program.links),
        stores=tuple(putting.store(one) for one in program.stores),
        databases=tuple(putting.database(one) for one in program.databases),
    )
    found = tuple(putting.found.values())
    unknown = tuple(fact for key, fact in putting.facts() if key not in putting.found)
    return replace(changed, measured=tuple(sorted(found, key=_order))), unknown


def _order(one: Measurement) -> tuple[str, int, str, str, str]:
    return (one.span.file, one.span.start, one.name, one.site, one.figure)


_Key = tuple[str, str, str, str]


class _Putting:
    """The facts by what they are about, each noted when it is put in place.

    `links`: the names of links as declared, by their one spelling.
    """

    def __init__(self, facts: Facts, links: Mapping[str, str]) -> None:
        self._facts: dict[tuple[str, str, str], list[AnyFact]] = {}
        for fact in facts.facts:
            name = links.get(one_spelling(fact), fact.name) if isinstance(fact, LinkFact) else fact.name
            self._facts.setdefault((about(fact), name, site_of(fact)), []).append(fact)
        self.found: dict[_Key, Measurement] = {}

    def facts(self) -> Iterator[tuple[_Key, AnyFact]]:
        for key, facts in self._facts.items():
            for fact in facts:
                yield (*key, fact.figure), fact

    def _put(self, thing: T, key: tuple[str, str, str], span: Span | None) -> T:
        """`thing` with the figures that were measured of it; `span`: its name, the place of what nobody declared."""
        changes: dict[str, Any] = {}
        for fact in self._facts.get(key, ()):
            given: Given[Any] | None = getattr(thing, fact.figure)
            place = _place(given, span, key)
            if place is None:
                continue
            scale = Fraction(1, 1000) if fact.unit == "milliseconds" else Fraction(1)
            value = _QUANTITIES[fact.unit](fact.value * scale)
            if given is not None and given.value == value:
                value = given.value  # in the author's words
            changes[fact.figure] = Given(value, place, Origin.MEASURED)
            self.found[(*key, fact.figure)] = Measurement(
                *key,
                figure=fact.figure,
                declared=_declared(given),
                value=value,
                span=place,
                measured_at=fact.measured_at,
                source=fact.source,
                samples=fact.samples,
            )
        return replace(thing, **changes) if changes else thing

    def account(self, account: Account) -> Account:
        return self._put(account, ("region", account.region, ""), None)

    def link(self, link: Link) -> Link:
        return self._put(link, ("link", link.name, ""), link.span)

    def store(self, store: Store) -> Store:
        put = self._put(store, ("store", store.name, ""), store.span)
        held = put.storage_class
        if held is None:
            return put
        kind = self._put(held.value, ("class", held.value.name, ""), held.value.span)
        return put if kind is held.value else replace(put, storage_class=replace(held, value=kind))

    def database(self, database: Database) -> Database:
        put = self._put(database, ("database", database.name, ""), database.span)
        standbys = tuple(self._put(one, ("standby", database.name, one.site), database.span) for one in put.standbys)
        return put if standbys == put.standbys else replace(put, standbys=standbys)


def _place(given: Given[Any] | None, span: Span | None, key: tuple[str, str, str]) -> Span | None:
    """The clause; a figure of `std` is shared by many, so its place says whose it is. None: there is no place."""
    if given is None:
        return Span(span.file, span.start, span.end, of=f"{key[0]} {key[1]}") if span else None
    shared = given.origin is Origin.STANDARD and key[0] not in _OWN_IN_STD
    return Span(given.span.file, given.span.start, given.span.end, of=f"{key[0]} {key[1]}") if shared else given.span


def _declared(given: Given[Any] | None) -> Figure | None:
    """What an author wrote: neither a figure of `std` nor the latency of a link that says nothing."""
    if given is None or given.span.file.startswith("std/") or not given.value.written:
        return None
    figure: Figure = given.value
    return figure
