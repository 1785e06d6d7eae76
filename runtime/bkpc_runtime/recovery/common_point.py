"""One point in time for several databases, and where in the log of each it lies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from types import MappingProxyType

from bkpc_grammar.log_objects import TOGETHER
from bkpc_grammar.quantities import Duration
from bkpc_runtime.errors import BadUsage, PolicyBroken, Refused, RuntimeFailure
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.recovery.choice import Start, snapshot_until, starts
from bkpc_runtime.recovery.log_tail import ending, kept, stop_at
from bkpc_runtime.recovery.moment import NotTold, Shown, stored_with
from bkpc_runtime.recovery.point import AtTime, Latest, Point
from bkpc_runtime.repository.known_until import known_elsewhere, known_until
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

_WHOLE_SECONDS = timedelta(seconds=1)
Elsewhere = Callable[[str, Store, AtTime], Store | None]
"""Another store of a database, in which its log leads to a moment."""


@dataclass(frozen=True, slots=True)
class Member:
    """A database of the group at the common point. `until`: its log is known to be complete so far; None: it
    has no log, and the point in common is the snapshot of its image.

    `start` has the position to stop at, or the moment where that is far from the end of its log.
    """

    database: str
    store: Store
    start: Start
    until: datetime | None

    @property
    def point(self) -> Point:
        return self.start.point

    def left_out(self, moment: datetime) -> str:
        """How far its log goes, and what of it comes after the point in common; nothing where it has none."""
        if self.until is None:
            return ""
        known = f"; its log is known until {self.until.isoformat()}"
        lost = ceil((self.until - moment) / timedelta(seconds=1))
        if lost <= 0:
            return known
        return f"{known}: what was committed in the last {Duration(Fraction(lost)).human()} of it is left out"


@dataclass(frozen=True, slots=True)
class _End:
    """A member at the end of its log, and when the last transaction in it was committed; None: there is none after its
    image, of `began`. `kept` is its store, with what was read of it. `tail`: that last transaction. `said`: when the
    server said that its log ends there."""

    member: Member
    last: datetime | None
    kept: Store
    began: datetime
    tail: Transaction | None = None
    said: datetime | None = None

    @property
    def whole_seconds(self) -> bool:
        """Whether its log tells no parts of a second."""
        return self.member.start.image.manifest.flavour == "mariadb"

    def all_by(self, moment: datetime) -> bool:
        """Whether nothing in it is later than a moment."""
        if self.last:
            return _until(self.last, whole_seconds=self.whole_seconds) <= moment
        manifest = self.member.start.image.manifest
        return datetime.fromisoformat(manifest.snapshot or manifest.finished) <= moment

    def all_for(self, moment: datetime, *, idle: bool) -> bool:
        """Whether all of its log is restored. Raises `Refused` where its end does not tell that it was committed by
        then."""
        if self.member.until is None:
            return True
        if not self.all_by(moment) and not (idle and self.last and self.last <= moment):
            return False
        window = self.member.start.window
        if self.tail and window and not (self.said and self.said <= moment):
            shown = Shown(moment, stored_with(self.kept, window))
            shown.before(self.tail)
            shown.settle(None)
        return True


def common_point(
    stores: Mapping[str, Store], wanted: Point, idle: Collection[str], identities: Sequence[Secret],
    physical: Collection[str] = (), logs: Mapping[str, Sequence[Store]] = MappingProxyType({}),
    elsewhere: Elsewhere = lambda *_: None,
) -> tuple[datetime, list[Member]]:  # fmt: skip
    """The moment, and each member at it: found from the ends of their logs, side by side.

    `wanted` is a time, or the latest that all have. Beside one member without a log it is the newest snapshot of that
    until then. In `idle` members nothing was committed after their log ends. Those
    in `physical` go into data directories. `logs`: of each all stores that have its log: any may know until when it is
    complete. `elsewhere` has another store of a member, where the log of one does not lead to the moment.

    Raises:
        BadUsage: `wanted` is a point of one server.
        PolicyBroken: two members have no log, or one not as far as `wanted`; the latest point is named.
    """
    if not isinstance(wanted, AtTime | Latest):
        raise BadUsage("a group goes back to a time, or to `latest`", help="positions and GTIDs are of one server")
    unknown = sorted(set(idle) - set(stores))
    if unknown:
        raise BadUsage(f"`{unknown[0]}` is not in the group", help=f"it has: {', '.join(stores)}")

    def end(name: str) -> _End:
        return _end(name, stores[name], identities, logs.get(name, ()), physical=name in physical)

    def at(moment: datetime) -> list[Member]:
        def member(one: _End) -> Member:
            return _at(one, moment, identities, elsewhere, idle=one.member.database in idle)

        return [*pool.map(member, ends.values())]

    with ThreadPoolExecutor(TOGETHER, thread_name_prefix="group") as pool:
        ends = dict(zip(stores, pool.map(end, stores), strict=True))
        known = {name: one.member.until for name, one in ends.items() if one.member.until and name not in idle}
        alone = _without_log([one.member for one in ends.values()])
        if alone is None:
            moment = _told_by_all(_moment(wanted, known), wanted, [*ends.values()])
        else:
            moment, ends[alone.database] = _snapshot(wanted, known, alone, physical=alone.database in physical)
        return _all_at(moment, at) if alone is None and isinstance(wanted, Latest) else (moment, at(moment))


def _all_at(moment: datetime, at: Callable[[datetime], list[Member]]) -> tuple[datetime, list[Member]]:
    """All members at the moment; earlier where one would have what nobody can tell to have been committed by then."""
    untold: NotTold | None = None
    while True:
        try:
            return moment, at(moment)
        except NotTold as problem:
            if problem.began >= moment:
                raise
            moment, untold = problem.began, problem
        except PolicyBroken as problem:
            if untold is None:
                raise
            raise untold from problem


def _without_log(members: Sequence[Member]) -> Member | None:
    """The one that can go to no moment but those of its images."""
    alone = [one for one in members if one.until is None]
    if len(alone) > 1:
        first, second = alone[:2]
        raise PolicyBroken(
            f"neither `{first.database}` nor `{second.database}` has log in its store: "
            "images of two servers have no point in common",
            help="restore each to an image by itself: --to IMAGE",
        )
    return alone[0] if alone else None


def _snapshot(
    wanted: AtTime | Latest, known: Mapping[str, datetime], alone: Member, *, physical: bool
) -> tuple[datetime, _End]:
    """The newest snapshot of the member without a log that is wanted, and that the logs of the others reach."""
    limit = min(known.values(), default=datetime.now(UTC))
    if isinstance(wanted, AtTime):
        limit = min(limit, wanted.moment)
    try:
        start, taken = snapshot_until(alone.store, alone.database, limit, physical=physical)
    except PolicyBroken as problem:
        ends = "".join(f"; the log of `{name}` is known until {until.isoformat()}" for name, until in known.items())
        raise PolicyBroken(f"`{alone.database}` has no log, and {problem}{ends}", help=problem.help) from problem
    return taken, _End(replace(alone, start=start), None, alone.store, taken)


def _moment(wanted: AtTime | Latest, counted: Mapping[str, datetime]) -> datetime:
    """The one that is asked for, if all logs are known so far."""
    latest = min(counted.values()) if counted else datetime.now(UTC)
    holds_back = ", ".join(sorted(name for name, until in counted.items() if until == latest))
    moment = wanted.moment if isinstance(wanted, AtTime) else latest
    if moment > latest:
        raise PolicyBroken(
            f"the log of {holds_back} is known only until {latest.isoformat()}: no point in common is later",
            help=f"--to {latest.isoformat()}; or --idle {holds_back}, if nothing was committed there since",
        )
    return moment


def _told_by_all(moment: datetime, wanted: AtTime | Latest, ends: Sequence[_End]) -> datetime:
    """Where some tell whole seconds only, the second before it begins: of the rest others would have what came after
    what those leave out."""
    telling = {one.whole_seconds for one in ends}
    rounded = telling == {True, False} or (telling == {True} and isinstance(wanted, Latest))
    return moment.replace(microsecond=0) if rounded else moment


def _end(name: str, store: Store, identities: Sequence[Secret], logs: Sequence[Store], *, physical: bool) -> _End:
    start = next(starts(store, name, Latest(), identities, physical=physical))
    began = datetime.fromisoformat(start.image.manifest.began)
    if start.window is None:
        return _End(Member(name, store, start, None), None, store, began)
    read = kept(store)
    end = ending(read, start, identities)
    tip = start.window.tip
    log_ = (tip.prefix, tip.epoch, tip.start, start.window.tip_end)
    said = [known_until(store, *log_), *(known_elsewhere(one, store, *log_) for one in logs)]
    # Without any transaction after it, the image at least says how far it is known.
    until = max(one for one in (end.last or began, *said) if one is not None)
    known = max((one for one in said if one), default=None)
    return _End(Member(name, store, start.to(end.stop), until), end.last, read, began, end.tail, known)


def _at(end: _End, moment: datetime, identities: Sequence[Secret], elsewhere: Elsewhere, *, idle: bool) -> Member:
    """All of its log where nothing in it is later."""
    member, last = end.member, end.last
    manifest = member.start.image.manifest
    try:
        if end.all_for(moment, idle=idle):
            return member
        point = AtTime(moment, beyond=True)
        start = next(starts(member.store, member.database, point, identities, physical=manifest.physical))
        if last is None and _nothing_between(end, start, moment, identities):
            return member
        stop = stop_at(end.kept, start, identities)
    except NotTold as problem:
        raise problem.within(member.database) from problem
    except RuntimeFailure as problem:
        if last is None and end.began <= moment and isinstance(problem, PolicyBroken):
            return member  # there is no older image, and what this has of after the moment is of while it was taken
        told = isinstance(problem, PolicyBroken | Refused)
        if told and (other := elsewhere(member.database, member.store, AtTime(moment))):
            found = next(starts(other, member.database, AtTime(moment), identities, physical=manifest.physical))
            return replace(member, store=other, start=found)
        raise type(problem)(f"`{member.database}`: {problem}", help=problem.help) from problem
    return replace(member, start=start.to(stop) if stop else start)


def _until(last: datetime, *, whole_seconds: bool) -> datetime:
    """When a transaction was committed at the latest."""
    return last + (_WHOLE_SECONDS if whole_seconds else timedelta(0))


def _nothing_between(end: _End, start: Start, moment: datetime, identities: Sequence[Secret]) -> bool:
    """Whether the newest image, taken after the moment, has no more than was committed until then: `start` is of an
    older one, whose log tells it."""
    if start.window is None or start.image == end.member.start.image:
        return False
    last = ending(end.kept, replace(start, point=Latest()), identities).last
    return last is None or _until(last, whole_seconds=end.whole_seconds) <= moment
