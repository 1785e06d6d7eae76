"""`hot sync`: a commit returns when a quorum of stores has it, and whatever else happens is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from bkpc_runtime.errors import NoAnswer, ServerFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import PATIENCE, BinlogFile, Position, current_position, list_binlogs, read_facts
from bkpc_runtime.mysql.semi_sync import LONGEST_MS, SemiSync, not_in_force, read_semi_sync
from bkpc_runtime.repository import segments
from bkpc_runtime.steps import log_start, standing
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.log_acknowledging import SyncWish
from bkpc_runtime.steps.log_recognising import Landmarks
from bkpc_runtime.steps.log_start import look
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer
from tests.servers.kinds_of_store import Switched, opened
from tests.servers.streaming import Streaming, archived, binlogs, position, wait_until


@pytest.fixture
def waiting(fresh_server: ThrowawayServer) -> ThrowawayServer:
    """A server whose commits wait for a replica as good as for ever."""
    fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, body LONGBLOB)")
    if fresh_server.flavour == "mysql":
        fresh_server.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    switch(fresh_server, enabled="ON", timeout=LONGEST_MS, wait_point="'AFTER_SYNC'")
    return fresh_server


def switch(server: ThrowawayServer, **values: object) -> None:
    prefix = "rpl_semi_sync_source" if server.flavour == "mysql" else "rpl_semi_sync_master"
    server.run(*(f"SET GLOBAL {prefix}_{name} = {value}" for name, value in values.items()))


def asked(server: ThrowawayServer) -> SemiSync:
    with server.connect() as connection:
        return read_semi_sync(connection, read_facts(connection))


class Commits:
    """Commits on a thread, one after the other; when each returned."""

    def __init__(self, server: ThrowawayServer, first: int, count: int = 1) -> None:
        self.returned: dict[int, float] = {}
        self.begun = time.monotonic()
        self._thread = threading.Thread(target=self._write, args=(server, first, count), daemon=True)
        self._thread.start()

    def _write(self, server: ThrowawayServer, first: int, count: int) -> None:
        with server.connect() as connection, connection.cursor() as cursor:
            for number in range(first, first + count):
                cursor.execute(f"INSERT INTO w.t VALUES ({number}, 'x')")
                self.returned[number] = time.monotonic()

    def done(self, patience: float) -> bool:
        self._thread.join(patience)
        return not self._thread.is_alive()


def held(store: Store, prefix: str) -> Position:
    return segments.newest_end(store, prefix, max(segments.epochs(store, prefix))) or Position("", 0)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two stores, of the kind that STORE says."""
    with opened(tmp_path / "near", "near") as near, opened(tmp_path / "far", "far") as far:
        yield near, far


@contextmanager
def two(
    server: ThrowawayServer, places: tuple[Store, Store], wish: SyncWish
) -> Iterator[tuple[LogStream, Store, Any, str]]:
    near, far = places[0], cast("Any", Switched(places[1]))
    streaming = Streaming(server, [near, far], sync=wish)
    with streaming as stream:
        wait_until(lambda: stream.state().sync == "on")
        yield stream, near, far, streaming.prefix


def settled(server: ThrowawayServer) -> None:
    """Some time after it has gone on to another file, MariaDB writes a checkpoint into it, which waits for nobody."""
    file = position(server).file

    def checkpointed() -> bool:
        return any(
            row[2] == "Binlog_checkpoint" and row[5] == file for row in server.run(f"SHOW BINLOG EVENTS IN '{file}'")
        )

    if server.flavour == "mariadb":
        wait_until(checkpointed)


