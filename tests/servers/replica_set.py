"""Servers that copy one another by GTID, of which one takes the place of another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bkpc_runtime.mysql.flavour import read_facts
from tests.database_server import ThrowawayServer, start_server

OPTIONS: dict[str, dict[str, str]] = {
    "mysql": {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"},
    "mariadb": {"log_slave_updates": "ON"},
}


@contextmanager
def replica_set(flavour: str, folder: Path, count: int) -> Iterator[list[ThrowawayServer]]:
    """Servers with GTIDs: the first is the primary of the others."""
    with ExitStack() as running, ThreadPoolExecutor(count) as pool:
        starting = [start_server(flavour, folder / str(number), **OPTIONS[flavour]) for number in range(count)]
        found = list(pool.map(running.enter_context, starting))
        found[0].run("CREATE USER copying IDENTIFIED BY 'it'", "GRANT REPLICATION SLAVE ON *.* TO copying")
        for one in found[1:]:
            follow(one, found[0])
        yield found


def follow(replica: ThrowawayServer, primary: ThrowawayServer) -> None:
    mysql = replica.flavour == "mysql"
    word = "SOURCE" if mysql else "MASTER"
    gtid = "SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1" if mysql else "MASTER_USE_GTID = slave_pos"
    replica.run(
        f"CHANGE {'REPLICATION SOURCE' if mysql else 'MASTER'} TO {word}_HOST = '127.0.0.1', {word}_PORT = "
        f"{primary.port}, {word}_USER = 'copying', {word}_PASSWORD = 'it', {word}_CONNECT_RETRY = 1, {gtid}",
        f"START {replica_word(replica)}",
    )


def replica_word(server: ThrowawayServer) -> str:
    return "REPLICA" if server.flavour == "mysql" else "SLAVE"


def executed(server: ThrowawayServer) -> str:
    variable = "gtid_executed" if server.flavour == "mysql" else "gtid_binlog_pos"
    return str(server.run(f"SELECT @@GLOBAL.{variable}")[0][0]).replace("\n", "")


def caught_up(replica: ThrowawayServer, primary: ThrowawayServer) -> None:
    wait = "WAIT_FOR_EXECUTED_GTID_SET" if replica.flavour == "mysql" else "MASTER_GTID_WAIT"
    assert replica.run(f"SELECT {wait}('{executed(primary)}', 20)") == [(0,)]


def promote(replica: ThrowawayServer) -> None:
    replica.run(f"STOP {replica_word(replica)}", f"RESET {replica_word(replica)} ALL")


def follow_again(old: ThrowawayServer, primary: ThrowawayServer) -> None:
    """One that was killed comes back as a replica, and has all."""
    old.start()
    if old.flavour == "mariadb":
        old.run("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos")
    follow(old, primary)
    caught_up(old, primary)


def identity(server: ThrowawayServer) -> str:
    with server.connect() as connection:
        return read_facts(connection).identity


def span(server: ThrowawayServer, first: int, last: int) -> str:
    """How the server's own transactions of these numbers are called: MariaDB names the last of them."""
    if server.flavour == "mariadb":
        return f"0-{server.server_id}-{last}"
    return f"{identity(server)}:{first}-{last}"


def fill(server: ThrowawayServer) -> None:
    server.run(
        "CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY AUTO_INCREMENT, b TEXT)",
        "CREATE TABLE w.counter (n INT)", "INSERT INTO w.counter VALUES (0)",
    )  # fmt: skip


def write(server: ThrowawayServer, count: int = 5) -> None:
    for _ in range(count):
        server.run("BEGIN", "INSERT INTO w.t (b) VALUES (UUID())", "UPDATE w.counter SET n = n + 1", "COMMIT")


def wait_until(true: Callable[[], bool], patience: float = 60) -> None:
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextmanager
def filled_pair(flavour: str, folder: Path) -> Iterator[tuple[ThrowawayServer, ThrowawayServer]]:
    """A primary with a database, and its replica."""
    with replica_set(flavour, folder, 2) as (first, second), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BKPC_MYSQL_BIN", str(first.bin))
        fill(first)
        yield first, second
