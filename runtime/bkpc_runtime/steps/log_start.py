"""Where a log stream goes on: compared from what its store holds and what the server still has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from bkpc_runtime.mysql.binlog.receiver import LogVanished, first_event
from bkpc_runtime.mysql.flavour import Position, ServerFacts, current_position, list_binlogs
from bkpc_runtime.repository.joins import Join
from bkpc_runtime.repository.segments import epochs, newest_end, origin
from bkpc_runtime.steps.log_join import NoJoin, find_join
from bkpc_runtime.steps.log_parcels import Gap, event_digest
from bkpc_runtime.steps.log_taking_over import Connect
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """Where one store's log goes on, and in which epoch. `origin` is the hash of that file's first event, if known.

    `gap`: the store must be told of it before anything else; the epoch is the one before it. `join`: what it has of
    another server goes on here; it must be told of that first, too.
    """

    epoch: int
    position: Position
    origin: str = ""
    gap: Gap | None = None
    join: Join | None = None

    @property
    def next(self) -> Position:
        """What is to be read next."""
        return self.gap.position if self.gap else self.position

    @property
    def news(self) -> Gap | Join | None:
        """What a store must be told before anything else."""
        return self.gap or self.join


def find_start(connect: Connect, facts: ServerFacts, store: Store, prefix: str, oldest: Callable[[], str]) -> Start:
    """Where the archived log of the newest epoch ends; where another server had the database before, where its log
    does; after a break, the server's oldest file in a new epoch.

    `oldest` gives the binlog a first start begins with; the server's current one if empty, or no longer there. It is
    asked at a first start only.
    """
    epoch = max(epochs(store, prefix), default=0)
    position = newest_end(store, prefix, epoch) if epoch else None
    with connect() as connection:
        if not epoch:
            joined = find_join(connect, facts, store, prefix)
            if isinstance(joined, Join):
                return _going_on(store, joined)
            current = current_position(connection, facts).file
            first = oldest()
            there = first and first in [one.name for one in list_binlogs(connection)]
            position = Position(first if there else current, 0)
            return _anew(store, prefix, joined, position) if joined else Start(1, position)
        names = [one.name for one in list_binlogs(connection)]
    if position is None:
        return Start(epoch, Position(names[0], 0))
    known = origin(store, prefix, epoch, position.file)
    gap = gap_after(connect, facts, position, known)
    joined = find_join(connect, facts, store, prefix) if gap else None
    if isinstance(joined, Join):
        return _going_on(store, joined)
    return Start(epoch, position, known, gap)


def _going_on(store: Store, join: Join) -> Start:
    log.info(
        "log stream of %s to %s goes on by GTID where that of %s ends, at %s",
        join.prefix_there, store.name, join.prefix, join.end.text,
    )  # fmt: skip
    return Start(join.epoch_there, join.position, join=join)


def _anew(store: Store, prefix: str, no: NoJoin, position: Position) -> Start:
    """The first epoch of a server whose log does not continue that of the one before."""
    reason = f"{no.ended.text} can't go on at this one: {no.reason}"
    log.error("log stream of %s to %s: THE LOG HAS A GAP: %s; a new full image is due", prefix, store.name, reason)
    return Start(0, position, gap=Gap(no.ended.end, position, reason, int(time.time()), no.ended.server))


def gap_after(connect: Connect, facts: ServerFacts, position: Position, known: str, vanished: str = "") -> Gap | None:
    """The gap between log that ends at `position` and what the server has; None where the server's continues it.

    `known` is the hash of the first event of the position's file; empty where it is not known. `vanished`: what the
    server said when it was asked for this position, if it could not send it.
    """
    with connect() as connection:
        sizes = {one.name: one.size for one in list_binlogs(connection)}
    reason = _broken(connect, facts, position, known, sizes)
    if not reason and vanished:
        reason = f"the server's {position.file} is another file of the same name, or damaged: {vanished}"
    return Gap(position, Position(next(iter(sizes)), 0), reason, int(time.time())) if reason else None


def _broken(connect: Connect, facts: ServerFacts, position: Position, known: str, sizes: dict[str, int]) -> str:
    """Why the server's log does not continue the archived one; empty if it does."""
    if position.file not in sizes:
        return f"the server no longer has {position.file}"
    if sizes[position.file] < position.offset:
        return f"the server's {position.file} is shorter than the archived one"
    with connect() as connection:
        try:
            event = first_event(connection, facts, position.file)
        except LogVanished as failure:
            return str(failure)
    if known and known != event_digest(event):
        return f"the server's {position.file} is another file of the same name"
    return ""
