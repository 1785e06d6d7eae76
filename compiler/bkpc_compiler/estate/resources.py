"""What flows share: links, stores, machines; with their capacities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.estate.failures import machine_of
from bkpc_compiler.estate.routes import Route
from bkpc_compiler.program.model import Database, Given, Link, Origin, Program, Store
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Rate


@dataclass(frozen=True, slots=True)
class Resource:
    """Something with a capacity. `name` as in a plan; no `capacity`: never the narrow place."""

    name: str
    words: str  # for people: `link hangzhou -- beijing`
    capacity: Rate | None
    span: Span | None
    origin: Origin


def _resource(name: str, words: str, given: Given[Rate] | None) -> Resource:
    if given is None:
        return Resource(name, words, None, None, Origin.DECLARED)
    return Resource(name, words, given.value, given.span, given.origin)


def link_resource(link: Link) -> Resource:
    return _resource(f"link:{link.name}", f"link {link.name}", link.bandwidth)


def reads_of(store: Store) -> Resource:
    return _resource(f"store:{store.name}:reads", f"reading from `{store.name}`", store.reads)


def writes_of(store: Store) -> Resource:
    return _resource(f"store:{store.name}:writes", f"writing to `{store.name}`", store.writes)


def restores_of(program: Program, database: Database) -> Resource:
    """What the database's machine takes in; shared by all databases on that machine."""
    return _resource(f"database:{_first_on(program, database)}", f"loading into `{database.name}`", database.restores)


def replays_of(program: Program, database: Database) -> Resource:
    return _resource(f"database:{_first_on(program, database)}:log", f"replay on `{database.name}`", database.replays)


def _first_on(program: Program, database: Database) -> str:
    """Databases on one machine share it, under the first one's name."""
    return min(other.name for other in program.databases if machine_of(other) == machine_of(database))


def links_of(route: Route) -> tuple[Resource, ...]:
    return tuple(link_resource(link) for link in route.links)


def narrowest(resources: Iterable[Resource]) -> Resource | None:
    """The one with the least capacity; None where none has one."""
    bounded = [one for one in resources if one.capacity is not None]
    return min(bounded, key=lambda one: (one.capacity, one.name), default=None)


def derated(resource: Resource, headroom: Fraction, reserved: int = 0) -> Fraction | None:
    """Bytes per second one may count on beside what is reserved; None: not a narrow place."""
    if resource.capacity is None:
        return None
    return max(Fraction(0), resource.capacity.amount * (1 - headroom) - reserved)