def test_a_commit_returns_when_the_quorum_has_it(waiting: ThrowawayServer, places: tuple[Store, Store]) -> None:
    first = position(waiting).file
    with two(waiting, places, SyncWish(2, None)) as (stream, near, far, prefix):
        assert Commits(waiting, 1, 50).done(20)
        end = position(waiting)
        assert held(near, prefix) == held(far, prefix) == end, "what has returned is stored"
        assert not_in_force(asked(waiting)) == ""
        far.away = True
        late = Commits(waiting, 100)
        assert not late.done(1.5), "the policy says hold"
        assert stream.state().commit_waits > 1
        far.away = False
        assert late.done(20)
        assert held(far, prefix) == position(waiting)
        waiting.run("FLUSH BINARY LOGS")
        assert Commits(waiting, 200, 3).done(20)
        wide = Commits(waiting, 300), Commits(waiting, 400), Commits(waiting, 500)
        assert all(one.done(20) for one in wide)
        assert asked(waiting).not_waited == 0
        settled(waiting)
        # One event above a packet (16 MiB) asks for an acknowledgement, too.
        waiting.run("INSERT INTO w.t VALUES (600, REPEAT('x', 20000000))")
        assert held(far, prefix) == position(waiting)
    own = {name: body for name, body in binlogs(waiting).items() if name >= first}
    for store in (near, far):
        assert archived(store, prefix, 1, Position(first, 0)) == own


def test_degraded_is_told_and_comes_back(
    waiting: ThrowawayServer, places: tuple[Store, Store], caplog: pytest.LogCaptureFixture
) -> None:
    with two(waiting, places, SyncWish(2, 1.0)) as (stream, near, far, prefix):
        assert Commits(waiting, 1, 5).done(20)
        far.away = True
        late = Commits(waiting, 100)
        assert late.done(10)
        assert 0.9 < late.returned[100] - late.begun < 5
        assert stream.state().sync == "degraded"
        assert "ALARM: DEGRADED" in caplog.text
        quick = Commits(waiting, 200, 20)
        assert quick.done(5), "nobody waits while degraded"
        far.away = False
        wait_until(lambda: stream.state().sync == "on")
        assert "commits wait for 2 stores again" in caplog.text
        assert Commits(waiting, 300, 5).done(20)
        assert held(near, prefix) == held(far, prefix) == position(waiting)
        assert asked(waiting).not_waited == 0, "the server itself waited all the time"


def test_one_of_two_is_enough_when_the_policy_says_so(waiting: ThrowawayServer, places: tuple[Store, Store]) -> None:
    with two(waiting, places, SyncWish(1, None)) as (_, near, far, prefix):
        far.away = True
        assert Commits(waiting, 1, 20).done(20)
        assert held(near, prefix) == position(waiting)
        far.away = False


def test_the_servers_own_fall_back_is_seen(waiting: ThrowawayServer, places: tuple[Store, Store]) -> None:
    assert "no agent is connected" in not_in_force(asked(waiting))
    with two(waiting, places, SyncWish(2, None)) as (_, _, far, _):
        switch(waiting, timeout=300)
        far.away = True
        assert Commits(waiting, 1).done(10)
        assert "HAS FALLEN BACK" in not_in_force(asked(waiting))
        far.away = False
        wait_until(lambda: not_in_force(asked(waiting)) == "")


def test_a_new_connection_acknowledges_nothing_that_is_not_stored(
    waiting: ThrowawayServer, places: tuple[Store, Store]
) -> None:
    """The server takes what is asked for as acknowledged."""
    with two(waiting, places, SyncWish(2, None)) as (stream, _, far, prefix):
        assert Commits(waiting, 1, 3).done(20)
        far.away = True
        late = Commits(waiting, 100)
        wait_until(lambda: stream.state().commit_waits > 0.2)
        for row in waiting.run("SHOW PROCESSLIST"):
            if str(row[4]).startswith("Binlog Dump"):
                waiting.run(f"KILL {row[0]}")
        assert not late.done(3), "the connection came back, the store did not"
        far.away = False
        assert late.done(20)
        assert held(far, prefix) == position(waiting)


