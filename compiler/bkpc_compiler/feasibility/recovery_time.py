"""How long one database takes to come back on one line: detect, activate, provision or thaw, load, replay.

The logical engine streams: an image is loaded while it is read, a log replayed while it is fetched; each is
a pipeline whose slowest stage counts. The log follows when the image is loaded.

Whole milliseconds first, for every way back; the terms that explain them only for what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.estate.resources import Resource, Ways, derated, narrowest
from bkpc_compiler.feasibility.bounds import Bound, Term, given_term
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.program.model import Database, Given, Policy, Program, Scope, Standby, Store
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import ZERO_DURATION, ZERO_SIZE, Duration, Size

DAY = 86400


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is rebuilt: its own site, or a standby's."""

    site: str
    standby: Standby | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change while one program is judged."""

    program: Program
    ways: Ways
    stores: Mapping[str, Store]
    databases: Mapping[str, Database]
    grouped: frozenset[str] = frozenset()  # those that go back to one point with others

    @property
    def headroom(self) -> Fraction:
        return self.program.headroom.value


@dataclass(frozen=True, slots=True)
class Left:
    """What a failure leaves of each resource: the capacity less headroom, and less what goes on beside it."""

    headroom: Fraction
    background: Callable[[str], int]
    rooms: dict[str, int | None] = field(default_factory=dict)

    def usable(self, resource: Resource) -> int | None:
        """Whole bytes per second left for recoveries; None: not a narrow place."""
        name = resource.name
        if name not in self.rooms:
            room = derated(resource, self.headroom, self.background(name))
            self.rooms[name] = None if room is None else int(room)
        return self.rooms[name]


@dataclass(frozen=True)
class Transfer:
    """Bytes through a pipeline of resources. `spans`: the clauses that say how many bytes."""

    words: str
    bytes: Size
    resources: tuple[Resource, ...]
    spans: tuple[Span, ...]

    @property
    def what(self) -> str:
        return f"{self.words} {self.bytes}" if self.words == "load" else f"{self.words} {self.bytes.human()} of log"

    def at_best(self) -> Term:
        """At the full capacity of the slowest stage known."""
        slowest = narrowest(self.resources)
        if slowest is None:
            return Term(self.what, ZERO_DURATION)
        return self.term(slowest, Duration(self.bytes.amount / slowest.most))

    def rate(self, left: Left) -> tuple[int, Resource] | None:
        """Whole bytes per second of its slowest stage, and which that is; None where none is narrow."""
        found: tuple[int, Resource] | None = None
        for one in self.resources:
            room = left.usable(one)
            if room is not None and (found is None or (room, one.name) < (found[0], found[1].name)):
                found = (room, one)
        return found if self.bytes.amount else None

    def lasts(self, rate: int) -> int:
        """Milliseconds at `rate`, rounded up: the plan's grain."""
        return -(-self.bytes.amount.numerator * 1000 // (rate * self.bytes.amount.denominator))

    def term(self, slowest: Resource, takes: Duration) -> Term:
        spans = ((slowest.span,) if slowest.span else ()) + self.spans
        return Term(f"{self.what}: {slowest.words}", takes, spans, slowest.origin)


@dataclass(frozen=True, eq=False)
class Recovery:
    """One database's way back on one line at one place, alone.

    `share`: of all instants of failure that the age of the image is taken for. `queue`: what it waits for
    behind the thaws of others.
    """

    setting: Setting
    left: Left
    database: Database
    policy: Policy
    line: Line
    place: Place
    loss: Loss
    share: Fraction = Fraction(1)
    queue: tuple[Term, ...] = ()

    @cached_property
    def lead(self) -> tuple[Term, ...]:
        """Before its first byte moves."""
        respond = (*given_term("detect", self.policy.detect), *given_term("activate", self.policy.activate))
        return (*respond, *_ready(self.line, self.place), *self.queue)

    @cached_property
    def tail(self) -> tuple[Term, ...]:
        """After its last byte."""
        return given_term("verification", self.setting.program.verification)

    @cached_property
    def begins(self) -> int:
        """Milliseconds of the lead, each part rounded up: the plan's grain."""
        return sum(term.duration.milliseconds_up() for term in self.lead)

    @cached_property
    def checking(self) -> int:
        """Milliseconds of the tail."""
        return sum(term.duration.milliseconds_up() for term in self.tail)

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """What moves, one after the other, at the worst instant of failure."""
        age = self.line.image.age_for(self.share) if self.line.log_store else None
        return self._transfers(age.total if age else ZERO_DURATION)

    @cached_property
    def most(self) -> int | None:
        """Milliseconds at worst, with what is left to itself; None where nothing bounds them."""
        if self.line.image.staleness is None:
            return None
        total = self.begins + self.checking
        for transfer in self.transfers:
            found = transfer.rate(self.left)
            if found is not None:
                if found[0] <= 0:
                    return None
                total += transfer.lasts(found[0])
        return total

    @cached_property
    def lower(self) -> Bound:
        """No schedule betters it."""
        arrives = self.loss.scope is Scope.CORRUPTION
        age = self.line.image.age_at_least(self.share, arrives=arrives).total if self.line.log_store else ZERO_DURATION
        return Bound((*self.lead, *(one.at_best() for one in self._transfers(age)), *self.tail))

    def _transfers(self, age: Duration) -> tuple[Transfer, ...]:
        """`age`: of the image when the failure comes: what was written since then is replayed."""
        ways, line, database = self.setting.ways, self.line, self.database
        reading = ways.reading(line.image.store, self.place.site, self.loss.sites)
        assert reading is not None
        through = (*reading, ways.restores_of(database))
        image = Transfer("load", database.size.value, through, (database.size.span,))
        if line.log_store is None:
            return (image,)
        reading = ways.reading(line.log_store, self.place.site, self.loss.sites)
        assert reading is not None
        spans = (database.writes.span, *dict.fromkeys(job.schedule.span for job in line.image.jobs))
        bytes_ = log_to_replay(database, line, age)
        return (image, Transfer("replay", bytes_, (*reading, ways.replays_of(database)), spans))


def leads_back(setting: Setting, line: Line, place: Place, loss: Loss) -> bool:
    """Whether links lead from the stores of `line` to `place`."""
    stores = (line.image.store, line.log_store)
    return all(setting.ways.reading(one, place.site, loss.sites) is not None for one in stores if one is not None)


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


def log_to_replay(database: Database, line: Line, age: Duration) -> Size:
    """The most log that may follow an image of `age`: what is written meanwhile, and one burst."""
    if line.log is None:
        return ZERO_SIZE
    return Size(Fraction(ceil(database.writes.value.during(age).amount + database.burst.value.amount)))
