"""The point a person asks for, and how it is recognised while the log is read once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bkpc_runtime.errors import BadUsage, PolicyBroken, Refused
from bkpc_runtime.mysql.binlog.search import Query, did, parse_query
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import Gtids, parse_gtids, split_gtid
from bkpc_runtime.recovery.moment import Shown, Stored
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.segments import order

FIRST = 4
OUT_OF_ORDER = timedelta(minutes=1)
"""Statements that run side by side may be written in another order than they began in; more is a clock set back."""
_POSITION = re.compile(r"(.+\.\d{6,}):(\d+)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Latest:
    """All that is archived."""


@dataclass(frozen=True, slots=True)
class NewestImage:
    """The newest image that is whole, and no log."""


@dataclass(frozen=True, slots=True)
class OfImage:
    """An image, and no log."""

    id: str


@dataclass(frozen=True, slots=True)
class AtPosition:
    """What was committed before a position."""

    stop: Position


@dataclass(frozen=True, slots=True)
class AtTime:
    """What was committed until a moment. `beyond`: the log is known to go on after it, and its end is not looked at for
    that again. `complete`: it is noted that the log holds all that was committed until then (`known_until.py`)."""

    moment: datetime
    beyond: bool = field(default=False, compare=False)
    complete: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class AfterGtids:
    """Up to the last of these transactions, and it too."""

    gtids: Gtids


@dataclass(frozen=True, slots=True)
class BeforeEvent:
    """What was committed before somebody did `query`."""

    query: Query
    text: str


Point = Latest | NewestImage | OfImage | AtPosition | AtTime | AfterGtids | BeforeEvent


class NotHere(PolicyBroken):
    """The log of this image does not hold what was asked for; that of an older one may."""


def point_text(point: Point) -> str:
    """A fixed point as `--to` takes it."""
    match point:
        case AtPosition(stop):
            return stop.text
        case AtTime(moment):
            return moment.isoformat()
        case AfterGtids(gtids):
            return gtids.text
        case OfImage(image):
            return image
        case _:
            raise AssertionError(point)


def parse_point(text: str) -> Point:
    """What `--to` says.

    Raises:
        BadUsage: none of what it may be.
    """
    if text == "latest":
        return Latest()
    if text == "image":
        return NewestImage()
    if layout.is_image_id(text):
        return OfImage(text)
    gtids = parse_gtids(text)
    # A day looks like a GTID of MariaDB.
    if gtids and not _DAY.fullmatch(text):
        return AfterGtids(gtids)
    found = _POSITION.fullmatch(text)
    if found:
        stop = Position(found[1], int(found[2]))
        if stop.offset < FIRST:
            raise BadUsage(f"no transaction begins at {stop.text}: the first bytes of a binlog are its head")
        return AtPosition(stop)
    return AtTime(parse_time(text))


def before_event(text: str) -> BeforeEvent:
    """What `--before-event` says, in the words of `bkpc log --find`."""
    return BeforeEvent(parse_query(text), text)


def parse_time(text: str) -> datetime:
    """A time with its zone; UTC where none is written."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadUsage(
            f"{text!r} is neither a time, a position, a GTID, an image, `image` nor `latest`",
            help="such as 2026-11-23T14:05:00Z, binlog.000007:48213, 3e11fa47-71ca-11e1-9e33-c80aa9429562:57, 0-1-57, "
            "20261123T140500Z-0a1b2c3d, image (the newest, without its log), or latest",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Search(Protocol):
    """Sees the transactions in order."""

    over: bool
    """Nothing that comes can change the point: reading may end."""

    def earlier(self, one: Transaction) -> None:
        """One from before the image."""
        ...

    def before(self, one: Transaction) -> bool:
        """Whether it comes before the point."""
        ...

    def passed(self, boundary: Position) -> None:
        """All transactions that begin before it have come."""
        ...

    def conclude(self, way: Walked) -> Position:
        """All is read: where to stop. Raises what makes the point none."""
        ...


