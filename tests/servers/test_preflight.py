"""Preflight names every problem at once, and what it asks for is what a backup needs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bkpc_grammar.plan import Preflight
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql import preflight
from bkpc_runtime.mysql.address import Address, parse_address
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import current_position, read_facts
from bkpc_runtime.mysql.preflight_privileges import needed_privileges
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.repository.manifest import Inventory
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import backup
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.servers.command_line import PASSWORD, Office

WANTED = Preflight(database="shop", binlog=True, binlog_expiry_ms=86_400_000, require_tls=False)
ACCOUNT = "'least'@'%'"


@pytest.fixture
def least(server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThrowawayServer]:
    """With an account that may do what preflight asks for, and nothing else."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    monkeypatch.setenv("LEAST_PASSWORD", PASSWORD)
    server.run("SET GLOBAL sync_binlog = 1", f"CREATE USER {ACCOUNT} IDENTIFIED BY '{PASSWORD}'")
    server.run(f"GRANT {', '.join(privileges(server))} ON *.* TO {ACCOUNT}", "CREATE DATABASE IF NOT EXISTS something")
    yield server
    server.run(f"DROP USER {ACCOUNT}")


def address(server: ThrowawayServer) -> Address:
    return parse_address(server.url.replace("user=root", "user=least&password-env=LEAST_PASSWORD"))


def privileges(server: ThrowawayServer) -> tuple[str, ...]:
    with server.connect() as connection:
        return needed_privileges(read_facts(connection), stream=True)


def findings(server: ThrowawayServer) -> list[Finding]:
    return looked(address(server))


def looked(at: Address, wanted: Preflight = WANTED) -> list[Finding]:
    connection = connect(at)
    try:
        return preflight.look(connection, read_facts(connection), wanted)
    finally:
        connection.close()


