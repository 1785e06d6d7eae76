"""What another server's log must hold to go on from one that ended: from which binlog on it is needed, and where all
that was stored of the earlier one has come in it; or what is lacking, by GTID.

Transactions of the server's own may only follow those that are stored: had it committed some among them, it might hold
other rows than both logs, one after the other, make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from pymysql.connections import Connection

from bkpc_runtime.mysql.binlog.receiver import Chunk, Idle, receive
from bkpc_runtime.mysql.binlog.transactions import Reader, Transaction
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Position, ServerFacts, list_binlogs
from bkpc_runtime.mysql.gtid import NONE, Gtids, parse_gtids, parse_state, split_gtid, writers
from bkpc_runtime.repository.joins import Ended

Connect: TypeAlias = "Callable[[], Connection[Any]]"
_HEADS = {"Previous_gtids", "Gtid_list"}


def beginning(connect: Connect, facts: ServerFacts, ended: Ended, held: Gtids) -> tuple[str, Position] | str:
    """The binlog, and the place in it or a later one; or why there is none. `held`: the GTIDs of `ended`."""
    with connect() as connection:
        if facts.flavour == "mariadb":
            found = _of_mariadb(connection, ended, held)
        else:
            found = _of_mysql(connection, facts, held)
    if isinstance(found, str):
        return found
    file, before, purged = found
    passed = PassedByMysql(held, before, purged) if facts.flavour == "mysql" else PassedByMariadb(held, before)
    reason = passed.at_once() or _walked(connect, facts, file, passed)
    return reason or (file, passed.at or Position(file, 0))


def _of_mysql(connection: Connection[Any], facts: ServerFacts, held: Gtids) -> tuple[str, Gtids, Gtids] | str:
    if facts.variable("gtid_mode") != "ON":
        return f"gtid_mode is {facts.variable('gtid_mode')} here: with GTIDs it could go on"
    executed, purged = (_set(connection, name) for name in ("gtid_executed", "gtid_purged"))
    if not (lost := held.less(executed)).empty:
        return f"the server has not executed {lost.text}, which is stored"
    if not (gone := purged.less(held)).empty:
        return f"the server no longer has the log of {gone.text}, which is not stored"
    for file, head in _heads(connection):
        before = parse_gtids(head) or NONE
        if before.less(held).empty:
            return file, before, purged
    return "the server's oldest binlog begins after what is stored"


def _of_mariadb(connection: Connection[Any], ended: Ended, held: Gtids) -> tuple[str, Gtids, Gtids] | str:
    before = NONE
    for file, head in _heads(connection):
        before = parse_state(head) or NONE
        if not before.less(held).empty:
            continue
        known = ended.writers | {(domain, str(server)) for domain, server in held.servers.items()}
        for domain, server in sorted(writers(head) - known):
            return f"the server holds transactions of server {server} in domain {domain}, which are not stored"
        return file, before, NONE
    return f"the server no longer has the log of {before.less(held).text}, from {held.text or 'its beginning'} on"


def _set(connection: Connection[Any], name: str) -> Gtids:
    return parse_gtids(str(query(connection, f"SELECT @@GLOBAL.{name}")[0][0])) or NONE


def _heads(connection: Connection[Any]) -> Iterator[tuple[str, str]]:
    """The binlogs, the newest first, each with what was executed when it began."""
    for one in reversed(list_binlogs(connection)):
        for row in query(connection, "SHOW BINLOG EVENTS IN %s LIMIT 5", (one.name,)):
            if row[2] in _HEADS:
                yield one.name, str(row[5]).strip("[]")
                break


class PassedByMysql:
    """Sees MySQL's transactions, until all have come that are held and were not executed `before` the log began."""

    def __init__(self, held: Gtids, before: Gtids, purged: Gtids) -> None:
        left = held.less(before).less(purged)
        self._held = held
        self._left = sum(last - first + 1 for ranges in left.intervals.values() for first, last in ranges)
        self._own: dict[str, str] = {}
        self.at: Position | None = None

    @property
    def done(self) -> bool:
        return not self._left

    def at_once(self) -> str:
        """What is wrong before anything is seen."""
        return ""

    def see(self, one: Transaction) -> str:
        """What is wrong with it."""
        source, number = split_gtid(one.gtid)
        if not self._held.holds(source, number):
            self._own.setdefault(source, one.gtid)
            return ""
        self._left -= 1
        return self._follows(source, one)

    def _follows(self, source: str, one: Transaction) -> str:
        self.at = Position(one.file, one.end)
        for other, first in self._own.items():
            if other != source:
                return f"the server had committed {first}, which is not stored, before {one.gtid}, which is"
        return ""

    def lacking(self) -> str:
        """What is wrong where the log has come to its end."""
        return ""  # what it has executed and not logged is purged, and was looked at


class PassedByMariadb(PassedByMysql):
    """MariaDB's numbers grow in each domain: the last that is held must be there, and of the same server."""

    def __init__(self, held: Gtids, before: Gtids) -> None:
        super().__init__(held, before, NONE)
        self._before = before
        self._numbers = {domain: before.last(domain) for domain in before.intervals}
        self._open = {domain for domain in held.intervals if before.last(domain) < held.last(domain)}

    @property
    def done(self) -> bool:
        return not self._open

    def at_once(self) -> str:
        for domain, server in self._held.servers.items():
            if domain not in self._open and self._before.servers[domain] != server:
                return self._other(domain, f"{domain}-{self._before.servers[domain]}-{self._before.last(domain)}")
        return ""

    def see(self, one: Transaction) -> str:
        domain, number = split_gtid(one.gtid)
        server = one.gtid.split("-")[1]
        if number <= self._numbers.get(domain, 0):
            return f"its numbers go back: {one.gtid} comes after number {self._numbers[domain]}"
        self._numbers[domain] = number
        last = self._held.last(domain)
        if number > last or (number == last and server != str(self._held.servers[domain])):
            if domain in self._open:
                return self._other(domain, one.gtid)
            self._own.setdefault(server, one.gtid)
            return ""
        if number == last:
            self._open.discard(domain)
        return self._follows(server, one)

    def _other(self, domain: str, instead: str) -> str:
        return f"the server has not executed {self._text(domain)}, which is stored: it has {instead}"

    def _text(self, domain: str) -> str:
        return f"{domain}-{self._held.servers[domain]}-{self._held.last(domain)}"

    def lacking(self) -> str:
        lost = ",".join(map(self._text, sorted(self._open)))
        return f"the server has not executed {lost}, which is stored" if lost else ""


def _walked(connect: Connect, facts: ServerFacts, file: str, passed: PassedByMysql) -> str:
    """Shows a server's log from a binlog on to `passed`, until that has seen enough; what is wrong with it."""
    if passed.done:
        return ""
    reader = Reader()
    with dumping(connect) as connection:
        for received in receive(connection, facts, Position(file, 0)):
            if isinstance(received, Idle):
                return passed.lacking()
            if not isinstance(received, Chunk):
                continue
            if not received.seen.sure:
                return f"its {received.file} holds transactions without GTIDs"
            for one in reader.feed(received.file, received.start, received.data):
                if reason := passed.see(one):
                    return reason
                if passed.done:
                    return ""
    return ""


@contextmanager
def dumping(connect: Connect) -> Iterator[Connection[Any]]:
    """A connection to receive log over; it is cut off at the end."""
    connection = connect()
    try:
        yield connection
    finally:
        connection._force_close()  # type: ignore[attr-defined]  # the server goes on sending
