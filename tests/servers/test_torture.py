"""Either process killed with -9 at random moments, ten times over: nothing that was committed is lost."""

from __future__ import annotations

import gc
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import segments
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office
from tests.servers.streaming import archived, binlogs, position

KILLS = int(os.environ.get("BKPC_KILLS", "10"))
FLUSH = 2.0
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # see sockets_left_open_by_pymysql


@pytest.fixture(autouse=True)
def sockets_left_open_by_pymysql() -> Iterator[None]:
    """A refused connection to a Unix socket stays open in PyMySQL's error until it is collected: here, not later."""
    yield
    gc.collect()


class Clerk:
    """Commits numbers one by one, on and on, across deaths of the server; remembers when each was acknowledged."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.acknowledged: dict[int, float] = {}

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with self._server.connect(database="w") as connection, connection.cursor() as cursor:
                    while not self._stop.is_set():
                        number += 1
                        cursor.execute(f"INSERT INTO t VALUES ({number}, REPEAT('x', {number % 999}))")
                        self.acknowledged[number] = time.time()
            except (pymysql.err.Error, OSError):
                self._stop.wait(0.02)

    def give_up(self) -> None:
        """The server does not come back."""
        self._stop.set()

    def __enter__(self) -> Clerk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def newest(store: DirectoryStore, prefix: str) -> Position | None:
    epoch = max(segments.epochs(store, prefix), default=0)
    return segments.newest_end(store, prefix, epoch) if epoch else None


def wait_for(store: DirectoryStore, prefix: str, end: Position, log: Path) -> None:
    for _ in range(600):
        found = newest(store, prefix)
        if found and segments.order(found) >= segments.order(end):
            return
        time.sleep(0.1)
    raise AssertionError(f"the log is not stored up to {end.text}:\n{log.read_text()[-3000:]}")


def test_nothing_is_lost(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, body TEXT)")
    office = Office.opened(tmp_path / "office", fresh_server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)  # the image, whose log is all that follows
    chance = random.Random(20261123)  # noqa: S311 - the same moments in each run
    first = position(fresh_server)
    store = DirectoryStore("disk", office.folder / "backups")
    agent = office.start("agent", "plan.json")
    try:
        with Clerk(fresh_server) as clerk:
            for kill in range(KILLS):
                time.sleep(chance.uniform(1.0, 3.0))
                if kill % 2:
                    fresh_server.kill()
                    fresh_server.start()
                else:
                    agent.kill()
                    agent.wait()
                    agent = office.start("agent", "plan.json")
        (prefix,) = [f"shop/{name}".rstrip("/") for name in store.folders("shop/")]
        wait_for(store, prefix, position(fresh_server), office.folder / "agent.log")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0
    finally:
        agent.kill()
        agent.wait()
    assert segments.epochs(store, prefix) == [1], "no kill made a gap"
    key = Secret((office.folder / "key.txt").read_text().strip())
    found = archived(store, prefix, 1, Position(first.file, 0), key)
    assert found == {name: body for name, body in binlogs(fresh_server).items() if name >= first.file}
    stored = {row[0] for row in fresh_server.run("SELECT id FROM w.t")}
    assert set(clerk.acknowledged) <= stored, "the server itself lost something: this test proves nothing"


def test_when_the_server_is_gone_for_ever_only_the_last_moments_are(
    fresh_server: ThrowawayServer, tmp_path: Path
) -> None:
    """What was acknowledged longer than flush period + 1 s (and a second for noise) before the end is archived."""
    fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, body TEXT)")
    office = Office.opened(tmp_path / "office", fresh_server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    store = DirectoryStore("disk", office.folder / "backups")
    agent = office.start("agent", "plan.json")
    try:
        with Clerk(fresh_server) as clerk:
            time.sleep(9)
            died = time.time()
            fresh_server.kill()
        time.sleep(FLUSH)
    finally:
        agent.kill()
        agent.wait()
    (prefix,) = [f"shop/{name}".rstrip("/") for name in store.folders("shop/")]
    key = Secret((office.folder / "key.txt").read_text().strip())
    first = segments.files(store, prefix, 1)[0]
    kept = archived(store, prefix, 1, Position(first, 0), key)
    expected = [number for number, at in clerk.acknowledged.items() if at < died - FLUSH - 2]
    assert len(expected) > 100
    # An image begins a binlog of its own: there are several.
    for name, body in kept.items():
        (tmp_path / name).write_bytes(body)
    paths = [str(tmp_path / name) for name in kept]
    told = subprocess.run(
        fresh_server.binlog_command("-vv", "--base64-output=DECODE-ROWS", *paths),
        check=False,
        capture_output=True,
    ).stdout
    assert set(expected) <= set(map(int, re.findall(rb"###   @1=(\d+) ", told)))
