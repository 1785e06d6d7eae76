"""One point in time for several databases, and where in the log of each it lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bkpc_runtime.errors import BadUsage, PolicyBroken, RuntimeFailure
from bkpc_runtime.recovery.choice import Choice, choose
from bkpc_runtime.recovery.point import AtPosition, AtTime, Latest, OfImage, Point
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

_WHOLE_SECONDS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Member:
    """A database of the group at the common point. `until`: its log is known to be complete so far."""

    database: str
    store: Store
    choice: Choice
    until: datetime

    @property
    def point(self) -> Point:
        if self.choice.stop and self.choice.window:
            return AtPosition(self.choice.stop)
        return OfImage(self.choice.image.manifest.id)


def common_point(
    stores: Mapping[str, Store], wanted: Point, idle: Collection[str], identities: Sequence[Secret],
    physical: Collection[str] = (),
) -> tuple[datetime, list[Member]]:  # fmt: skip
    """The moment, and each member at it.

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
    ends = {name: _end(name, store, identities, physical=name in physical) for name, store in stores.items()}
    counted = {name: one.until for name, one in ends.items() if name not in idle}
    latest = min(counted.values()) if counted else datetime.now(UTC)
    holds_back = ", ".join(sorted(name for name, until in counted.items() if until == latest))
    moment = wanted.moment if isinstance(wanted, AtTime) else latest
    if moment > latest:
        raise PolicyBroken(
            f"the log of {holds_back} is known only until {latest.isoformat()}: no point in common is later",
            help=f"--to {latest.isoformat()}; or --idle {holds_back}, if nothing was committed there since",
        )
    return moment, [_at(one, moment, identities, idle=name in idle) for name, one in ends.items()]


def _end(name: str, store: Store, identities: Sequence[Secret], *, physical: bool) -> Member:
    choice = choose(store, name, Latest(), identities, physical=physical)
    if choice.window is None:
        raise PolicyBroken(
            f"`{name}` has no log in store `{store.name}`: it has no point in common with others",
            help="restore it to an image by itself: --to IMAGE",
        )
    # Without any transaction after it, nothing but the image says how far it is known.
    until = choice.last_commit or datetime.fromisoformat(choice.image.manifest.began)
    return Member(name, store, choice, until)


def _at(end: Member, moment: datetime, identities: Sequence[Secret], *, idle: bool) -> Member:
    """All of its log where nothing in it is later."""
    mariadb = end.choice.image.manifest.flavour == "mariadb"
    last = end.choice.last_commit
    if last is None or last + (_WHOLE_SECONDS if mariadb else timedelta(0)) <= moment:
        return end
    if idle and last <= moment:
        return end
    try:
        physical = end.choice.image.manifest.physical
        choice = choose(end.store, end.database, AtTime(moment), identities, physical=physical)
    except RuntimeFailure as problem:
        raise type(problem)(f"`{end.database}`: {problem}", help=problem.help) from problem
    return Member(end.database, end.store, choice, end.until)
