"""Where a log stream goes on: compared from what its store holds and what the server still has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bkpc_runtime.errors import NoAnswer
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.flavour import PATIENCE, Position, ServerFacts, current_position, list_binlogs
from bkpc_runtime.repository.ending import stored_ending
from bkpc_runtime.repository.joins import Join, leave
from bkpc_runtime.repository.segments import begins_at, epochs, newest_end, origin, sequence
from bkpc_runtime.steps.log_join import NoJoin, find_join
from bkpc_runtime.steps.log_parcels import Gap
from bkpc_runtime.steps.log_recognising import Landmarks, Verdict, recognise
from bkpc_runtime.steps.log_taking_over import Connect, dumping
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_LISTED_WITHIN = 10.0
"""Seconds in which a server lists its binlogs, unless something holds it up; each is looked at for that."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where one store's log goes on, and in which epoch. `marks`: what the log before it is recognised by.

    `gap`: the store must be told of it before anything else; the epoch is the one before it. `join`: what it has of
    another server goes on here; it must be told of that first, too.
    """

    epoch: int
    position: Position
    marks: Landmarks = field(default_factory=Landmarks)
    gap: Gap | None = None
    join: Join | None = None

    @property
    def next(self) -> Position:
        """What is to be read next."""
        return self.gap.position if self.gap else self.position

    @property
    def known(self) -> Landmarks:
        """What the log before what is to be read next is recognised by."""
        return Landmarks() if self.gap else self.marks

    @property
    def news(self) -> Gap | Join | None:
        """What a store must be told before anything else."""
        return self.gap or self.join


def find_start(connect: Connect, facts: ServerFacts, store: Store, prefix: str, oldest: Callable[[], str]) -> Start:
    """Where the archived log of the newest epoch ends; where another server had the database since, where its log
    does; after a break, the server's oldest file in a new epoch.

    `oldest` gives the binlog a first start begins with; the server's current one if empty, or no longer there. It is
    asked at a first start only.
    """
    epoch = max(epochs(store, prefix), default=0)
    position = newest_end(store, prefix, epoch) if epoch else None
    if not epoch:
        joined = find_join(connect, facts, store, prefix)
        if isinstance(joined, Join):
            return _going_on(store, joined)
        position = Position(_first_file(connect, facts, oldest()), 0)
        return _anew(store, prefix, joined, position) if joined else Start(1, position)
    if position is None:
        told = begins_at(store, prefix, epoch)
        with connect() as connection:
            names = [one.name for one in list_binlogs(connection)]
        return Start(epoch, Position(told if told in names else names[0], 0))
    ending = stored_ending(store, prefix, epoch, position)
    marks = Landmarks(origin(store, prefix, epoch, position.file), ending)
    # What can't be read now may be later: the stream itself tries that again.
    gap = look(connect, facts, position, marks).gap
    joined = find_join(connect, facts, store, prefix, broken=gap is not None)
    if isinstance(joined, Join):
        return _going_on(store, joined)
    if joined:
        log.error(
            "log stream of %s to %s: %s can't go on at this one: %s",
            prefix, store.name, joined.ended.text, joined.reason,
        )  # fmt: skip
        leave(store, joined.ended, prefix, epoch + (gap is not None), joined.reason)
    return Start(epoch, position, marks, gap)


def _first_file(connect: Connect, facts: ServerFacts, wanted: str) -> str:
    """The binlog that a first start begins with: `wanted` where the server has it, else its current one."""
    try:
        with connect() as connection:
            current = current_position(connection, facts, _LISTED_WITHIN).file
            there = wanted and wanted in [one.name for one in list_binlogs(connection)]
            return wanted if there else current
    except NoAnswer:
        if not wanted:
            raise
    with dumping(connect) as connection:
        first_event(connection, facts, wanted)
    return wanted


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


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a server has of the log after a place: a gap where it does not continue it; why it can't be read, or can't
    be recognised; and the `following` binlog, if there is one yet."""

    gap: Gap | None = None
    unreadable: str = ""
    following: str = ""


def look(connect: Connect, facts: ServerFacts, place: Position, marks: Landmarks, *, failing: bool = False) -> Outlook:
    """`marks` are what the log before `place` is recognised by. `failing`: the server could not send what comes."""
    sizes = _sizes(connect, _LISTED_WITHIN)
    verdict = _verdict(connect, facts, place, marks, sizes, failing=failing)
    if not sizes and verdict != Verdict():
        # It can't go on here, and where it can only the list tells: some servers need long for it.
        sizes = _sizes(connect, PATIENCE)
        verdict = _verdict(connect, facts, place, marks, sizes, failing=failing)
    if verdict.another and not sizes:
        return Outlook(unreadable=verdict.another)
    if verdict.another:
        return Outlook(Gap(place, Position(next(iter(sizes)), 0), verdict.another, int(time.time())))
    later = (name for name in sizes if sequence(name) > sequence(place.file))
    return Outlook(unreadable=verdict.unreadable, following=next(later, ""))


def _sizes(connect: Connect, within: float) -> dict[str, int]:
    """The server's binlogs; none where it does not tell within so many seconds.

    While somebody has it go on to another one, it waits for all commits to return. With `hot sync` they wait for us: so
    what there is must be read without it.
    """
    try:
        with connect() as connection:
            return {one.name: one.size for one in list_binlogs(connection, within)}
    except NoAnswer as problem:
        log.warning("%s; its log is read all the same", problem)
        return {}


def _verdict(
    connect: Connect, facts: ServerFacts, place: Position, marks: Landmarks, sizes: dict[str, int], *, failing: bool
) -> Verdict:
    if not sizes:
        return recognise(connect, facts, place, marks, failing=failing) if place.offset or failing else Verdict()
    size = sizes.get(place.file)
    if size is None:
        return Verdict(f"the server no longer has {place.file}")
    if not size:  # SHOW BINARY LOGS says so of what can't be opened
        return Verdict(unreadable=f"the server can't open {place.file}, or it is empty")
    if size < place.offset:
        return Verdict(f"the server's {place.file} is shorter than the archived one")
    if not (place.offset or failing):
        return Verdict()
    return recognise(connect, facts, place, marks, failing=failing)
