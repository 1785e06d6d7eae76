"""How long one database takes to come back on one line: detect, activate, provision or thaw, load, replay.

The logical engine streams: an image is loaded while it is read, a log replayed while it is fetched; each is
a pipeline whose slowest stage counts. The log follows when the image is loaded.

Whole milliseconds first, for every way back; the terms that explain them only for what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.estate.resources import Resource, Ways
from bkpc_compiler.feasibility.background import Beside
from bkpc_compiler.feasibility.bounds import Term, given_term
from bkpc_compiler.feasibility.handing import handing, milliseconds
from bkpc_compiler.feasibility.image_reading import Objects, objects_of
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.log_reading import Reading, reading_of
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.feasibility.starting import starting
from bkpc_compiler.feasibility.thaw import log_to_replay, thaw_of
from bkpc_compiler.feasibility.working import Looking, Working
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Given, Origin, Policy, Program, Standby, Store
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration, Size
from bkpc_grammar.thaws import TURN_MS, look_ms


class Place(Struct, frozen=True):
    """Where a database is rebuilt: its own site, or a standby's."""

    site: str
    standby: Standby | None


class Patience(Struct, frozen=True):
    """Milliseconds: to notice and act; to notice."""

    respond: int
    detect: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change while one program is judged.

    `patience`: of each policy, by identity; `joint`: of several, by theirs. Filled as they are asked for.
    """

    program: Program
    ways: Ways
    stores: Mapping[str, Store]
    databases: Mapping[str, Database]
    grouped: Mapping[str, frozenset[str]] = field(default_factory=dict)  # what goes back to one point, by member
    patience: dict[int, tuple[Policy, Patience]] = field(default_factory=dict)  # beside each, what has that identity
    joint: dict[tuple[int, ...], Policy] = field(default_factory=dict)

    def patience_of(self, policy: Policy) -> Patience:
        """The times that `policy` gives, in milliseconds."""
        known = self.patience.get(id(policy))
        if known is None:
            found = Patience(
                respond=sum(term.duration.milliseconds_up() for term in _respond(policy)),
                detect=policy.detect.value.milliseconds_up() if policy.detect else 0,
            )
            known = self.patience[id(policy)] = (policy, found)
        return known[1]


@dataclass(frozen=True, slots=True)
class Left:
    """What a failure leaves of each resource: the capacity less headroom, and less what goes on beside it."""

    setting: Setting
    background: Beside
    rooms: dict[str, int | None] = field(default_factory=dict)

    def to(self, database: str) -> Left:
        """What is left to the way back of one that it hits: its own flows rest until it is back."""
        rests = self.background.without(database)
        return self if rests is self.background else Left(self.setting, rests)

    def usable(self, resource: Resource) -> int | None:
        """Whole bytes per second left for recoveries; None: not a narrow place."""
        name = resource.name
        if name not in self.rooms:
            room = self.setting.ways.usable(resource)
            self.rooms[name] = None if room is None else max(0, room - self.background(name))
        return self.rooms[name]

    def least(self, resources: Iterable[Resource]) -> int | None:
        """Whole bytes per second of the slowest stage; None where none is narrow."""
        least, rooms = None, self.rooms
        for one in resources:
            room = rooms[one.name] if one.name in rooms else self.usable(one)
            if room is not None and (least is None or room < least):
                least = room
        return least

    def rate(self, resources: Iterable[Resource]) -> tuple[int, Resource] | None:
        """Whole bytes per second of the slowest stage, and which that is; None where none is narrow."""
        least, slowest = None, None
        for one in resources:
            room = self.usable(one)
            if room is None:
                continue
            if least is None or slowest is None or room < least or (room == least and one.name < slowest.name):
                least, slowest = room, one
        return None if least is None or slowest is None else (least, slowest)


class Transfer(Struct, frozen=True, dict=True):
    """Bytes through a pipeline of resources: the image of a database, or the log that follows an image.

    `reading`: what the pieces of a log cost besides, `objects`: those of an image, where that is anything. `prepared`:
    physical images that are prepared, one onto the other. `logical`: whether the image may be one, loaded by tables.
    """

    database: Database
    follows: ImageCopy | None
    bytes: int
    resources: tuple[Resource, ...]
    reading: Reading | None = None
    prepared: int = 0
    objects: Objects | None = None
    logical: bool = False

    @property
    def what(self) -> str:
        """In words: `load 120GiB`."""
        if self.follows is None:
            more = f" and {Size(Fraction(self.increments)).human()} of incremental images" if self.increments else ""
            return f"load {self.database.size.value}{more}"
        return f"replay {Size(Fraction(self.bytes)).human()} of log"

    @once
    def waits(self) -> int:
        """Milliseconds beside what the bytes take at a rate."""
        asking = self.reading or self.objects
        begins = 0 if self.follows else starting(self.database, logical=self.logical)
        return begins + (asking.wait if asking else 0) + preparing(self.database, self.prepared)

    @property
    def increments(self) -> int:
        """Bytes of the incremental images behind a full one."""
        return 0 if self.follows else self.bytes - self.database.size.value.bytes_up()

    @property
    def spans(self) -> tuple[Span, ...]:
        """The clauses that say how many bytes."""
        if self.follows is None:
            return (self.database.size.span,)
        return (self.database.writes.span, *dict.fromkeys(job.schedule.span for job in self.follows.counted))

    def lasts(self, rate: int) -> int:
        """Milliseconds at most at a rate."""
        return milliseconds(self.bytes, rate) + self.waits + self.handed(rate)

    def handed(self, rate: int) -> int:
        """Milliseconds of it in which a log is there, or executed, and the one who does the rest does not yet know."""
        return handing(self.bytes, self.database.burst.value.bytes_up(), rate) if self.follows else 0

    def rate(self, left: Left) -> tuple[int, Resource] | None:
        """Whole bytes per second of its slowest stage, and which that is; None where none is narrow."""
        return left.rate(self.resources) if self.bytes else None

    def term(self, slowest: Resource, takes: Duration, working: Working) -> Term:
        spans = ((slowest.span,) if slowest.span else ()) + self.spans
        return Term(f"{self.what}: {slowest.words}", takes, spans, slowest.origin, working)


def preparing(database: Database, images: int) -> int:
    """Milliseconds that preparing so many physical images takes."""
    return images * database.prepares.value.milliseconds_up() if images and database.prepares else 0


class Recovery(Struct, frozen=True, eq=False, dict=True):
    """One database's way back on one line at one place, alone.

    `share`: of all instants of failure that the age of the image is taken for. `queue`: what it waits for that concerns
    others too: their thaws, and what is looked at before anything is loaded.
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

    @once
    def lead(self) -> tuple[Term, ...]:
        """Before its first byte moves."""
        return (*self.responds, *_ready(self.line, self.place), *self.queue)

    @once
    def thaws(self) -> tuple[Term, ...]:
        """Until all that it reads is seen to have thawed, whatever else is made ready meanwhile."""
        return (*self.responds, *_ready(self.line, Place(self.place.site, None)), *self.queue)

    @once
    def thawed(self) -> int:
        """Milliseconds of that, each part rounded up."""
        return sum(term.duration.milliseconds_up() for term in self.thaws)

    @property
    def responds(self) -> tuple[Term, ...]:
        """Until anybody does something about it."""
        return _respond(self.policy)

    @once
    def tail(self) -> tuple[Term, ...]:
        """After its last byte."""
        return _check(self.setting, self.database)

    @property
    def surely_after(self) -> tuple[Term, ...]:
        """The same as far as somebody said so: of what is only assumed nobody knows how little it may be."""
        return tuple(term for term in self.tail if term.origin is not Origin.STANDARD)

    @once
    def begins(self) -> int:
        """Milliseconds of the lead, each part rounded up: the plan's grain."""
        queue = sum(term.duration.milliseconds_up() for term in self.queue)
        return self.setting.patience_of(self.policy).respond + ready_after(self.line, self.place) + queue

    @property
    def checking(self) -> int:
        """Milliseconds of the tail."""
        return checking_of(self.setting, self.database)

    @once
    def most(self) -> int | None:
        """Milliseconds at worst, with what is left to itself; None where nothing bounds them."""
        if self.at_once is None or not self.queue:
            return self.at_once
        return self.at_once + sum(term.duration.milliseconds_up() for term in self.queue)

    @once
    def at_once(self) -> int | None:
        """The same with nothing to wait for that concerns others."""
        if not self.line.image.comes:
            return None
        total = self.setting.patience_of(self.policy).respond + self.checking + ready_after(self.line, self.place)
        for transfer in self.transfers:
            rate = self.left.least(transfer.resources) if transfer.bytes else None
            if rate is not None:
                if rate <= 0:
                    return None
                total += transfer.lasts(rate) - transfer.waits
            total += transfer.waits
        return total

    def behind(self, queue: tuple[Term, ...]) -> Recovery:
        """The same with more to wait for: what moves, and how long that takes, is known already."""
        again = replace(self, queue=(*self.queue, *queue))
        vars(again).update(at_once=self.at_once, transfers=self.transfers)
        return again

    @once
    def transfers(self) -> tuple[Transfer, ...]:
        """What moves, one after the other, at the worst instant of failure: whatever the failure leaves of its way."""
        known, key = self.line.moved, (self.place.site, self.loss.sites, self.share == 1 or self.share)
        if key not in known:
            known[key] = self._transfers(_age_at_most(self.line, self.share))
        return known[key]

    def _transfers(self, age: Fraction | int) -> tuple[Transfer, ...]:
        """The image, then what was written in `age` milliseconds before the failure."""
        ways, line, database = self.setting.ways, self.line, self.database
        through = reading_any(self.setting, line.image.stores, self.place, self.loss)
        size = line.image.loaded(database.size.value)
        way = (*through, ways.restores_of(database))
        objects = objects_of(ways, database, line.image, size, self.place.site, self.loss.sites)
        image = Transfer(database, None, size, way, None, line.image.prepared, objects, line.image.logical)
        following = _reading_log(self.setting, line, self.place, self.loss)
        if following is None:
            return (image,)
        bytes_ = log_to_replay(database, line, age)
        reading = _pieces(self.setting, database, line, self.place, self.loss, age, bytes_)
        return (image, Transfer(database, line.image, bytes_, (*following, ways.replays_of(database)), reading))