def test_a_password_in_any_script_logs_in_as_with_the_servers_own_client(
    least: ThrowawayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = "\u5bc6\u7801 \u00e4\\\"'#;\U0001f511"
    monkeypatch.setenv("LEAST_PASSWORD", word)
    with least.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET NAMES utf8mb4")
        cursor.execute(f"ALTER USER {ACCOUNT} IDENTIFIED BY {connection.escape(word)}")
    connect(address(least)).close()
    flavour = least.flavour
    with client_options(address(least), flavour) as options:
        command = [find_tool(flavour, "client"), f"--defaults-file={options}", "-e", "SELECT 1"]
        subprocess.run(command, check=True, capture_output=True)


def test_what_it_asks_for_is_enough_for_an_image_and_the_log(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    fresh_server.run("SET GLOBAL sync_binlog = 1", "DROP USER 'backup'@'%'")
    fresh_server.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'")
    asked = office.bkpc("preflight", "plan.json", expect=1).text
    (grant,) = [line.strip() for line in asked.splitlines() if line.strip().startswith("GRANT")]
    fresh_server.run(grant.rstrip(";"))
    assert office.bkpc("preflight", "plan.json", expect=0).text.endswith("no problems, no warnings\n")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        fresh_server.run("INSERT INTO shop.audit (what) VALUES ('logged')")
        office.archived()
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    listed = office.bkpc("verify", "plan.json", expect=0).text
    assert "shop" in listed
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        for what in ("PROCEDURE shop.restock", "EVENT shop.forget_audit", "VIEW shop.best_sellers"):
            assert rescue.run(f"SHOW CREATE {what}")
        assert rescue.run("SELECT COUNT(*) FROM shop.audit WHERE what = 'logged'") == [(1,)]


def test_a_server_as_it_must_be_has_no_findings(least: ThrowawayServer) -> None:
    assert findings(least) == []


def test_more_tables_than_proofs_count_on_are_told(least: ThrowawayServer) -> None:
    def counted(tables: int) -> list[Finding]:
        connection = connect(address(least))
        try:
            return preflight.look(connection, read_facts(connection), WANTED, tables=tables)
        finally:
            connection.close()

    (schemas,) = least.run(f"SELECT COUNT(*) FROM information_schema.schemata WHERE {not_system('schema_name')}")
    least.run("CREATE DATABASE many", "CREATE TABLE many.one (a INT)", "CREATE VIEW many.seen AS SELECT 1")
    try:
        least.run("CREATE TABLE many.two (a INT)")
        assert counted(schemas[0] + 3) == []
        (found,) = counted(schemas[0] + 2)
        assert found.kind == "warning"
        assert found.text.startswith(f"{schemas[0] + 3} tables and schemas, {schemas[0] + 2} are counted on")
        assert found.mend == (f"in the policy's database block: tables {schemas[0] + 3}",)
    finally:
        least.run("DROP DATABASE many")


def test_under_a_lock_an_image_begins_a_binlog_of_its_own(least: ThrowawayServer) -> None:
    def under_lock() -> list[Finding]:
        connection = connect(address(least))
        try:
            return preflight.look(connection, read_facts(connection), WANTED, rotates=True)
        finally:
            connection.close()

    (found,) = under_lock()
    assert found.kind == "problem"
    assert "RELOAD on all schemas; each image must begin a binlog of its own" in found.text
    assert found.mend == (f"GRANT RELOAD ON *.* TO {ACCOUNT};",)
    least.run(found.mend[0].rstrip(";"))
    assert under_lock() == []


def test_every_privilege_that_lacks_is_named_with_its_grant(least: ThrowawayServer) -> None:
    for privilege in privileges(least):
        least.run(f"REVOKE {privilege} ON *.* FROM {ACCOUNT}")
        (found,) = findings(least)
        assert (found.kind, found.mend) == ("problem", (f"GRANT {privilege} ON *.* TO {ACCOUNT};",))
        assert privilege in found.text
        least.run(found.mend[0].rstrip(";"))
    assert findings(least) == []


def test_it_asks_for_nothing_that_a_backup_can_do_without(
    least: ThrowawayServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any one privilege the image fails or lacks something, or the log can't be had."""
    load(least)
    monkeypatch.setattr(backup, "privileges", lambda *_, **__: ())
    whole = imaged(least, store)
    assert whole
    assert sends_log(least)
    for privilege in privileges(least):
        least.run(f"REVOKE {privilege} ON *.* FROM {ACCOUNT}")
        assert imaged(least, store) != whole or not sends_log(least), f"{privilege} is not needed"
        least.run(f"GRANT {privilege} ON *.* TO {ACCOUNT}")


def imaged(server: ThrowawayServer, store: Store) -> tuple[Inventory, ...] | None:
    """What an image by the account holds; None where there is none."""
    source = backup.Source("shop", address(server), Secret(PASSWORD))
    try:
        return backup.take_image(source, [store], [], expected_size=1 << 20).inventory
    except RuntimeFailure:
        return None


def sends_log(server: ThrowawayServer) -> bool:
    """Whether the server gives its log to the account."""
    connection = connect(address(server))
    try:
        facts = read_facts(connection)
        return bool(first_event(connection, facts, current_position(connection, facts).file))
    except RuntimeFailure:
        return False
    finally:
        connection.close()


def test_privileges_of_an_active_role_count(least: ThrowawayServer) -> None:
    least.run("CREATE ROLE keeper", f"GRANT {', '.join(privileges(least))} ON *.* TO keeper")
    least.run(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {ACCOUNT}", f"GRANT keeper TO {ACCOUNT}")
    try:
        (found,) = findings(least)
        assert "its role `keeper`" in found.text
        assert found.mend[0].startswith("SET DEFAULT ROLE `keeper`")
        least.run(found.mend[0].rstrip(";"))
        assert findings(least) == []
        least.run("REVOKE EVENT ON *.* FROM keeper")
        (found,) = findings(least)
        assert found.mend == (f"GRANT EVENT ON *.* TO {ACCOUNT};",)
    finally:
        least.run("DROP ROLE keeper")


def test_settings_that_break_a_promise_are_named_with_what_mends_them(least: ThrowawayServer) -> None:
    broken = {
        "binlog_format": "'STATEMENT'",
        "binlog_row_image": "'MINIMAL'",
        "binlog_expire_logs_seconds": "3600",
        "sync_binlog": "0",
    }
    before = {name: least.run(f"SELECT @@GLOBAL.{name}")[0][0] for name in broken}
    least.run(*(f"SET GLOBAL {name} = {value}" for name, value in broken.items()))
    try:
        found = findings(least)
        assert [one.kind for one in found] == ["problem", "warning", "problem", "warning"]
        for name, one in zip(broken, found, strict=True):
            assert name in one.mend[0]
            least.run(one.mend[0].rstrip(";"))
        assert findings(least) == []
    finally:
        for name, value in before.items():
            least.run(f"SET GLOBAL {name} = {value!r}")
            if least.flavour == "mysql":
                least.run(f"RESET PERSIST IF EXISTS {name}")


def test_tables_outside_the_snapshot_are_named(least: ThrowawayServer) -> None:
    least.run("CREATE DATABASE m", "CREATE TABLE m.`old``one` (id INT) ENGINE = MyISAM")
    try:
        (found,) = findings(least)
        assert (found.kind, found.mend) == ("warning", ("ALTER TABLE `m`.`old``one` ENGINE = InnoDB;",))
        least.run(found.mend[0].rstrip(";"))
        assert findings(least) == []
    finally:
        least.run("DROP DATABASE m")


def test_columns_that_are_rounded_are_named(least: ThrowawayServer) -> None:
    least.run("CREATE DATABASE m", "CREATE TABLE m.t (id INT PRIMARY KEY, f FLOAT, d DOUBLE)")
    try:
        (found,) = findings(least)
        assert (found.kind, "FLOAT columns: m.t.f; " in found.text) == ("warning", True)
        for key, named in (
            ("", True),
            (", UNIQUE KEY (id)", True),
            (", PRIMARY KEY (f), UNIQUE KEY (g)", True),
            (", KEY (g)", True),
            (", UNIQUE KEY (g)", False),
            (", UNIQUE KEY (g, id), UNIQUE KEY (g)", False),
            (", UNIQUE KEY (g, f)", True),
        ):
            least.run("DROP TABLE m.t", f"CREATE TABLE m.t (id INT, g INT NOT NULL, f FLOAT{key})")
            lost = [one.text for one in findings(least) if one.kind == "problem"]
            assert any("tables without a primary key: m.t; " in one for one in lost) == named, key
    finally:
        least.run("DROP DATABASE m")


def test_a_plaintext_connection_is_named_when_it_must_not_be(least: ThrowawayServer) -> None:
    wanted = Preflight(database="shop", binlog=True, binlog_expiry_ms=0, require_tls=True)
    at = parse_address(least.tcp_url("least", ssl_mode="disabled", password_env="LEAST_PASSWORD"))
    (found,) = looked(at, wanted)
    assert (found.kind, found.text) == ("problem", "the connection is plaintext; the policy says `encrypt transfer`")


def test_tools_that_are_missing_are_named_with_their_package(
    least: ThrowawayServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(least)
    assert len(found) == 3
    assert all("apt-get install" in one.mend[0] for one in found)


def test_programs_that_do_not_fit_the_server_are_named(
    least: ThrowawayServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mysql = least.flavour == "mysql"
    dump, client = ("mysqldump", "mysql") if mysql else ("mariadb-dump", "mariadb")
    older = ("8.0.20" if least.series < (8, 2) else "8.0.40") if mysql else "10.5.1"
    program(tmp_path / dump, f"echo {f'Ver {older}' if mysql else f'Ver 10.19 Distrib {older}-MariaDB'}")
    program(tmp_path / client, "echo a library is missing >&2; exit 127")
    monkeypatch.setenv("BKPC_MYSQL_BIN", f"{tmp_path}:{least.bin}")
    old, broken = findings(least)
    assert old.kind == ("problem" if mysql else "warning")
    assert old.text.startswith(f"{tmp_path / dump} is of version {older}, the server of ")
    assert (broken.kind, broken.text) == ("problem", f"{tmp_path / client} does not run: a library is missing")


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_all_problems_of_a_server_at_once(server: ThrowawayServer, tmp_path: Path) -> None:
    mysql = server.flavour == "mysql"
    updates = "log_replica_updates" if mysql else "log_slave_updates"
    with start_server(
        server.flavour, tmp_path / "other",
        **{updates: "OFF", "binlog_ignore_db": "cache", "binlog_format": "STATEMENT", "binlog_row_image": "MINIMAL"},
        binlog_expire_logs_seconds=3600, server_id=7,
    ) as other:  # fmt: skip
        office = Office.opened(tmp_path / "office", other)
        other.run(
            "REVOKE EVENT, SELECT ON *.* FROM 'backup'@'%'",
            "GRANT SELECT ON shop.* TO 'backup'@'%'",
            "CREATE DATABASE shop",
            "CREATE TABLE shop.old (id INT) ENGINE = MyISAM",
            *REPLICA[other.flavour],
        )
        asked = office.bkpc("preflight", "plan.json", expect=1).text
        version = other.run("SELECT VERSION()")[0][0]
        assert asked == EXPECTED[other.flavour].format(version=version, port=other.port)
        statements = [line.strip().rstrip(";") for line in asked.splitlines() if line.endswith(";")]
        other.run(*statements)
        left = office.bkpc("preflight", "plan.json", expect=1).text
        assert [line for line in left.splitlines() if "m: " in line or "g: " in line] == [
            "  problem: binlog_ignore_db = cache: the binary log leaves changes out, which then can't be recovered",
            f"  problem: the server is a replica with {updates} off: its log lacks what comes from its source",
        ]


REPLICA = {
    "mysql": ("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1",),
    "mariadb": ("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1", "START SLAVE"),
}
MYSQL = """\
shop  mysql {version} at 127.0.0.1:{port}
  problem: 'backup'@'%' lacks SELECT and EVENT on all schemas
    GRANT SELECT, EVENT ON *.* TO 'backup'@'%';
  problem: binlog_format is STATEMENT: statements may give other rows when they are replayed
    SET PERSIST binlog_format = 'ROW';
    connections that are open keep the old setting: let applications connect again
  warning: binlog_row_image is MINIMAL: the log does not show whole rows
    SET PERSIST binlog_row_image = 'FULL';
    connections that are open keep the old setting: let applications connect again
  problem: the server drops its log after 3600 s; \
the plan needs 172800 s, twice the time between images: so long may the stream be away
    SET PERSIST binlog_expire_logs_seconds = 172800;
  warning: sync_binlog is not 1: after a power failure the log may lack what was committed
    SET PERSIST sync_binlog = 1;
  problem: binlog_ignore_db = cache: the binary log leaves changes out, which then can't be recovered
    remove binlog_ignore_db from the server's configuration and restart it
  problem: the server is a replica with log_replica_updates off: its log lacks what comes from its source
    in the server's configuration, below [mysqld]: log_replica_updates = ON; restart the server
  warning: not transactional: shop.old (MyISAM); \
their rows are not of the image's moment if something writes to them meanwhile
    ALTER TABLE `shop`.`old` ENGINE = InnoDB;
disk  directory backups  ready
5 problems, 3 warnings
"""
MARIADB = """\
shop  mariadb {version} at 127.0.0.1:{port}
  problem: 'backup'@'%' lacks SELECT and EVENT on all schemas
    GRANT SELECT, EVENT ON *.* TO 'backup'@'%';
  problem: binlog_format is STATEMENT: statements may give other rows when they are replayed
    SET GLOBAL binlog_format = 'ROW';
    and in the server's configuration, below [mysqld]: binlog_format = ROW
    connections that are open keep the old setting: let applications connect again
  warning: binlog_row_image is MINIMAL: the log does not show whole rows
    SET GLOBAL binlog_row_image = 'FULL';
    and in the server's configuration, below [mysqld]: binlog_row_image = FULL
    connections that are open keep the old setting: let applications connect again
  problem: the server drops its log after 3600 s; \
the plan needs 172800 s, twice the time between images: so long may the stream be away
    SET GLOBAL binlog_expire_logs_seconds = 172800;
    and in the server's configuration, below [mysqld]: binlog_expire_logs_seconds = 172800
  warning: sync_binlog is not 1: after a power failure the log may lack what was committed
    SET GLOBAL sync_binlog = 1;
    and in the server's configuration, below [mysqld]: sync_binlog = 1
  problem: binlog_ignore_db = cache: the binary log leaves changes out, which then can't be recovered
    remove binlog_ignore_db from the server's configuration and restart it
  problem: the server is a replica with log_slave_updates off: its log lacks what comes from its source
    in the server's configuration, below [mysqld]: log_slave_updates = ON; restart the server
  warning: not transactional: shop.old (MyISAM); \
their rows are not of the image's moment if something writes to them meanwhile
    ALTER TABLE `shop`.`old` ENGINE = InnoDB;
disk  directory backups  ready
5 problems, 3 warnings
"""
EXPECTED = {"mysql": MYSQL, "mariadb": MARIADB}


@pytest.fixture
def office(server: ThrowawayServer, tmp_path: Path) -> Iterator[Office]:
    """With the account `backup`, which may do all."""
    yield Office.opened(tmp_path / "office", server)
    server.run("DROP USER 'backup'@'%'")


def test_what_is_away_hides_nothing_else(office: Office) -> None:
    server = office.server
    server.run("SET GLOBAL sync_binlog = 1", "CREATE DATABASE IF NOT EXISTS something")
    office.write(ESTATE.format(port=server.port, recipient=office.recipient))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    version = server.run("SELECT VERSION()")[0][0]
    asked = office.bkpc("preflight", "plan.json", expect=1, WRONG_PASSWORD="not it")
    assert asked.text == AWAY.format(
        flavour=server.flavour, version=version, port=server.port, folder=office.folder.resolve()
    )


ESTATE = """\
edition 1

site here {{ region "local" }}
store disk at here {{ directory "backups" }}
store shelf at here {{ directory "no/such/place" }}

database crm at here {{
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}
database forum at here {{
  mysql "127.0.0.1:{port}"
  credentials env NOBODY_SET, NOBODY_SET_THAT
  size 1GiB  writes 100MiB/h
}}
database hr at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, WRONG_PASSWORD
  size 1GiB  writes 100MiB/h
}}
database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}

policy basic {{
  promise against corruption {{ rpo 10s  rto 1h }}
  full daily at 02:00 within 1h to disk
  hot  to disk, shelf every 2s
  keep 14d
  recover by timepoint, files
  encrypt rest to "{recipient}"
}}

protect crm, forum, hr, shop with basic
"""
AWAY = """\
crm  127.0.0.1:1
  problem: cannot reach backup@127.0.0.1:1: Connection refused
    is the server running there?
forum  127.0.0.1:{port}
  problem: the environment has no NOBODY_SET and no NOBODY_SET_THAT, which database `forum` needs
    export NOBODY_SET=… before running bkpc
hr  127.0.0.1:{port}
  problem: backup@127.0.0.1:{port} refused the login: \
wrong user or password, or this user may not come from this host
    check the user, and the variable or file that holds the password
shop  {flavour} {version} at 127.0.0.1:{port}  ready
disk  directory backups  ready
shelf  directory no/such/place
  problem: store `shelf`: {folder}/no/such does not exist
    create it or mount it: mkdir -p {folder}/no/such
4 problems, no warnings
"""


def test_a_store_that_is_full_is_named(office: Office) -> None:
    command = ["prlimit", "--fsize=2", *office.command("preflight", "plan.json")]
    done = subprocess.run(command, cwd=office.folder, env=office.environ, check=False, text=True, capture_output=True)
    assert done.returncode == 1
    assert "store `disk`" in done.stdout
    assert "free space or move the store" in done.stdout


def test_a_server_without_log_or_number_is_no_use_to_a_stream(server: ThrowawayServer, tmp_path: Path) -> None:
    """MariaDB takes number 0 for 1."""
    options: dict[str, str | int | bool | None] = {"skip-log-bin": True, "log-bin": None, "server-id": 0}
    with start_server(server.flavour, tmp_path / "other", **options) as other:
        office = Office.opened(tmp_path / "office", other)
        asked = office.bkpc("preflight", "plan.json", expect=1).text
        assert [line for line in asked.splitlines() if "problem: " in line] == [
            "  problem: the server writes no binary log: nothing between images can be recovered",
            *(["  problem: server_id is 0: the server sends its log to nobody"] if other.flavour == "mysql" else []),
            "  problem: the server has no schema but its own: there is nothing to take an image of",
        ]
        refused = office.bkpc("apply", "plan.json", "--yes", expect=1).text
        assert "problem: the server writes no binary log" in refused
        assert not list((office.folder / "backups").glob("shop/**/*"))


def test_odd_names_are_granted_as_they_are(least: ThrowawayServer) -> None:
    for name in ("o'brien", "back\\slash", 'quo"ted', "名"):
        least.run(f"CREATE USER {literal(name)}@'localhost'")
        try:
            (found,) = (one for one in looked(replace(address(least), user=name, password_env="")) if one.mend)
            least.run(found.mend[0].rstrip(";"))
            assert looked(replace(address(least), user=name, password_env="")) == [], name
        finally:
            least.run(f"DROP USER {literal(name)}@'localhost'")


def literal(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def test_a_schema_kept_from_the_account_is_named(least: ThrowawayServer) -> None:
    if least.flavour == "mariadb":
        return  # which has no partial revokes
    least.run("CREATE DATABASE `pay``roll`", "SET GLOBAL partial_revokes = ON")
    try:
        least.run(f"REVOKE SELECT ON mysql.* FROM {ACCOUNT}")
        (found,) = findings(least)
        assert (found.kind, found.mend) == ("warning", (f"GRANT SELECT ON `mysql`.* TO {ACCOUNT};",))
        assert "images will lack users, roles and grants" in found.text
        least.run(found.mend[0].rstrip(";"))
        assert findings(least) == []
        least.run(f"REVOKE SELECT, EVENT ON `pay``roll`.* FROM {ACCOUNT}")
        (found,) = findings(least)
        assert "on `pay``roll`: it would be missing from images" in found.text
        least.run(found.mend[0].rstrip(";"))
        assert findings(least) == []
    finally:
        least.run("DROP DATABASE `pay``roll`")
