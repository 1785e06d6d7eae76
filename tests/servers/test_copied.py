"""A table that is replaced stays until the new one is whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.recovery import copied, kept_triggers, patiently, replacing
from bkpc_runtime.recovery.copied import Destination, copy_tables
from bkpc_runtime.recovery.marker import alone
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


WITH_TRIGGERS = (
    "CREATE DATABASE g", "CREATE TABLE g.p (id INT PRIMARY KEY)", "CREATE TABLE g.seen (id INT)",
    "CREATE TABLE g.t (id INT PRIMARY KEY, price INT)",
    "CREATE TABLE g.c (id INT PRIMARY KEY, price INT, FOREIGN KEY (id) REFERENCES g.p (id))",
    *(
        statement
        for table in ("t", "c")
        for statement in (
            f"INSERT INTO g.{'p' if table == 'c' else 'seen'} VALUES (7)",
            f"INSERT INTO g.{table} VALUES (7, 7)",
            f"CREATE TRIGGER g.{table}_one BEFORE INSERT ON g.{table} FOR EACH ROW SET @one = 'ä'",
            f"CREATE TRIGGER g.{table}_two AFTER INSERT ON g.{table} FOR EACH ROW INSERT INTO g.seen VALUES (NEW.id)",
        )
    ),
)  # fmt: skip
ASKED = ("CREATE DATABASE g", "CREATE TABLE g.p (id INT PRIMARY KEY)", "INSERT INTO g.p VALUES (1), (2)",
         "CREATE TABLE g.t (id INT PRIMARY KEY)", "INSERT INTO g.t VALUES (1)",
         "CREATE TABLE g.c (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES g.p (id))",
         "INSERT INTO g.c VALUES (1)")  # fmt: skip


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


def triggers(server: ThrowawayServer) -> list[tuple[object, ...]]:
    return server.run(
        "SELECT event_object_table, trigger_name, action_statement, definer FROM information_schema.triggers "
        "WHERE trigger_schema = 'g' ORDER BY trigger_name"
    )


def ours(server: ThrowawayServer) -> list[str]:
    return [str(name) for (name,) in server.run("SHOW TABLES IN g") if "bkpc" in str(name)]


class Killed(BaseException):
    """As `kill -9`: nothing is put in order after it."""


def test_triggers_of_what_is_replaced_are_never_lost(
    server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    server.run(*ASKED)
    with start_server(server.flavour, tmp_path / "held") as held:
        held.run(*WITH_TRIGGERS)
        into = Destination(target(held), "", frozenset({"g"}))
        before = triggers(held)
        assert len(before) == 4
        # One that can't be made on the table as it was: nothing is changed, beside or in place.
        for table in ("t", "c"):
            held.run(f"CREATE TRIGGER g.z BEFORE UPDATE ON g.{table} FOR EACH ROW SET NEW.price = 1")
            with pytest.raises(ToolFailed, match=rf"g\.{table} can't be copied, and is as it was: its trigger z can't"):
                copy_tables(target(server), into, [("g", table)])
            assert held.run(f"SELECT id, price FROM g.{table}") == [(7, 7)]
            held.run("DROP TRIGGER g.z")
            assert triggers(held) == before
            assert ours(held) == []
        # Killed when the old one has gone, and between any two triggers.
        for table in ("t", "c"):
            for left in (2, 1):
                with monkeypatch.context() as patch:
                    patch.setattr(copied, "put_back", killed_after(held, left))
                    with pytest.raises(Killed):
                        copy_tables(target(server), into, [("g", table)])
                assert len([one for one in triggers(held) if one[0] == table]) == 2 - left
                assert kept_triggers.KEPT in ours(held)
                copy_tables(target(server), into, [("g", table)])
                assert held.run(f"SELECT * FROM g.{table}") == [(1,)]
                assert triggers(held) == before
                assert ours(held) == []
        held.run("INSERT INTO g.t VALUES (2)")
        assert held.run("SELECT id FROM g.seen") == [(7,), (2,)]


def test_readers_never_wait_for_long_behind_a_table_that_is_replaced(
    server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's open transaction has used it."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    monkeypatch.setattr(patiently, "_PATIENCE", 3.0)
    monkeypatch.setattr(patiently, "_PAUSE", 0.5)
    server.run("DROP DATABASE IF EXISTS g", *ASKED)
    with start_server(server.flavour, tmp_path / "held") as held:
        held.run(*WITH_TRIGGERS)
        before, slowest, over = triggers(held), [0.0], threading.Event()

        def reads() -> None:
            while not over.is_set():
                began = time.monotonic()
                held.run("SELECT COUNT(*) FROM g.t", "SELECT COUNT(*) FROM g.c")
                slowest[0] = max(slowest[0], time.monotonic() - began)

        into = Destination(target(held), "", frozenset({"g"}))
        for table in ("t", "c"):
            with closing(held.connect()) as idle:
                ((number,),) = query(idle, "SELECT CONNECTION_ID()")
                query(idle, "BEGIN")
                query(idle, f"SELECT * FROM g.{table}")
                reading = threading.Thread(target=reads)
                reading.start()
                with pytest.raises(
                    ToolFailed,
                    match=rf"can't be copied, and is as it was: g\.{table} is in use: .*connection {number} ",
                ):
                    copy_tables(target(server), into, [("g", table)])
                over.set()
                reading.join()
                over.clear()
                assert held.run(f"SELECT id, price FROM g.{table}") == [(7, 7)]
                assert (triggers(held), ours(held)) == (before, [])
                with monkeypatch.context() as patch:  # Ctrl-C while it waits, which closes the connection
                    patch.setattr(copied, "make_room" if table == "c" else "take_place", interrupted)
                    with pytest.raises(KeyboardInterrupt):
                        copy_tables(target(server), into, [("g", table)])
                threading.Timer(1.0, idle.rollback).start()
                copy_tables(target(server), into, [("g", table)])
            assert held.run(f"SELECT * FROM g.{table}") == [(1,)]
            assert (triggers(held), ours(held)) == (before, [])
        assert slowest[0] < 6, "two statements behind two seconds each, on a busy machine"


def interrupted(into: Connection[Any], goes: tuple[str, str]) -> None:
    def by_hand(_: float) -> None:
        into._force_close()  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", by_hand)
        (replacing.make_room if goes[1] == "c" else replacing.take_place)(into, goes)


def killed_after(server: ThrowawayServer, left: int) -> Callable[..., None]:
    """In place of giving the triggers back: that ends when so many are left to be made."""

    def ends(into: Connection[Any], goes: tuple[str, str]) -> None:
        names = [name for (name,) in server.run(f"SELECT name FROM g.`{kept_triggers.KEPT}` ORDER BY number")]
        for name in names[: len(names) - left]:
            held = server.run(f"SELECT statement FROM g.`{kept_triggers.KEPT}` WHERE name = '{name}'")[0][0]
            server.run(f"DROP TRIGGER IF EXISTS g.{name}", "USE g", held.decode())
        assert goes[0] == "g"
        raise Killed

    return ends


def test_two_into_one_schema_wait_for_one_another(server: ThrowawayServer) -> None:
    with (
        alone(target(server), ["w", "v"]),
        alone(target(server), ["x"]),
        pytest.raises(Refused, match=r"another restore into schema V of .* is running"),
        alone(target(server), ["u", "V"]),
    ):
        pass
    with alone(target(server), ["v"]), alone(target(server)):
        pass
