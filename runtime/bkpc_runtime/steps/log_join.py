"""Going on at another server: whether its log continues, by GTID, what a store has of an earlier one's.

It does where the server has executed all that is stored, and still has the log of all that it has executed besides.
Its own file and offset mean nothing to the earlier one: its log is stored as its own, from the beginning of the file
in which the first transaction lies that is not stored, and a JOIN says where one log passes into the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pymysql.connections import Connection

from bkpc_runtime.mysql.binlog.receiver import Chunk, Idle, receive
from bkpc_runtime.mysql.binlog.transactions import Reader
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Position, ServerFacts, list_binlogs
from bkpc_runtime.mysql.gtid import NONE, Gtids, parse_gtids, split_gtid
from bkpc_runtime.repository.joins import Ended, Join, begun, ended_at, joins_of
from bkpc_runtime.repository.segments import epochs
from bkpc_runtime.stores.store import Store

Connect: TypeAlias = "Callable[[], Connection[Any]]"


@dataclass(frozen=True, slots=True)
class NoJoin:
    """Why the log of an earlier server is not gone on from."""

    ended: Ended
    reason: str


def find_join(connect: Connect, facts: ServerFacts, store: Store, prefix: str) -> Join | NoJoin | None:
    """How this server's log continues what a store has of an earlier one's; None: it has none, or its own is later.

    Only the end of all is looked at: a log that goes on at another server already has had its turn.
    """
    ends = list(_ends(store, prefix))
    own = max(epochs(store, prefix), default=0)
    known = ended_at(store, prefix, own) if own else None
    if own:
        least = _count(known.gtids) if known and known.gtids else 0
        ends = [one for one in ends if one.gtids and known and known.gtids and _count(one.gtids) > least]
    if not ends:
        return None
    # Of several, that which has most: others were left behind earlier.
    ended = max(ends, key=lambda one: _count(one.gtids or NONE))
    reason = _unfit(facts) or ("" if ended.gtids is not None else _UNTOLD)
    if reason or ended.gtids is None:
        return NoJoin(ended, reason)
    found = _beginning(connect, ended.gtids, facts)
    if isinstance(found, str):
        return NoJoin(ended, found)
    file, passed = found
    tried = [one for one in joins_of(store, ended.prefix, ended.epoch) if one.prefix_there == prefix]
    for one in tried:
        if (one.end, one.file, one.gtids, one.passed) == (ended.end, file, ended.gtids, passed):
            return one  # written, and broken off before there was any log
    epoch = max([ended.epoch, own, *(one.epoch_there for one in tried)]) + 1
    return Join(ended.prefix, ended.epoch, ended.end, prefix, epoch, file, ended.gtids, passed, int(time.time()))


_UNTOLD = (
    "which GTIDs it holds is not told by the names of its objects: it is of a server without GTIDs, or of an older bkpc"
)


def _unfit(facts: ServerFacts) -> str:
    if facts.flavour == "mariadb":
        return "this version goes on by GTID at servers of MySQL only"
    if facts.variable("gtid_mode") != "ON":
        return f"gtid_mode is {facts.variable('gtid_mode')} here: with GTIDs it could go on"
    return ""


def _count(gtids: Gtids) -> int:
    return sum(last - first + 1 for ranges in gtids.intervals.values() for first, last in ranges)


def _ends(store: Store, prefix: str) -> Iterator[Ended]:
    """The ends of the logs of all other servers, but of those that go on elsewhere already."""
    folder = prefix.rpartition("/")[0]
    for name in store.folders(f"{folder}/"):
        other = f"{folder}/{name.rstrip('/')}"
        epoch = max(epochs(store, other), default=0)
        if other == prefix or not epoch:
            continue
        if any(begun(store, one) for one in joins_of(store, other, epoch)):
            continue
        if (ended := ended_at(store, other, epoch)) is not None:
            yield ended


def _beginning(connect: Connect, held: Gtids, facts: ServerFacts) -> tuple[str, Position] | str:
    """The binlog from which on this server's log is needed, and where all that is held has come in it; or why it is of
    no use."""
    with connect() as connection:
        executed, purged = (_set(connection, name) for name in ("gtid_executed", "gtid_purged"))
        if not (lost := held.less(executed)).empty:
            return f"the server has not executed {lost.text}, which is stored"
        if not (gone := purged.less(held)).empty:
            return f"the server no longer has the log of {gone.text}, which is not stored"
        for one in reversed(list_binlogs(connection)):
            before = _before(connection, one.name)
            if before is not None and before.less(held).empty:
                found = _passed(connect, facts, one.name, held, _count(held.less(before).less(purged)))
                return found if isinstance(found, str) else (one.name, found)
    return "the server's oldest binlog begins after what is stored"


def _set(connection: Connection[Any], name: str) -> Gtids:
    return parse_gtids(str(query(connection, f"SELECT @@GLOBAL.{name}")[0][0])) or NONE


def _before(connection: Connection[Any], file: str) -> Gtids | None:
    """What was executed when a binlog began."""
    for row in query(connection, "SHOW BINLOG EVENTS IN %s LIMIT 3", (file,)):
        if row[2] == "Previous_gtids":
            return parse_gtids(str(row[5])) or NONE
    return None


def _passed(connect: Connect, facts: ServerFacts, file: str, held: Gtids, left: int) -> Position | str:
    """Where all has come that is held, `left` transactions of which are in the log from `file` on.

    Or why the server's own can't all follow them: one that committed some of its own in between may hold other rows
    than both logs, one after the other, make.
    """
    at = Position(file, 0)
    connection = connect()
    own: dict[str, str] = {}
    reader = Reader()
    try:
        for received in receive(connection, facts, at) if left else ():
            if isinstance(received, Idle):
                break
            if not isinstance(received, Chunk):
                continue
            if not received.seen.sure:
                return f"its {received.file} holds transactions without GTIDs"
            for one in reader.feed(received.file, received.start, received.data):
                source, number = split_gtid(one.gtid)
                if not held.holds(source, number):
                    own.setdefault(source, one.gtid)
                    continue
                for other, first in own.items():
                    if other != source:
                        return f"the server had committed {first}, which is not stored, before {one.gtid}, which is"
                at, left = Position(one.file, one.end), left - 1
                if not left:
                    return at
    finally:
        connection._force_close()  # type: ignore[attr-defined]  # the server goes on sending
    return at
