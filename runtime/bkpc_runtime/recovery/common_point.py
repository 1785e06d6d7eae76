"""One point in time for several databases, and where in the log of each it lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bkpc_runtime.errors import BadUsage, PolicyBroken, RuntimeFailure
from bkpc_runtime.recovery.choice import Start, starts
from bkpc_runtime.recovery.log_tail import ending, kept, stop_at
from bkpc_runtime.recovery.point import AtTime, Latest, Point
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

_WHOLE_SECONDS = timedelta(seconds=1)
_TOGETHER = 8
"""Members whose logs are looked at side by side."""


@dataclass(frozen=True, slots=True)
class Member:
    """A database of the group at the common point. `until`: its log is known to be complete so far.

    `start` has the position to stop at, or the moment where only all of the log tells that.
    """

    database: str
    store: Store
    start: Start
    until: datetime

    @property
    def point(self) -> Point:
        return self.start.point


@dataclass(frozen=True, slots=True)
class _End:
    """A member at the end of its log, and when the last transaction in it was committed. `kept` is its store, with what
    was read of it."""

    member: Member
    last: datetime | None
    kept: Store


def common_point(
    stores: Mapping[str, Store], wanted: Point, idle: Collection[str], identities: Sequence[Secret],
    physical: Collection[str] = (),
) -> tuple[datetime, list[Member]]:  # fmt: skip
    """The moment, and each member at it: found from the ends of their logs, side by side.

    `wanted` is a time, or the latest that all have. In `idle` members nothing was committed after their log ends. Those
    in `physical` go into data directories.

    Raises:
        BadUsage: `wanted` is a point of one server.
        PolicyBroken: a member has no log, or not as far as `wanted`; the latest point is named.
    """
    if not isinstance(wanted, AtTime | Latest):
        raise BadUsage("a group goes back to a time, or to `latest`", help="positions and GTIDs are of one server")
    unknown = sorted(set(idle) - set(stores))
    if unknown:
        raise BadUsage(f"`{unknown[0]}` is not in the group", help=f"it has: {', '.join(stores)}")

    def end(name: str) -> _End:
        return _end(name, stores[name], identities, physical=name in physical)

    def at(one: _End) -> Member:
        return _at(one, moment, identities, idle=one.member.database in idle)

    with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="group") as pool:
        ends = dict(zip(stores, pool.map(end, stores), strict=True))
        moment = _moment(wanted, {name: one.member.until for name, one in ends.items() if name not in idle})
        return moment, [*pool.map(at, ends.values())]


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


def _end(name: str, store: Store, identities: Sequence[Secret], *, physical: bool) -> _End:
    start = next(starts(store, name, Latest(), identities, physical=physical))
    if start.window is None:
        raise PolicyBroken(
            f"`{name}` has no log in store `{store.name}`: it has no point in common with others",
            help="restore it to an image by itself: --to IMAGE",
        )
    read = kept(store)
    end = ending(read, start, identities)
    # Without any transaction after it, nothing but the image says how far it is known.
    until = end.last or datetime.fromisoformat(start.image.manifest.began)
    return _End(Member(name, store, start.to(end.stop), until), end.last, read)


def _at(end: _End, moment: datetime, identities: Sequence[Secret], *, idle: bool) -> Member:
    """All of its log where nothing in it is later."""
    member, last = end.member, end.last
    manifest = member.start.image.manifest
    if last is None or last + (_WHOLE_SECONDS if manifest.flavour == "mariadb" else timedelta(0)) <= moment:
        return member
    if idle and last <= moment:
        return member
    try:
        point = AtTime(moment)
        start = next(starts(member.store, member.database, point, identities, physical=manifest.physical))
        stop = stop_at(end.kept, start, identities)
    except RuntimeFailure as problem:
        raise type(problem)(f"`{member.database}`: {problem}", help=problem.help) from problem
    return replace(member, start=start.to(stop) if stop else start)