@dataclass(frozen=True, slots=True)
class Walked:
    """How far a log was read: from `start` (the image's) to `end`; `last` before the point, `first_after` not.

    `boundary`: the end of the last event that is in no unfinished transaction.
    """

    start: Position
    end: Position
    last: Transaction | None
    first_after: Position | None
    boundary: Position


Named = Callable[[Position], Position]
"""A place as it must be asked for."""


def search_for(point: Point, before: Gtids, stored: Stored | None = None, named: Named = lambda place: place) -> Search:
    """`before`: what was executed when the image's binlog began (for GTIDs); `stored`: for times; `named`: for what is
    said of places."""
    match point:
        case AtPosition(stop):
            return _ToPosition(stop, named)
        case AtTime(moment, complete=complete):
            return _ToTime(moment, stored, named, complete=complete)
        case AfterGtids(gtids):
            return _ToGtids(gtids, before)
        case BeforeEvent():
            return _ToEvent(point, named)
        case _:
            return _ToTheEnd()


class _Later:
    """What was before the image is of no matter, nor how far a log is read."""

    def earlier(self, one: Transaction) -> None:
        pass

    def passed(self, boundary: Position) -> None:
        pass


class _ToTheEnd(_Later):
    over = False

    def before(self, one: Transaction) -> bool:  # noqa: ARG002
        return True

    def conclude(self, way: Walked) -> Position:
        """As far as the log goes, but for a transaction whose end is not archived: the preview says the same."""
        return max(way.boundary, way.start, key=order)


class _ToPosition(_Later):
    def __init__(self, stop: Position, named: Named) -> None:
        self._stop, self._named, self.over = stop, named, False

    def before(self, one: Transaction) -> bool:
        if order(Position(one.file, one.start)) >= order(self._stop):
            self.over = True
            return False
        if order(Position(one.file, one.end)) > order(self._stop):
            raise BadUsage(
                f"{self._stop.text} is inside a transaction",
                help=f"it goes from {self._named(Position(one.file, one.start)).text} to "
                f"{self._named(Position(one.file, one.end)).text}; name one of its ends",
            )
        return True

    def passed(self, boundary: Position) -> None:
        self.over = self.over or order(boundary) >= order(self._stop)

    def conclude(self, way: Walked) -> Position:
        if not self.over and order(way.boundary) < order(self._stop) and self._stop != way.start:
            raise BadUsage(
                f"{self._stop.text} is inside a transaction whose end is not archived",
                help=f"it begins at {self._named(way.boundary).text}: name that, or --to latest",
            )
        return self._stop


class _ToTime(_Later):
    over = False

    def __init__(self, moment: datetime, stored: Stored | None, named: Named, *, complete: bool) -> None:
        self._moment, self._named, self._complete = moment, named, complete
        self._first_after: Position | None = None
        self._shown, self._settled = Shown(moment, stored), False

    def before(self, one: Transaction) -> bool:
        if self._first_after is None and one.committed + one.uncertainty <= self._moment:
            self._shown.before(one)
            return True
        self._first_after = self._first_after or Position(one.file, one.start)
        self._settled = self._settled or self._shown.after(one)
        if one.committed < self._moment - OUT_OF_ORDER:
            # A session may set its own clock, and MariaDB writes when a statement began.
            first = self._named(self._first_after).text
            raise Refused(
                f"the log's times go back: what begins at {first} is later than asked, "
                f"but {one.file}:{one.start} after it is not",
                help=f"`bkpc log` finds the position to stop before; --to {first} stops at the first of them",
            )
        return False

    def conclude(self, way: Walked) -> Position:
        if not self._settled and (self._first_after or self._complete):
            self._shown.settle(None)
        if self._first_after is None and self._complete:
            return max(way.boundary, way.start, key=order)
        if self._first_after is None:
            last = way.last.committed.isoformat() if way.last else "the image itself"
            raise Refused(
                f"the archived log ends at {way.end.text}, its last transaction is of {last}: "
                "it does not show what came until the asked time",
                help="--to latest restores all there is",
            )
        return self._first_after


