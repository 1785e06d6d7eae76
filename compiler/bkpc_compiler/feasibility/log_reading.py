"""What the number of objects of a log costs a recovery beside their bytes: each is asked for over the way's latency.

Many are fetched at once. Let the way be idle when nothing is on it but requests. Cut the objects, in order, into groups
of at most 128 and at most 64 MiB: what is asked for at once. While the first object that is not there is of one group,
all of that group are asked for, since all before them are there: after one latency the way is idle no more. So it is
idle for one latency in each group at most, and else moves bytes at its rate. A group that is not the last has 128
objects, or more than 32 MiB, since one more object had no room. See docs/feasibility.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.estate.routes import HOME, Route
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Link, Store
from bkpc_compiler.source import Span
from bkpc_grammar.log_objects import AT_ONCE, EVENT, LISTED, OBJECT, REQUESTED_MS, ROUND, SYNC_APART_MS
from bkpc_grammar.quantities import ZERO_DURATION, Duration

LOOKS = 2
"""Times that the names of all objects are listed: before anything is loaded (of a scope, or where something must
thaw), and by whoever then loads."""
SINGLE = 10
"""Requests that wait for one another besides: names of binlogs, connections that are made, and the last group."""


class Reading(Struct, frozen=True, dict=True):
    """`bytes` of log, written in `age` milliseconds, on their way over `links` from the store farthest away.

    `apart`: milliseconds between two objects at least that are cut for one reason, while none is full: for a flush;
    with `hot sync`, for a commit too, which waits for what is at the end of the links `quorum`. `known`: milliseconds
    between two notes of until when it is complete, which have names only; None: there are none.
    """

    age: int | Fraction
    bytes: int
    apart: tuple[int, ...]
    latency: Duration
    links: tuple[Link, ...]
    flush: Span
    quorum: tuple[Link, ...] = ()
    known: int | None = None

    @once
    def binlogs(self) -> int:
        """Files of the server that they lie in, at most."""
        return int(self.age // REQUESTED_MS) + self.bytes // OBJECT + 2

    @once
    def objects(self) -> int:
        """One for each flush, that holds something; where one is full, it and one before; the last of each binlog."""
        cut = sum(int(self.age // apart) + 1 for apart in self.apart)
        return min(cut, self.bytes // EVENT) + 2 * (self.bytes // OBJECT) + self.binlogs + 3

    @property
    def notes(self) -> int:
        """Names of such notes."""
        return 0 if self.known is None else int(self.age // self.known) + 1

    @property
    def listings(self) -> int:
        """Latencies in which the names of all objects are listed once, those of many binlogs at once."""
        return (self.objects + self.notes + 3 * self.binlogs) // LISTED + -(-self.binlogs // AT_ONCE)

    @property
    def rounds(self) -> int:
        """Latencies in which nothing else need be on the way, at most."""
        return -(-self.objects // AT_ONCE) + self.bytes // ROUND + LOOKS * self.listings + SINGLE

    @property
    def wait(self) -> int:
        """Milliseconds beside what the bytes take."""
        each = self.latency.amount
        return -(-self.rounds * 1000 * each.numerator // each.denominator)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The clauses that cost it."""
        return (*(one.latency.span for one in self.links), self.flush)


def reading_of(
    ways: Ways, database: Database, log: StreamDemand, stores: tuple[Store, ...], site: str, lost: tuple[str, ...],
    age: int | Fraction, bytes_: int,
) -> Reading | None:  # fmt: skip
    """The log out of `stores`, wherever it may be, to `site` around `lost` sites; None where no latency counts."""
    found = reading_any(ways, database, log, stores, site, lost, age, bytes_) if bytes_ else None
    return found if found and found.latency.amount else None


def reading_any(
    ways: Ways, database: Database, log: StreamDemand, stores: Iterable[Store], site: str, lost: tuple[str, ...],
    age: int | Fraction, bytes_: int,
) -> Reading:  # fmt: skip
    """The same where no latency counts, too."""
    far = farthest(ways, stores, site, lost)
    apart = [log.flush_apart]
    quorum = _quorum(ways, database, log) if log.level.sync else HOME
    if log.level.sync:
        apart.append(max(SYNC_APART_MS, int(quorum.latency.amount * 1000)))
    latency = ZERO_DURATION if far is HOME else far.latency
    return Reading(age, bytes_, tuple(apart), latency, far.links, log.level.flush.span, quorum.links, log.known)


def farthest(ways: Ways, stores: Iterable[Store], site: str, lost: tuple[str, ...]) -> Route:
    """The way of the greatest latency that leads from one of `stores` to `site` around `lost` sites."""
    far = HOME
    for one in stores:
        route = ways.routes.between(one.site, site, lost)
        if route is not None and route is not HOME and (far is HOME or route.latency > far.latency):
            far = route
    return far


def _quorum(ways: Ways, database: Database, log: StreamDemand) -> Route:
    """A commit waits until a quorum of stores has the one before, and so long as the way to the farthest of it."""
    wanted = {one.value for one in log.level.stores}
    sites = (one.site for one in ways.program.stores if one.name in wanted)
    led = [way for way in (ways.routes.between(database.site, site) for site in sites) if way is not None]
    nearest = sorted(led, key=lambda one: one.latency.amount)[: log.level.quorum]
    return nearest[-1] if nearest else HOME
