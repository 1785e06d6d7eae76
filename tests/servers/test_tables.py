"""Single tables come back as they were at a point, and nothing else on the target is touched."""

# ruff: noqa: E501 - statements, one per line

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import quoted
from tests.demo.shop import load
from tests.servers.command_line import Office
from tests.servers.whole import accounts, everything, same, typed

BEFORE = r"""
CREATE DATABASE w; USE w;
CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE children (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE);
INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO children VALUES (10, 1), (11, 1), (20, 2), (30, 3);
CREATE TABLE old_name (id INT PRIMARY KEY, a INT); INSERT INTO old_name VALUES (1, 1), (2, 2);
CREATE TABLE audited (id INT PRIMARY KEY); CREATE TABLE audit_of (id INT);
CREATE TRIGGER audits AFTER INSERT ON audited FOR EACH ROW INSERT INTO audit_of VALUES (NEW.id);
CREATE TABLE `we``ird,
name` (`a.b` INT PRIMARY KEY, c VARCHAR(9)); INSERT INTO `we``ird,
name` VALUES (1, 'x');
CREATE TABLE noise (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT); INSERT INTO noise (t) VALUES ('n');
CREATE TABLE part_of (id INT, t INT); CREATE TABLE parted (id INT, t INT) PARTITION BY RANGE (t)
  (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE);
"""
AFTER = r"""
USE w;
INSERT INTO noise (t) VALUES ('m'); CREATE TABLE not_asked (id INT); DROP TABLE not_asked; CREATE VIEW seen AS SELECT 1 AS a;
BEGIN; INSERT INTO noise (t) VALUES ('mixed'); DELETE FROM parents WHERE id = 1; INSERT INTO noise (t) VALUES ('more'); COMMIT;
ALTER TABLE old_name ADD COLUMN b VARCHAR(9) DEFAULT 'new'; INSERT INTO old_name VALUES (3, 3, 'x');
RENAME TABLE old_name TO aside, aside TO orders_; INSERT INTO orders_ VALUES (4, 4, 'y');
UPDATE children JOIN parents ON children.parent = parents.id SET children.id = children.id + 100, parents.name = 'B' WHERE parents.id = 2;
INSERT INTO audited VALUES (1), (2); ALTER TABLE noise ADD COLUMN later INT;
UPDATE `we``ird,
name` SET c = 'changed'; CREATE TABLE made_like LIKE orders_; INSERT INTO made_like SELECT * FROM orders_;
INSERT INTO part_of VALUES (1, 5), (2, 6); ALTER TABLE parted EXCHANGE PARTITION a WITH TABLE part_of;
CREATE DATABASE w2; CREATE TABLE w2.fresh (id INT PRIMARY KEY); INSERT INTO w2.fresh VALUES (1); USE w2; ALTER TABLE fresh ADD a INT; USE w;
"""
ASKED = ["w.children", "w.orders_", "w.audited", "w.`we``ird,\nname`", "w.made_like", "w.parted", "w2.fresh"]
NAMES = [("w", "children"), ("w", "orders_"), ("w", "audited"), ("w", "we`ird,\nname"), ("w", "made_like"),
         ("w", "parted"), ("w2", "fresh")]  # fmt: skip


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path) -> Iterator[Office]:
    """With an image, and log after it that ends with what nobody wants."""
    load(fresh_server)
    typed(fresh_server, BEFORE)
    office = Office.opened(tmp_path / "office", fresh_server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        typed(fresh_server, AFTER)
        yield office
    finally:
        agent.terminate()
        assert agent.wait(60) == 0


def test_tables_at_a_point(office: Office, tmp_path: Path) -> None:
    server = office.server
    wanted = {name: server.run(f"SELECT * FROM {quoted(*name)} ORDER BY 1") for name in NAMES}
    defined = {name: server.run(f"SHOW CREATE TABLE {quoted(*name)}")[0][1] for name in NAMES}
    # The last binlog holds nothing of these tables.
    server.run("FLUSH BINARY LOGS", "INSERT INTO w.noise (t) VALUES ('nobody asks for it')")
    stop = office.archived()
    server.run("DELETE FROM w.children", "DROP TABLE w.orders_", "DROP DATABASE w2", "TRUNCATE w.audited")
    office.archived()
    with start_server(server.flavour, tmp_path / "rescue") as rescue:
        load(rescue)
        rescue.run("CREATE DATABASE w", "CREATE TABLE w.audited (id INT, theirs INT)", "CREATE TABLE w.log_ (id INT)",
                   "CREATE TRIGGER w.kept AFTER INSERT ON w.audited FOR EACH ROW INSERT INTO w.log_ VALUES (NEW.id)")  # fmt: skip
        before = everything(rescue) | accounts(rescue)
        command = ["restore", "plan.json", "shop", "--to", stop, "--into", rescue.url, "--tables", ",".join(ASKED)]
        refused = office.bkpc(*command, expect=5).text
        assert "holds w.audited" in refused
        assert "--replace w.audited overwrites it" in refused
        unused = office.bkpc(*command, "--replace", "w.audited", "--replace", "w.other", expect=2).text
        assert "--replace w.other: nothing of that name would be overwritten" in unused
        shown = office.bkpc(*command, "--replace", "w.audited", "--dry-run", expect=0).text
        assert "w.audited (overwrites what is there)" in shown
        assert "w.parents" in shown
        assert "noise" not in shown
        same(everything(rescue) | accounts(rescue), before)
        office.bkpc(*command, "--replace", "w.audited", expect=0)
        for name in NAMES:
            assert rescue.run(f"SELECT * FROM {quoted(*name)} ORDER BY 1") == wanted[name], name
            assert rescue.run(f"SHOW CREATE TABLE {quoted(*name)}")[0][1] == defined[name], name
        after = everything(rescue) | accounts(rescue)
        new = {f"table {schema}.{table}" for schema, table in NAMES}
        beside = [*command[:-1], "w.orders_,shop.orders", "--as", "back"]
        office.bkpc(*beside, expect=0)
        assert rescue.run("SELECT * FROM back.orders_ ORDER BY 1") == wanted["w", "orders_"]
        now = {name: one for name, one in everything(rescue).items() if " back" not in name}
        same(now, {name: one for name, one in after.items() if name in now})
        assert "holds back.orders" in office.bkpc(*beside, expect=5).text
        assert "no table w.order_" in office.bkpc(*command[:-1], "w.order_", "--as", "x", expect=2).text
        assert "is no table" in office.bkpc(*command[:-1], "orders", expect=2).text
        same({name: one for name, one in after.items() if name not in {*new, "schema w2"}},
             {name: one for name, one in before.items() if name not in new})  # fmt: skip


def test_what_changed_since(office: Office, tmp_path: Path) -> None:
    server = office.server
    office.archived()
    with start_server(server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        same(everything(rescue), everything(server))
        since = datetime.now(UTC).isoformat()
        time.sleep(1.1)
        typed(
            server,
            """USE w; INSERT INTO orders_ VALUES (9, 9, 'z'); DELETE FROM parents WHERE id = 3; DROP TABLE audit_of;
            CREATE TABLE brand_new (id INT); DROP DATABASE w2; CREATE VIEW shown AS SELECT 1 AS a; ALTER TABLE made_like ADD x INT;
            DROP TRIGGER audits; RENAME TABLE noise TO louder;
            CREATE DATABASE w3; CREATE TABLE w3.brief (id INT); DROP DATABASE w3; CREATE DATABASE w4; DROP DATABASE w4;""",
        )
        office.archived()
        command = ["restore", "plan.json", "shop", "--into", rescue.url, "--changed-since", since]
        before = everything(rescue)
        refused = office.bkpc(*command, expect=5).text
        assert "--replace w.audit_of overwrites it" in refused
        assert "changed too, and not brought back: CREATE ALGORITHM" in refused
        same(everything(rescue), before)
        told = office.bkpc(*command, "--replace", "w", "--replace", "w2", expect=0).text
        assert "w2.fresh is gone at binlog" in told
        assert (
            "schema w2 is gone at that point, and left on the target, where it shows nothing: DROP DATABASE `w2`"
            in told
        )
        assert "w3.brief is gone at binlog" in told
        assert "schema w3 is gone" not in told
        assert "changed too, and not brought back: DROP DATABASE w4" in told
        assert "shop.orders" not in told
        wanted = {name: one for name, one in everything(server).items() if name.startswith("table ")}
        same({name: one for name, one in everything(rescue).items() if name.startswith("table ")}, wanted)
        again = office.bkpc(*command[:-1], (datetime.now(UTC) + timedelta(hours=1)).isoformat(), expect=0).text
        assert "no table of shop changed" in again
        # Rows that a statement changed: the log does not tell which, so that all tables count.
        since = datetime.now(UTC).isoformat()
        time.sleep(1.1)
        typed(
            server,
            """USE w; SET SESSION binlog_format = 'STATEMENT'; INSERT INTO brand_new VALUES (1);
            ALTER TABLE louder RENAME TO quiet; INSERT INTO quiet (t) VALUES ('q');""",
        )
        office.archived()
        told = office.bkpc(*command[:-1], since, "--replace", "w", "--replace", "shop", expect=0).text
        assert "all, because the log holds rows that are changed by statements" in told
        for name in ("w.brand_new", "w.quiet"):
            assert rescue.run(f"SELECT * FROM {name}") == server.run(f"SELECT * FROM {name}"), name


def test_what_is_only_prepared_at_the_point_is_left_out(office: Office, tmp_path: Path) -> None:
    server = office.server
    server.run("CREATE TABLE w.x (id INT PRIMARY KEY)", "INSERT INTO w.x VALUES (1)",
               "XA START 'a\\'b', 'of', 7", "INSERT INTO w.x VALUES (2)", "XA END 'a\\'b', 'of', 7", "XA PREPARE 'a\\'b', 'of', 7")  # fmt: skip
    stop = office.archived()
    server.run("XA COMMIT 'a\\'b', 'of', 7")
    with start_server(server.flavour, tmp_path / "rescue") as rescue:
        command = ["restore", "plan.json", "shop", "--to", stop, "--into", rescue.url]
        told = office.bkpc(*command, "--tables", "w.x", "--as", "back", expect=0).text
        assert "is prepared at that point, and not committed: it is not in the copy" in told
        assert rescue.run("SELECT id FROM back.x") == [(1,)]
        rescue.run("DROP DATABASE back")
        told = office.bkpc(*command, expect=0).text
        (xid,) = re.findall(r"XA transaction (.*) is prepared, as at the source then", told)
        assert rescue.run("SELECT id FROM w.x") == [(1,)]
        rescue.run(f"XA COMMIT {xid}")
        assert rescue.run("SELECT id FROM w.x") == [(1,), (2,)]
