"""Servers with something broken in them, or that do not fit each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Position, position_statement, read_facts
from bkpc_runtime.recovery.load import ready_target
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore


@pytest.fixture
def source(fresh_server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> ThrowawayServer:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    fresh_server.run(
        "CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, c INT)", "INSERT INTO w.t VALUES (1, 1)"
    )
    return fresh_server


def test_broken_views_keep_nothing_else_from_coming_back(source: ThrowawayServer, store: Store, tmp_path: Path) -> None:
    source.run(
        "CREATE TABLE w.gone (id INT)", "CREATE VIEW w.a_broken AS SELECT * FROM w.gone", "DROP TABLE w.gone",
        "CREATE VIEW w.dropped AS SELECT c FROM w.t", "ALTER TABLE w.t DROP COLUMN c",
        "CREATE DEFINER = 'ghost'@'nowhere' VIEW w.ghostly AS SELECT id FROM w.t",
        "CREATE VIEW w.whole AS SELECT id FROM w.t",
    )  # fmt: skip
    with Streaming(source, store) as stream:
        image_of(source, [store], [])
        source.run("INSERT INTO w.t VALUES (2)")
        wait_for(stream, position(source))
    with start_server(source.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [])
        assert rescue.run("SELECT id FROM w.whole") == [(1,), (2,)]
        made = {
            row[0] for row in rescue.run("SELECT table_name FROM information_schema.views WHERE table_schema = 'w'")
        }
        assert made == {"whole", "ghostly"}


def test_a_schema_named_almost_like_the_servers_own(source: ThrowawayServer, store: Store, tmp_path: Path) -> None:
    source.run(
        "CREATE DATABASE `Sys2`",
        "CREATE DATABASE `SYS`",
        "CREATE TABLE `SYS`.t (id INT)",
        "INSERT INTO `SYS`.t VALUES (7)",
    )
    image_of(source, [store], [])
    with start_server(source.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [])
        assert rescue.run("SELECT id FROM `SYS`.t") == [(7,)]


def test_a_prepared_transaction_is_waited_for(source: ThrowawayServer, store: Store) -> None:
    source.run("XA START 'x'", "INSERT INTO w.t VALUES (9, 9)", "XA END 'x'", "XA PREPARE 'x'")
    file = position(source).file
    with pytest.raises(ToolFailed, match="prepared XA"):
        image_of(source, [store], [])
    assert position(source).file == file  # nothing was tried that makes the server begin another
    source.run("XA COMMIT 'x'")
    image_of(source, [store], [])


def test_tables_without_transactions_are_named(source: ThrowawayServer, store: Store) -> None:
    source.run("CREATE TABLE w.old (id INT) ENGINE = MyISAM")
    image_of(source, [store], [])
    (taken,) = catalogue.all_images(store, "shop")
    assert any("w.old" in one for one in taken.manifest.not_included)


def test_targets_are_looked_at_first(source: ThrowawayServer, store: Store, tmp_path: Path) -> None:
    image_of(source, [store], [])
    (taken,) = catalogue.all_images(store, "shop")
    with start_server(source.flavour, tmp_path / "small", max_allowed_packet="16M") as small:
        target = Target(parse_address(small.url), Secret(""))
        with pytest.raises(Refused, match="packets"):
            ready_target(target, taken)
    with start_server(source.flavour, tmp_path / "quiet", event_scheduler="DISABLED") as quiet:
        restore(store, quiet, "latest", [])
        assert quiet.run("SELECT id FROM w.t") == [(1,)]
        source.run("CREATE EVENT w.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM w.t")
        image_of(source, [store], [])
        with pytest.raises(Refused, match="DISABLED"):
            ready_target(Target(parse_address(quiet.url), Secret("")), catalogue.all_images(store, "shop")[0])


def test_accounts_in_the_log_come_last_and_those_of_the_target_stay(
    source: ThrowawayServer, store: Store, tmp_path: Path
) -> None:
    source.run("CREATE USER before_it")
    with connect(parse_address(source.url)) as connection:
        facts = read_facts(connection)
    with Streaming(source, store) as stream:
        image_of(source, [store], [])
        ((file, offset, *_),) = source.run(
            "INSERT INTO w.t VALUES (2, 2)", "ALTER USER before_it IDENTIFIED BY 'Another-1'",
            "GRANT SELECT ON w.* TO before_it", "INSERT INTO w.t VALUES (3, 3)", "FLUSH BINARY LOGS",
            "CREATE USER after_it", "CREATE TABLE w.grants (id INT)", "DROP USER before_it",
            "ALTER USER root@localhost IDENTIFIED BY 'not-on-the-rescue-server'", "INSERT INTO w.grants VALUES (4)",
            position_statement(facts),
        )  # fmt: skip
        wait_for(stream, Position(file, offset))
    with start_server(source.flavour, tmp_path / "rescue") as rescue:
        kept = "left out: ALTER USER of 'root'@'localhost', which concerns an account that the target had before"
        done = restore(store, rescue, "latest", [], problems=[kept])
        assert rescue.run("SELECT id FROM w.t") == [(1,), (2,), (3,)]
        assert rescue.run("SELECT id FROM w.grants") == [(4,)]
        # What the log says of accounts is done when all else is there.
        assert rescue.run("SELECT user FROM mysql.user WHERE user LIKE '%_it'") == [("after_it",)]
    assert len(done.accounts) == 5
