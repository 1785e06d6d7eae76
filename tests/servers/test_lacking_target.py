"""A target that lacks what a table needs: the table is named, all others come, and the same restore again goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery import load
from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.copied import Destination, copy_tables
from bkpc_runtime.recovery.point import parse_point
from bkpc_runtime.recovery.recover import Means, Silent, recover
from bkpc_runtime.recovery.some_tables import bring_back, look_through, prepare
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_table_whose_need_is_lacking(
    flavour: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_server(flavour, tmp_path / "a", federated=_since_start(flavour)) as source:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(source.bin))
        filled(source)
        with Streaming(source, store) as stream:
            image_of(source, [store], [])
            source.run("INSERT INTO z.plain VALUES (2)")
            wait_for(stream, position(source))
        with start_server(flavour, tmp_path / "b") as target:
            with pytest.raises(Refused, match=r"z\.far is of storage engine FEDERATED, which the target lacks"):
                copy_tables(_whole(source), Destination(_whole(target)), [("z", "plain"), ("z", "far")])
            assert target.run("SHOW DATABASES LIKE 'z'") == []
            comes_back(source, store, target, monkeypatch)
            target.run("DROP DATABASE z")
            single_tables(store, target, tmp_path)


def _whole(server: ThrowawayServer) -> Target:
    return Target(parse_address(server.url), Secret(""))


def _since_start(flavour: str) -> bool | None:
    """MySQL has FEDERATED only where it is asked for as the server starts; with MariaDB it is installed."""
    return True if flavour == "mysql" else None


def filled(server: ThrowawayServer) -> None:
    mysql = server.flavour == "mysql"
    options = f"HOST 'localhost', USER 'root', SOCKET '{server.socket}', DATABASE 'z'"
    server.run(
        "CREATE TABLESPACE gt" if mysql else "INSTALL SONAME 'ha_federatedx'",
        f"CREATE SERVER s1 FOREIGN DATA WRAPPER mysql OPTIONS ({options})",
        "CREATE DATABASE z", "CREATE TABLE z.plain (id INT PRIMARY KEY)", "INSERT INTO z.plain VALUES (1)",
        "CREATE TABLE z.far (id INT PRIMARY KEY) ENGINE = FEDERATED CONNECTION = 's1/plain'",
        f"CREATE TABLE z.within (id INT PRIMARY KEY){' TABLESPACE gt' if mysql else ''}",
        "CREATE VIEW z.seen AS SELECT id FROM z.plain",
    )  # fmt: skip


def comes_back(source: ThrowawayServer, store: Store, target: ThrowawayServer, patched: pytest.MonkeyPatch) -> None:
    mysql = target.flavour == "mysql"
    into = _whole(target)
    asked = starts(store, "shop", parse_point("latest"), [])
    found = recover(asked, store, into, Means(other_engines=True), Silent())
    assert found.other_engines == {("z", "far"): "FEDERATED"}
    assert target.run("SELECT id FROM z.plain ORDER BY 1") == [(1,), (2,)]
    target.run("DROP DATABASE z")
    # The engine is lacking: a server alone would take another, quietly, and `far` were an empty table.
    with pytest.raises(
        ToolFailed, match=r"z\.far .* can't be loaded: the target has no storage engine FEDERATED"
    ) as told:
        restore(store, target, "latest", [])
    assert "run the same restore again: all other tables are loaded" in told.value.help
    assert target.run("SELECT id FROM z.plain") == [(1,)]
    target.run("SELECT 1 FROM z.within", "DROP SERVER s1")
    # So is its server now, and on MySQL a tablespace, of which the table is lost.
    if mysql:
        target.options["federated"] = True
        target.restart()
        target.run("DROP TABLE z.within", "DROP TABLESPACE gt")
        target.run("DELETE FROM bkpc_restore.progress WHERE what LIKE 'part%' AND state = 'loaded'")
    else:
        target.run("INSTALL SONAME 'ha_federatedx'")
    with patched.context() as without:
        without.setattr(load, "make_server_objects", lambda *_: None)
        with pytest.raises(ToolFailed, match=r"(?s)z\.far .* can't be loaded: .*ERROR") as told:
            restore(store, target, "latest", [])
    assert ("z.within" in str(told.value)) == mysql
    restore(store, target, "latest", [])
    assert target.run("SELECT id FROM z.seen ORDER BY 1") == [(1,), (2,)]
    for table in ("far", "within"):
        assert target.run(f"SHOW CREATE TABLE z.{table}") == source.run(f"SHOW CREATE TABLE z.{table}")


def single_tables(store: Store, target: ThrowawayServer, work: Path) -> None:
    """A scratch server on this machine has not that engine: what is asked for is not made otherwise."""
    destination = Destination(_whole(target))
    found = prepare(look_through(store, "shop", parse_point("latest"), []), [("z", "far")], store, [])
    with pytest.raises(Refused, match=r"z\.far is of storage engine FEDERATED, which no scratch server"):
        bring_back(found, store, destination, Means(work=work), Silent())
