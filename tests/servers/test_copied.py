"""A table that is replaced stays until the new one is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery import copied
from bkpc_runtime.recovery.copied import Destination, copy_tables
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.secret import Secret
from tests.database_server import ThrowawayServer, start_server

SOURCE = (
    "CREATE DATABASE v", "CREATE TABLE v.t (id INT PRIMARY KEY, a INT AS (id + 1) VIRTUAL, KEY (a))",
    "INSERT INTO v.t (id) VALUES (1), (2)", "CREATE TABLE v.child (id INT, t INT, FOREIGN KEY (t) REFERENCES v.t (id))",
)  # fmt: skip
HELD = (
    "CREATE DATABASE v", "CREATE TABLE v.t (id INT)", "INSERT INTO v.t VALUES (7)", "CREATE TABLE v.log_ (id INT)",
    "CREATE TRIGGER v.kept AFTER INSERT ON v.t FOR EACH ROW INSERT INTO v.log_ VALUES (NEW.id)",
    "CREATE TABLE v.child (id INT)",
)  # fmt: skip


def target(server: ThrowawayServer) -> Target:
    return Target(parse_address(server.url), Secret(""))


def test_the_old_one_stays(server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    server.run(*SOURCE)
    with start_server(server.flavour, tmp_path / "held") as held:
        held.run(*HELD)
        into = Destination(target(held), "", frozenset({"v"}))
        pipe = copied._pipe

        def breaking_off(*arguments: object) -> None:
            pipe(*arguments)  # type: ignore[arg-type]
            raise ToolFailed("it broke off")

        with monkeypatch.context() as patch:
            patch.setattr(copied, "_pipe", breaking_off)
            with pytest.raises(ToolFailed, match=r"v\.t can't be copied, and is as it was: it broke off"):
                copy_tables(target(server), into, [("v", "t")])
            assert held.run("SELECT id FROM v.t") == [(7,)]
            assert held.run("SHOW TABLES IN v") == [("child",), ("log_",), ("t",)]
            assert server.run("SHOW TABLES IN v") == [("child",), ("t",)]
            with pytest.raises(ToolFailed, match=r"v\.child can't .* is incomplete \(it has foreign keys or checks"):
                copy_tables(target(server), into, [("v", "child")])
            held.run("DROP TABLE IF EXISTS v.child")
        # What one left that was killed while it loaded.
        held.run("CREATE TABLE v.`bkpc~restored` (id INT)")
        copy_tables(target(server), into, [("v", "t")])
        held.run("INSERT INTO v.t (id) VALUES (3)")
        assert held.run("SELECT id, a FROM v.t") == [(1, 2), (2, 3), (3, 4)]
        assert held.run("SELECT id FROM v.log_") == [(3,)]
        assert held.run("SHOW TABLES IN v") == [("log_",), ("t",)]
        # And while it moved triggers.
        held.run("CREATE TABLE v.`bkpc~replaced` (id INT)",
                 "CREATE TRIGGER v.still AFTER INSERT ON v.`bkpc~replaced` FOR EACH ROW SET @a = 1")  # fmt: skip
        with pytest.raises(Refused, match="with the triggers still, which the new one lacks"):
            copy_tables(target(server), into, [("v", "t")])
