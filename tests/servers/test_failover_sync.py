"""`hot sync` over a failover: no commit returns that is in no store, at neither server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pymysql
import pytest

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.semi_sync import LONGEST_MS, not_in_force
from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.point import Latest
from bkpc_runtime.recovery.recover import Means, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import log_stream
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.log_acknowledging import SyncWish
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.conftest import FLAVOURS
from tests.servers.kinds_of_store import Switched
from tests.servers.replica_set import caught_up, filled_pair, promote, wait_until
from tests.servers.streaming import Streaming
from tests.servers.test_hot_sync import asked, switch


@pytest.fixture(params=FLAVOURS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ThrowawayServer, ThrowawayServer]]:
    with filled_pair(request.param, tmp_path) as found:
        for one in found if request.param == "mysql" else ():
            one.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        yield found


class Writer:
    """Commits on a thread, one after the other, until its server dies; those that have returned."""

    def __init__(self, server: ThrowawayServer, first: int) -> None:
        self.returned: list[int] = []
        self._thread = threading.Thread(target=self._write, args=(server, first), daemon=True)
        self._thread.start()

    def _write(self, server: ThrowawayServer, number: int) -> None:
        connection = server.connect()
        try:
            while True:
                connection.query(f"INSERT INTO w.counter VALUES ({number})")
                self.returned.append(number)
                number += 1
        except (pymysql.Error, OSError):
            connection._force_close()  # type: ignore[attr-defined]

    def died(self) -> set[int]:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return set(self.returned)


def waits(server: ThrowawayServer) -> None:
    """Commits wait from now on."""
    switch(server, enabled="ON", timeout=LONGEST_MS, wait_point="'AFTER_SYNC'")


def brought_back(store: Store, folder: Path, flavour: str) -> set[int]:
    with start_server(flavour, folder) as server:
        into = Target(parse_address(server.url), Secret(""))
        recover(starts(store, "shop", Latest(), ()), store, into, Means((), by="client"), Silent())
        return {int(number) for (number,) in server.run("SELECT n FROM w.counter")}


def test_every_commit_that_returned_at_either_server_is_in_each_store_of_the_quorum(
    pair: tuple[ThrowawayServer, ThrowawayServer],
    store: Store,
    far: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_stream, "LAST_PATIENCE", 1.0)
    first, second = pair
    take_image(Source("shop", parse_address(first.url), Secret("")), [store, far], [], expected_size=1)
    waits(first)
    behind = cast("Any", Switched(far))
    with Streaming(first, [store, behind], sync=SyncWish(2, None)) as stream:
        wait_until(lambda: stream.state().sync == "on")
        writer = Writer(first, 1000)
        wait_until(lambda: len(writer.returned) > 20)
        behind.away = True
        held = len(writer.returned)
        caught_up(second, first)
        first.kill()
    before = writer.died()
    assert len(before) <= held + 1
    promote(second)
    waits(second)
    writer = Writer(second, 5000)
    with Streaming(second, [store, behind], sync=SyncWish(2, None)) as stream:
        wait_until(lambda: stream.state().sync == "on" and stream.state().commit_waits > 0.5)
        assert writer.returned == [], "one store of two has it"
        behind.away = False
        wait_until(lambda: len(writer.returned) > 20)
        assert not_in_force(asked(second)) == ""
        second.kill()
    returned = before | writer.died()
    for one in (store, far):
        assert returned <= brought_back(one, tmp_path / f"back-{one.name}", first.flavour)
