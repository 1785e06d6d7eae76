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
    circular = _in_circles(databases)
    for database in databases.values():
        for need in database.needs:
            word = Word("NAME", need.value, need.span)
            if need.value not in databases:
                yield unknown_name(word, "database", databases)
                continue
            if {database.name, need.value} <= circular.keys() and database.name not in told:
                way = _way(circular, need.value, database.name)
                told |= set(way)
                if way:
                    yield WrongValue(circle(word, (database.name, *way), "needs"))


def _in_circles(databases: Mapping[str, Database]) -> dict[str, list[str]]:
    """What each database needs, of those only that are in a circle or between two: mostly none."""
    needs = {name: [need.value for need in one.needs if need.value in databases] for name, one in databases.items()}
    left = _turned_round(_turned_round(needs))
    return {name: [need for need in needs[name] if need in left] for name in left}


def _turned_round(needs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Who waits for each, without those whose own waiting ends."""
    waiting: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in needs.items():
        for need in needed:
            waiting[need].append(name)
    missing = {name: len(needed) for name, needed in needs.items()}
    ended = [name for name, number in missing.items() if not number]
    while ended:
        name = ended.pop()
        del missing[name]
        for other in waiting[name]:
            missing[other] -= 1
            if not missing[other]:
                ended.append(other)
    return {name: [other for other in waiting[name] if other in missing] for name in missing}


def _way(needs: Mapping[str, list[str]], start: str, goal: str) -> tuple[str, ...]:
    """The names from `start` to `goal` along `needs`; empty where there is no way."""
    before = {start: ""}
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name == goal:
            way = [name]
            while before[way[-1]]:
                way.append(before[way[-1]])
            return tuple(reversed(way))
        for need in needs[name]:
            if need not in before:
                before[need] = name
                ahead.append(need)
    return ()
