"""Until when a log is complete, asked of a server that others write to."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.transactions import transactions
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import Position, read_facts
from bkpc_runtime.repository import segments
from bkpc_runtime.repository.known_until import Known, known_until, parse_known
from bkpc_runtime.steps.log_asking import ask
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.servers.streaming import Streaming, binlogs, position, wait_for, wait_until


def test_all_that_had_returned_by_the_time_lies_before_the_end(server: ThrowawayServer) -> None:
    """Several commit at once, each as fast as it can."""
    server.run("CREATE DATABASE asked", "CREATE TABLE asked.t (n INT AUTO_INCREMENT PRIMARY KEY, who INT)")
    begin = position(server)
    over = threading.Event()
    commits: list[list[float]] = [[] for _ in range(4)]

    def write(number: int) -> None:
        with server.connect() as connection:
            while not over.is_set():
                query(connection, f"INSERT INTO asked.t (who) VALUES ({number})")
                commits[number].append(time.time())

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in writers:
        one.start()
    known: list[Known] = []
    connection = connect(parse_address(server.url))
    facts = read_facts(connection)
    until = time.monotonic() + 2  # so long they commit; every one of them is looked at below
    while time.monotonic() < until or len(known) < 10:
        known.append(ask(connection, facts))
    connection.close()
    over.set()
    for one in writers:
        one.join()

    log = [(begin.file, 0, binlogs(server)[begin.file])]
    made = [one for one in transactions(log) if one.start >= begin.offset]
    assert sum(map(len, commits)) == len(made)
    ends = [segments.order(Position(one.file, one.end)) for one in made]
    assert ends == sorted(ends)
    for said in known[:: max(1, len(known) // 200)]:
        before = bisect_right(ends, segments.order(said.position))
        assert sum(bisect_left(each, said.until.timestamp()) for each in commits) <= before
        if server.flavour == "mysql":
            assert all(one.committed > said.until for one in made[before:])


def test_what_is_noted_while_nothing_is_written_and_while_all_is(server: ThrowawayServer, disk: DirectoryStore) -> None:
    server.run("CREATE DATABASE noted", "CREATE TABLE noted.t (n INT AUTO_INCREMENT PRIMARY KEY)")
    with Streaming(server, disk, known_every=0.2, oldest=lambda: position(server).file) as stream:
        server.run("INSERT INTO noted.t VALUES ()")
        written = datetime.now(UTC)
        wait_for(stream, position(server))
        first = noted_after(disk, server, written)
        # The stream has broken off, and the server has gone on to another binlog.
        stream.reconnect()
        server.run("FLUSH BINARY LOGS")
        again = noted_after(disk, server, datetime.now(UTC))
        assert segments.order(again.position) > segments.order(first.position)
        # What tells the time itself needs no note.
        before, began = len(notes(disk)), time.monotonic()
        for _ in range(20):
            server.run("INSERT INTO noted.t VALUES ()")
            time.sleep(0.1)
        # A log tells whole seconds: each new one may bring a note before it is told.
        assert len(notes(disk)) - before <= 2 + time.monotonic() - began


def notes(disk: DirectoryStore) -> list[Known]:
    return [known for one in disk.list("") if (known := parse_known(one.key))]


def noted_after(disk: DirectoryStore, server: ThrowawayServer, moment: datetime) -> Known:
    """The first that is of a later time: it is of where the server's log ends, and a restore finds it."""
    until = time.monotonic() + 60
    while not (found := [one for one in notes(disk) if one.until > moment]):
        assert time.monotonic() < until
        time.sleep(0.05)
    (prefix,) = (f"shop/{one.strip('/')}" for one in disk.folders("shop/"))
    said = known_until(disk, prefix, 1, found[0].position, position(server))
    assert said is not None
    assert said >= found[0].until
    return found[0]


def test_of_a_log_that_was_begun_anew_the_old_one_says_nothing(
    fresh_server: ThrowawayServer, disk: DirectoryStore
) -> None:
    """Its positions come again: what the server says of the new log is not noted beside the old one."""
    with Streaming(fresh_server, disk, known_every=0.05, oldest=lambda: position(fresh_server).file) as stream:
        fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT AUTO_INCREMENT PRIMARY KEY)")
        wait_for(stream, position(fresh_server))
        noted_after(disk, fresh_server, datetime.now(UTC))
        moment = datetime.now(UTC)
        fresh_server.run("RESET BINARY LOGS AND GTIDS" if fresh_server.flavour == "mysql" else "RESET MASTER")
        for _ in range(40):
            fresh_server.run("INSERT INTO w.t VALUES ()")
        wait_until(lambda: stream.state().epoch == 2)
        wait_for(stream, position(fresh_server))
    (prefix,) = (f"shop/{one.strip('/')}" for one in disk.folders("shop/"))
    old = [known for one in disk.list(segments.epoch_folder(prefix, 1)) if (known := parse_known(one.key))]
    assert old
    assert all(one.until <= moment + timedelta(seconds=0.5) for one in old)