def _pieces(
    setting: Setting, database: Database, line: Line, place: Place, loss: Loss, age: Fraction | int, bytes_: int
) -> Reading | None:
    """What the pieces of its log cost, where that is anything."""
    if line.log is None:
        return None
    return reading_of(setting.ways, database, line.log, line.log_stores, place.site, loss.sites, age, bytes_)


def _reading_log(setting: Setting, line: Line, place: Place, loss: Loss) -> tuple[Resource, ...] | None:
    """What lies before the log, wherever it may be; None where there is none to replay."""
    return reading_any(setting, line.log_stores, place, loss) if line.log_stores else None


def reading_any(setting: Setting, stores: Sequence[Store], place: Place, loss: Loss) -> tuple[Resource, ...]:
    """What lies before all of `stores`: it is known only then which of them is read."""
    if len(stores) == 1:
        return setting.ways.reading(stores[0], place.site, loss.sites) or ()
    ways = [setting.ways.reading(one, place.site, loss.sites) for one in stores]
    return tuple(dict.fromkeys(one for way in ways if way is not None for one in way))


def _age_at_most(line: Line, share: Fraction) -> Fraction | int:
    """Milliseconds since the snapshot of the newest image; 0 where nothing bounds them, or no log follows."""
    ages = line.image.staleness
    if line.log is None or not line.image.comes:
        return 0
    return line.image.oldest if share == 1 or ages is None else ages.quantile(share)


