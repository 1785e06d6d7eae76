"""What no single statement shows: links declared twice, databases that wait for one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.program.model import Database, Link, Store
from bkpc_compiler.program.names import circle, declared_twice, unknown_name
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.syntax.tree import Word


def unsound_links(links: Iterable[Link]) -> Iterator[Diagnostic]:
    """Two links with a direction in common: which of the two figures would count?"""
    seen: dict[tuple[str, str], Link] = {}
    for link in links:
        ways = [(link.source, link.target), *([(link.target, link.source)] if link.both_ways else [])]
        first = next((seen[way] for way in ways if way in seen), None)
        if first:
            message = f"another link leads the way of `{link.name}`"
            yield declared_twice(Word("NAME", first.name, first.span), Word("NAME", link.name, link.span), message)
        seen |= {way: link for way in ways if way not in seen}


def one_name_two_things(stores: Mapping[str, Store], databases: Mapping[str, Database]) -> Iterator[Diagnostic]:
    """A store and a database of one name: `given` of a test could mean either."""
    for name in sorted(stores.keys() & databases.keys()):
        first, second = sorted((stores[name].span, databases[name].span))
        yield declared_twice(Word("NAME", name, first), Word("NAME", name, second))


def unsound_needs(databases: Mapping[str, Database]) -> Iterator[WrongValue]:
    """Unknown names after `needs`, and circles: none of their databases could come back first."""
    told: set[str] = set()
    for database in databases.values():
        for need in database.needs:
            word = Word("NAME", need.value, need.span)
            if need.value not in databases:
                yield unknown_name(word, "database", databases)
                continue
            way = _way(databases, need.value, database.name)
            if way and database.name not in told:
                told |= set(way)
                yield WrongValue(circle(word, (database.name, *way), "needs"))


def _way(databases: Mapping[str, Database], start: str, goal: str) -> tuple[str, ...]:
    """The names from `start` to `goal` along `needs`; empty where there is no way."""
    ahead: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while ahead:
        way = ahead.pop()
        if way[-1] == goal:
            return way
        for need in databases[way[-1]].needs:
            if need.value in databases and need.value not in seen:
                seen.add(need.value)
                ahead.append((*way, need.value))
    return ()
