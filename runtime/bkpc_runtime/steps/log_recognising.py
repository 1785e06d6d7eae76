"""Whether a server's binlog is the one that was received.

Several may bear one name, and a first event tells them apart by whole seconds only: one that is begun anew within the
second has the same. So the last events before the place where it goes on are read again, too. Where they can't be,
the file is read from its beginning: one that is whole, and has no event there, is another.
"""

from __future__ import annotations

from dataclasses import dataclass

from bkpc_runtime.mysql.binlog.receiver import Chunk, LogUnreadable, first_event, receive
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.repository.ending import Mark
from bkpc_runtime.repository.segments import ANOTHER
from bkpc_runtime.steps.log_parcels import event_digest
from bkpc_runtime.steps.log_taking_over import Connect, dumping

_SIZE_AT = 9


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the log before a place is recognised by: the hash of its file's first event, and what comes last before the
    place; as far as they are known."""

    origin: str = ""
    last: Mark | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a server's file is another than the one received; or why it can't be told, or not be read. Both are empty of
    one that is the same."""

    another: str = ""
    unreadable: str = ""


_SAME = Verdict()


def recognise(connect: Connect, facts: ServerFacts, place: Position, marks: Landmarks, *, failing: bool) -> Verdict:
    """Looks at the file of `place`. `failing`: the server could not send what comes there, so that all is read which
    may tell why."""
    file = place.file
    try:
        with connect() as connection:
            first = first_event(connection, facts, file)
    except LogUnreadable as failure:
        return Verdict(unreadable=str(failure))
    if marks.origin and marks.origin != event_digest(first):
        return Verdict(f"the server's {file} is {ANOTHER}")
    try:
        if marks.last and _same(connect, facts, file, marks.last):
            return _SAME
    except LogUnreadable as failure:
        known = _explained(connect, facts, Position(file, marks.last.start if marks.last else 4))
        return known if known.another or known.unreadable else Verdict(unreadable=str(failure))
    if marks.last:
        return Verdict(f"the server's {file} is {ANOTHER}, begun in the same second")
    return _explained(connect, facts, place) if failing and place.offset else _SAME


def _same(connect: Connect, facts: ServerFacts, file: str, last: Mark) -> bool:
    there = b""
    with dumping(connect) as connection:
        for received in receive(connection, facts, Position(file, last.start)):
            if not isinstance(received, Chunk):
                break
            there += received.data
            if (same := last.matches(there)) is not None:
                return same
    raise LogUnreadable(f"the server's {file} ends after {last.start + len(there)}", retryable=True)


def _explained(connect: Connect, facts: ServerFacts, place: Position) -> Verdict:
    """Whether the whole file has an end of an event at `place`."""
    try:
        if _has_an_end(connect, facts, place):
            return _SAME
    except LogUnreadable as failure:
        return Verdict(unreadable=str(failure))
    return Verdict(f"the server's {place.file} is {ANOTHER}: no event ends at {place.offset}")


def _has_an_end(connect: Connect, facts: ServerFacts, place: Position) -> bool:
    at = 4
    with dumping(connect) as connection:
        for received in receive(connection, facts, Position(place.file, 4)):
            if not isinstance(received, Chunk):
                break
            while at < min(received.end, place.offset):
                size_at = at - received.start + _SIZE_AT
                at += int.from_bytes(received.data[size_at : size_at + 4], "little")
            if at >= place.offset:
                break
    return at == place.offset