def checking_of(setting: Setting, database: Database) -> int:
    """Milliseconds from loaded to believed."""
    return (database.verifies or setting.program.verification).value.milliseconds_up()


def _check(setting: Setting, database: Database) -> tuple[Term, ...]:
    return given_term("verification", database.verifies or setting.program.verification)


def _respond(policy: Policy) -> tuple[Term, ...]:
    return (*given_term("detect", policy.detect), *given_term("activate", policy.activate))


def leads_back(setting: Setting, line: Line, place: Place, loss: Loss) -> bool:
    """Whether links lead from the stores of `line` to `place`."""
    reading, site, lost = setting.ways.reading, place.site, loss.sites
    for one in line.image.stores:
        if reading(one, site, lost) is None:
            return False
    if line.synced:
        return all(reading(one, site, lost) is not None for one in line.synced)
    return line.log_store is None or reading(line.log_store, site, lost) is not None


def _ready(line: Line, place: Place) -> tuple[Term, ...]:
    """Before image and log can both be read, and somebody has seen it."""
    stores = (*line.image.stores, *line.log_stores)
    if place.standby is None and all(one.storage_class is None for one in stores):
        return ()
    longest = longest_thaw(stores)
    provision = place.standby.provision.value.milliseconds_up() if place.standby else 0
    if longest is None or provision >= thawing_ms(longest):
        return ready_at(place, ())
    every = Duration(Fraction(look_ms(longest.value.milliseconds_up()) + TURN_MS, 1000))
    words = f"until it is seen to have thawed: looked at every {every.human()} or so"
    return (
        *ready_at(Place(place.site, None), stores),
        Term(words, every, (longest.span,), longest.origin, Looking(longest)),
    )


def ready_at(place: Place, stores: Iterable[Store]) -> tuple[Term, ...]:
    """Provision and thaws run side by side: the longest counts."""
    terms: list[Term] = []
    if place.standby:
        terms += given_term(f"provision at {place.site}", place.standby.provision)
    for store in stores:
        thaw = thaw_of(store)
        if store.storage_class is not None and thaw is not None:
            label = f"thaw of `{store.name}`, before the first byte can be read"
            terms.append(Term(label, thaw.value, (store.storage_class.span, thaw.span), thaw.origin))
    return (max(terms, key=lambda term: term.duration),) if terms else ()


def ready_after(line: Line, place: Place) -> int:
    """Milliseconds between acting and the first byte: until the place is provisioned and what is read has thawed."""
    provision = place.standby.provision.value.milliseconds_up() if place.standby else 0
    longest = longest_thaw((*line.image.stores, *line.log_stores)) if line.frozen else None
    return provision if longest is None else max(provision, thawing_ms(longest))


def longest_thaw(stores: Iterable[Store]) -> Given[Duration] | None:
    """Of what must thaw before it can be read."""
    longest: Given[Duration] | None = None
    for store in stores:
        thaw = thaw_of(store)
        if thaw is not None and (longest is None or thaw.value > longest.value):
            longest = thaw
    return longest


def thawing_ms(thaw: Given[Duration]) -> int:
    """Milliseconds until what takes so long is seen to have thawed."""
    takes = thaw.value.milliseconds_up()
    return takes + look_ms(takes) + TURN_MS
