"""How long one database takes to come back on one line: detect, activate, provision or thaw, load, replay.

The logical engine streams: an image is loaded while it is read, a log replayed while it is fetched; each is
a pipeline whose slowest stage counts. The log follows when the image is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
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

    def usable(self, resource: Resource) -> Fraction | None:
        """Bytes per second left for recoveries; None: not a narrow place."""
        return derated(resource, self.headroom, self.background(resource.name))


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes through a pipeline of resources."""

    what: str
    bytes: Size
    resources: tuple[Resource, ...]
    spans: tuple[Span, ...]

    def at_best(self) -> Term:
        """At the full capacity of the slowest stage known."""
        slowest = narrowest(self.resources)
        if slowest is None:
            return Term(self.what, ZERO_DURATION)
        return self.term(slowest, Duration(self.bytes.amount / slowest.most))

    def rate(self, left: Left) -> tuple[int, Resource] | None:
        """Whole bytes per second of its slowest stage, and which that is; None where none is narrow."""
        rates = [(room, one.name, one) for one in self.resources if (room := left.usable(one)) is not None]
        if not rates or not self.bytes.amount:
            return None
        room, _, slowest = min(rates, key=lambda entry: entry[:2])
        return int(room), slowest

    def term(self, slowest: Resource, takes: Duration) -> Term:
        spans = ((slowest.span,) if slowest.span else ()) + self.spans
        return Term(f"{self.what}: {slowest.words}", takes, spans, slowest.origin)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One database's way back on one line, alone. `lead`: before its first byte moves; `lower`: at best;
    `transfers`: what moves then, one after the other; `upper`: at worst with what is left to itself."""

    database: Database
    policy: Policy
    line: Line
    place: Place
    lead: tuple[Term, ...]
    transfers: tuple[Transfer, ...]
    tail: tuple[Term, ...]
    upper: Bound | None
    lower: Bound


def recovery_on(
    setting: Setting, left: Left, database: Database, policy: Policy, line: Line, place: Place, loss: Loss,
    share: Fraction = Fraction(1),
) -> Recovery | None:  # fmt: skip
    """The recovery of `database` on `line` at `place`; None where no route leads there.

    `share`: of all instants of failure that the age of the image is taken for.
    """
    age = line.image.age_for(share)
    transfers = _transfers(setting, database, line, place, loss, age.total if age else ZERO_DURATION)
    if transfers is None:
        return None
    respond = (*given_term("detect", policy.detect), *given_term("activate", policy.activate))
    lead = (*respond, *_ready(line, place))
    tail = given_term("verification", setting.program.verification)
    least = _transfers(setting, database, line, place, loss, _youngest(line, loss, share)) or ()
    lower = Bound((*lead, *(one.at_best() for one in least), *tail))
    upper = None
    if age is not None:
        worst = [_alone(transfer, left) for transfer in transfers]
        if all(term is not None for term in worst):
            upper = Bound((*lead, *(term for term in worst if term is not None), *tail))
    return Recovery(database, policy, line, place, lead, transfers, tail, upper, lower)


def _alone(transfer: Transfer, left: Left) -> Term | None:
    """With all that is left; None where nothing is."""
    found = transfer.rate(left)
    if found is None:
        return Term(transfer.what, ZERO_DURATION)
    rate, slowest = found
    return transfer.term(slowest, milliseconds(transfer.bytes, rate)) if rate > 0 else None


def milliseconds(bytes_: Size, rate: int) -> Duration:
    """What `bytes_` take at `rate`, in whole milliseconds: the plan's grain."""
    return Duration(Fraction(ceil(bytes_.amount * 1000 / rate), 1000))


def _youngest(line: Line, loss: Loss, share: Fraction) -> Duration:
    """How old the newest image is at the worst instant, whatever the schedule."""
    return line.image.age_at_least(share, arrives=loss.scope is Scope.CORRUPTION).total


def _ready(line: Line, place: Place) -> tuple[Term, ...]:
    """Provision and thaw run side by side: the longer one counts."""
    terms: list[Term] = []
    if place.standby:
        terms += given_term(f"provision at {place.site}", place.standby.provision)
    for store in dict.fromkeys((line.image.store, line.log_store)):
        thaw = thaw_of(store)
        if store is not None and store.storage_class is not None and thaw is not None:
            label = f"thaw of `{store.name}`, before the first byte can be read"
            terms.append(Term(label, thaw.value, (store.storage_class.span, thaw.span), thaw.origin))
    return (max(terms, key=lambda term: term.duration),) if terms else ()


def thaw_of(store: Store | None) -> Given[Duration] | None:
    """The time before a first byte of `store` can be read; None where it comes at once."""
    return store.storage_class.value.thaw if store and store.storage_class else None


def _transfers(
    setting: Setting, database: Database, line: Line, place: Place, loss: Loss, age: Duration
) -> tuple[Transfer, ...] | None:
    """`age`: of the image when the failure comes: what was written since then is replayed."""
    ways = setting.ways
    route = ways.routes.between(line.image.store.site, place.site, loss.sites)
    if route is None:
        return None
    reading = (ways.reads_of(line.image.store), *ways.links(route))
    image = Transfer(
        f"load {database.size.value}",
        database.size.value,
        (*reading, ways.restores_of(database)),
        (database.size.span,),
    )
    if line.log_store is None:
        return (image,)
    route = ways.routes.between(line.log_store.site, place.site, loss.sites)
    if route is None:
        return None
    bytes_ = log_to_replay(database, line, age)
    reading = (ways.reads_of(line.log_store), *ways.links(route))
    spans = (database.writes.span, *dict.fromkeys(job.schedule.span for job in line.image.jobs))
    return (image, Transfer(f"replay {bytes_.human()} of log", bytes_, (*reading, ways.replays_of(database)), spans))


def log_to_replay(database: Database, line: Line, age: Duration) -> Size:
    """The most log that may follow an image of `age`: what is written meanwhile, and one burst."""
    if line.log is None:
        return ZERO_SIZE
    return Size(Fraction(ceil(database.writes.value.during(age).amount + database.burst.value.amount)))