class _ToGtids(_Later):
    def __init__(self, asked: Gtids, before: Gtids) -> None:
        self._asked, self._left, self.over = asked, asked.less(before), False
        self._too_early = self._left.empty and not before.less(asked).empty

    def earlier(self, one: Transaction) -> None:
        self._too_early = self._too_early or self._left.empty
        self._count(one)

    def before(self, one: Transaction) -> bool:
        if self._left.empty:
            self.over = True
            return False
        self._count(one)
        return True

    def _count(self, one: Transaction) -> None:
        if not one.gtid:
            return
        source, number = split_gtid(one.gtid)
        if self._asked.servers and source in self._left.intervals:
            # MariaDB's numbers grow: one that was passed by is not there, or is another server's.
            wanted, server = self._asked.intervals[source][-1][1], self._asked.servers[source]
            if number > wanted or (number == wanted and server != one.server_id):
                raise BadUsage(f"the log holds no {source}-{server}-{wanted}: {one.file}:{one.start} is {one.gtid}")
        done = (1 if self._asked.servers else number, number)
        self._left = self._left.less(Gtids({source: [done]}, {}))

    def conclude(self, way: Walked) -> Position:
        if self._too_early:
            raise NotHere(f"{self._asked.text} was committed before {way.start.text}, where the oldest image stands")
        if not self._left.empty:
            raise NotHere(f"the archived log that ends at {way.end.text} holds no {self._left.text}")
        return Position(way.last.file, way.last.end) if way.last else way.start


class _ToEvent(_Later):
    over = False

    def __init__(self, point: BeforeEvent, named: Named) -> None:
        self._point, self._named = point, named
        self._found: list[Transaction] = []
        self._opaque = 0

    def before(self, one: Transaction) -> bool:
        self._opaque += one.opaque
        if did(one, self._point.query) and len(self._found) <= _NAMED:
            self._found.append(one)
        return not self._found

    def conclude(self, way: Walked) -> Position:
        if not self._found:
            unseen = f"; {self._opaque} compressed transactions were not looked into" if self._opaque else ""
            raise NotHere(f"the archived log that ends at {way.end.text} has no: {self._point.text}{unseen}")
        if len(self._found) > 1:
            places = [self._named(Position(one.file, one.start)).text for one in self._found]
            lines = "\n".join(
                f"  --to {place}  {one.committed.isoformat()}" for place, one in zip(places, self._found, strict=True)
            )
            raise BadUsage(f"the log has several of: {self._point.text}", help=f"say before which of them:\n{lines}")
        return Position(self._found[0].file, self._found[0].start)


class Course:
    """One pass over the log from an image on, up to the asked point; `take` says what is to be replayed."""

    def __init__(
        self, start: Position, end: Position, search: Search, repeats: Callable[[Transaction], bool] = lambda _: False
    ) -> None:
        self.start, self._end, self._search = start, end, search
        self.repeats = repeats
        """Whether a transaction has come before, in the log of another server."""
        self.last: Transaction | None = None
        self.first_after: Position | None = None
        self._boundary = start

    @property
    def over(self) -> bool:
        return self._search.over

    def take(self, one: Transaction) -> bool:
        if self.repeats(one):
            return False
        begins = Position(one.file, one.start)
        if order(begins) < order(self.start):
            self._search.earlier(one)
            return False
        if not self._search.before(one):
            self.first_after = self.first_after or begins
            return False
        self.last = one
        return True

    def passed(self, boundary: Position) -> None:
        """A piece is read: events end there, in no unfinished transaction."""
        self._boundary = boundary
        self._search.passed(boundary)

    def conclude(self) -> Position:
        """Where to stop; raises what makes the point none."""
        return self._search.conclude(Walked(self.start, self._end, self.last, self.first_after, self._boundary))
