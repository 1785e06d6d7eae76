"""How long one database takes to come back on one line: detect, activate, provision or thaw, load, replay.

Store-and-forward between image and log; each is a pipeline whose slowest stage counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.estate.resources import (
    Resource,
    derated,
    links_of,
    narrowest,
    reads_of,
    replays_of,
    restores_of,
)
from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.feasibility.bounds import Bound, Term, given_term
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.program.model import Database, Given, Policy, Program, Standby, Store
from bkpc_grammar.quantities import ZERO_DURATION, ZERO_SIZE, Duration, Size


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is rebuilt: its own site, or a standby's."""

    site: str
    standby: Standby | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change while one program is judged."""

    program: Program
    routes: Routes
    reserved: Mapping[str, int]

    @property
    def headroom(self) -> Fraction:
        return self.program.headroom.value

    def usable(self, resource: Resource) -> Fraction | None:
        """Bytes per second left for a recovery; None: not a narrow place."""
        return derated(resource, self.headroom, self.reserved.get(resource.name, 0))


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes through a pipeline of resources."""

    what: str
    bytes: Size
    resources: tuple[Resource, ...]

    def at_best(self) -> Term:
        """At the full capacity of the slowest stage."""
        slowest = narrowest(self.resources)
        if slowest is None or slowest.capacity is None:
            return Term(self.what, ZERO_DURATION)
        span = (slowest.span,) if slowest.span else ()
        return Term(f"{self.what}: {slowest.words}", self.bytes.over(slowest.capacity), span, slowest.origin)

    def at_worst(self, setting: Setting) -> Term | None:
        """At what is left of the slowest stage; None where nothing is left."""
        rates = [(setting.usable(one), one) for one in self.resources]
        bounded = [(rate, one.name, one) for rate, one in rates if rate is not None]
        if not bounded or not self.bytes.amount:
            return Term(self.what, ZERO_DURATION)
        rate, _, slowest = min(bounded, key=lambda entry: entry[:2])
        if rate <= 0:
            return None
        span = (slowest.span,) if slowest.span else ()
        return Term(f"{self.what}: {slowest.words}", Duration(self.bytes.amount / rate), span, slowest.origin)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One database's way back on one line, alone: both bounds, and the transfers others may delay."""

    database: Database
    policy: Policy
    line: Line
    place: Place
    upper: Bound | None
    lower: Bound
    transfers: tuple[Transfer, ...]


def recovery_on(setting: Setting, database: Database, policy: Policy, line: Line, place: Place) -> Recovery | None:
    """The recovery of `database` on `line` at `place`; None where no route leads there."""
    transfers = _transfers(setting, database, line, place)
    if transfers is None:
        return None
    respond = (*given_term("detect", policy.detect), *given_term("activate", policy.activate))
    ready = _ready(line, place)
    verification = given_term("verification", setting.program.verification)
    image, *_ = transfers
    lower = Bound((*respond, *ready, image.at_best(), *verification))
    worst = [transfer.at_worst(setting) for transfer in transfers]
    upper = None
    if line.image.age is not None and all(term is not None for term in worst):
        upper = Bound((*respond, *ready, *(term for term in worst if term is not None), *verification))
    return Recovery(database, policy, line, place, upper, lower, transfers)


def _ready(line: Line, place: Place) -> tuple[Term, ...]:
    """Provision and thaw run side by side: the longer one counts."""
    terms: list[Term] = []
    if place.standby:
        terms += given_term(f"provision at {place.site}", place.standby.provision)
    for store in (line.image.store, line.log_store):
        thaw = thaw_of(store)
        if store is not None and store.storage_class is not None and thaw is not None:
            label = f"thaw of `{store.name}`, before the first byte can be read"
            terms.append(Term(label, thaw.value, (store.storage_class.span, thaw.span), thaw.origin))
    return (max(terms, key=lambda term: term.duration),) if terms else ()


def thaw_of(store: Store | None) -> Given[Duration] | None:
    """The time before a first byte of `store` can be read; None where it comes at once."""
    return store.storage_class.value.thaw if store and store.storage_class else None


def log_to_replay(database: Database, line: Line) -> Size:
    """The most log that may follow the newest image: what is written while it ages, and one burst."""
    if line.log is None or line.image.age is None:
        return ZERO_SIZE
    return database.writes.value.during(line.image.age.total) + database.burst.value


def _transfers(setting: Setting, database: Database, line: Line, place: Place) -> tuple[Transfer, ...] | None:
    route = setting.routes.between(line.image.store.site, place.site)
    if route is None:
        return None
    reading = (reads_of(line.image.store), *links_of(route))
    image = Transfer(
        f"load {database.size.value}", database.size.value, (*reading, restores_of(setting.program, database))
    )
    if line.log_store is None:
        return (image,)
    route = setting.routes.between(line.log_store.site, place.site)
    if route is None:
        return None
    bytes_ = log_to_replay(database, line)
    fetch = Transfer(f"fetch {bytes_.human()} of log", bytes_, (reads_of(line.log_store), *links_of(route)))
    replay = Transfer(f"replay {bytes_.human()} of log", bytes_, (replays_of(setting.program, database),))
    return (image, fetch, replay)