def test_a_stream_that_begins_with_a_store_away_lets_no_commit_return(
    waiting: ThrowawayServer, places: tuple[Store, Store]
) -> None:
    with two(waiting, places, SyncWish(2, None)) as (_, _, _, _):
        assert Commits(waiting, 1, 3).done(20)
    near, far = places[0], cast("Any", Switched(places[1], "folders", away=True))
    streaming = Streaming(waiting, [near, far], sync=SyncWish(2, None))
    late = Commits(waiting, 100)
    with streaming:
        assert not late.done(7)
        far.away = False
        assert late.done(30)
        assert held(far, streaming.prefix) == position(waiting)


def test_an_agent_that_comes_back_while_the_log_goes_on_to_another_file(
    waiting: ThrowawayServer, places: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has it go on waits for all commits, and while he waits the server does not tell what log it has."""
    monkeypatch.setattr(log_start, "_LISTED_WITHIN", 2.0)
    with two(waiting, places, SyncWish(2, None)) as (_, _, far, prefix):
        assert Commits(waiting, 1, 3).done(20)
    late = Commits(waiting, 100)
    wait_until(lambda: asked(waiting).waiting == 1)
    with waiting.connect() as other:
        flushing = threading.Thread(target=lambda: other.query("FLUSH BINARY LOGS"), daemon=True)
        flushing.start()
        wait_until(lambda: any(row[7] == "FLUSH BINARY LOGS" for row in waiting.run("SHOW FULL PROCESSLIST")))
        with connect(parse_address(waiting.url)) as one:
            facts = read_facts(one)
            with pytest.raises(NoAnswer, match=r"has not answered SHOW .* within 1 s"):
                current_position(one, facts, 1)
        with two(waiting, places, SyncWish(2, None)):
            assert late.done(30)
            flushing.join(10)
            assert not flushing.is_alive()
            assert Commits(waiting, 200, 3).done(20)
            assert held(far, prefix) == position(waiting)


def test_no_image_is_begun_while_commits_wait_for_nobody(
    waiting: ThrowawayServer, places: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold up who only reads, and who asks where the log is."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(waiting.bin))
    monkeypatch.setattr(standing, "_AGENT_COMES", 0.5)
    address = parse_address(waiting.url)
    source = Source("shop", address, address.password())
    before = position(waiting)
    take_image(source, [places[0]], [], expected_size=1 << 20)
    assert position(waiting) == before, "a commit that came meanwhile would hold up who has the log go on"
    with pytest.raises(ServerFailed, match="commits wait for an agent, and none is connected"):
        take_image(source, [places[0]], [], expected_size=1 << 20, begins_binlog=True)
    late = Commits(waiting, 100)
    wait_until(lambda: asked(waiting).waiting == 1)
    with pytest.raises(ServerFailed, match=r"1 commits have been waiting .*, and no agent is connected"):
        take_image(source, [places[0]], [], expected_size=1 << 20)
    with two(waiting, places, SyncWish(2, None)):
        assert late.done(30)
        file = position(waiting).file
        take_image(source, [places[0]], [], expected_size=1 << 20, begins_binlog=True)
        assert position(waiting).file > file


def test_binlogs_that_are_listed_slowly_are_waited_for_where_the_log_does_not_go_on(
    server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be read is read without the list; where it can't go on, only that tells where else it does."""
    asked: list[float] = []

    def slow(connection: Any, within: float) -> list[BinlogFile]:
        asked.append(within)
        if within < PATIENCE:
            raise NoAnswer("it takes long")
        return list_binlogs(connection, within)

    monkeypatch.setattr(log_start, "list_binlogs", slow)
    address = parse_address(server.url)
    with connect(address) as connection:
        facts = read_facts(connection)
    here = position(server)
    found = look(lambda: connect(address), facts, here, Landmarks())
    assert (found.gap, found.unreadable, len(asked)) == (None, "", 1)
    found = look(lambda: connect(address), facts, here, Landmarks(origin="0" * 64))
    assert found.gap is not None
    assert "another file of the same name" in found.gap.reason
    assert len(asked) == 3
