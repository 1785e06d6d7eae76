"""Preflight names every problem at once, and what it asks for is what a backup needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_grammar.plan import Preflight
from bkpc_runtime.mysql import preflight
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.mysql.preflight import Finding
from bkpc_runtime.mysql.preflight_privileges import needed_privileges
from bkpc_runtime.secret import Secret
from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.servers.command_line import PASSWORD, Office
from tests.servers.streaming import position

WANTED = Preflight(database="shop", binlog=True, binlog_expiry_ms=86_400_000, require_tls=False)
ACCOUNT = "'least'@'%'"


@pytest.fixture
def least(server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThrowawayServer]:
    """With an account that may do what preflight asks for, and nothing else."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    server.run("SET GLOBAL sync_binlog = 1", f"CREATE USER {ACCOUNT} IDENTIFIED BY '{PASSWORD}'")
    server.run(f"GRANT {', '.join(privileges(server))} ON *.* TO {ACCOUNT}", "CREATE DATABASE IF NOT EXISTS something")
    yield server
    server.run(f"DROP USER {ACCOUNT}")


def privileges(server: ThrowawayServer) -> tuple[str, ...]:
    with server.connect() as connection:
        return needed_privileges(read_facts(connection), stream=True)


def findings(server: ThrowawayServer, wanted: Preflight = WANTED) -> list[Finding]:
    address = parse_address(server.url.replace("user=root", "user=least"))
    connection = connect(address, Secret(PASSWORD))
    try:
        return preflight.look(connection, read_facts(connection), wanted)
    finally:
        connection.close()


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
        end = position(fresh_server)
        for _ in range(200):
            shown = office.bkpc("list", "plan.json").text
            if f"log to {end.text}" in shown:
                break
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    assert f"log to {end.text}" in shown
    listed = office.bkpc("verify", "plan.json", expect=0).text
    assert "shop" in listed
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        for what in ("PROCEDURE shop.restock", "EVENT shop.forget_audit", "VIEW shop.best_sellers"):
            assert rescue.run(f"SHOW CREATE {what}")
        assert rescue.run("SELECT COUNT(*) FROM shop.audit WHERE what = 'logged'") == [(1,)]


def test_a_server_as_it_must_be_has_no_findings(least: ThrowawayServer) -> None:
    assert findings(least) == []


def test_every_privilege_that_lacks_is_named_with_its_grant(least: ThrowawayServer) -> None:
    for privilege in privileges(least):
        least.run(f"REVOKE {privilege} ON *.* FROM {ACCOUNT}")
        (found,) = findings(least)
        assert (found.kind, found.mend) == ("problem", (f"GRANT {privilege} ON *.* TO {ACCOUNT};",))
        assert privilege in found.text
        least.run(found.mend[0].rstrip(";"))
    assert findings(least) == []


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


def test_a_plaintext_connection_is_named_when_it_must_not_be(least: ThrowawayServer) -> None:
    wanted = Preflight(database="shop", binlog=True, binlog_expiry_ms=0, require_tls=True)
    address = parse_address(least.tcp_url("least", ssl_mode="disabled"))
    connection = connect(address, Secret(PASSWORD))
    try:
        (found,) = preflight.look(connection, read_facts(connection), wanted)
    finally:
        connection.close()
    assert (found.kind, found.text) == ("problem", "the connection is plaintext; the policy says `encrypt transfer`")


def test_tools_that_are_missing_are_named_with_their_package(
    least: ThrowawayServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(least)
    assert len(found) == 3
    assert all("apt-get install" in one.mend[0] for one in found)


def test_a_server_without_a_log_is_no_use_to_a_stream(server: ThrowawayServer, tmp_path: Path) -> None:
    with start_server(server.flavour, tmp_path / "other", **{"skip-log-bin": True, "log-bin": None}) as other:
        office = Office.opened(tmp_path / "office", other)
        done = office.bkpc("preflight", "plan.json", expect=1).text
        assert "problem: the server writes no binary log" in done
        assert done.count("problem:") == 2  # and no schema
        assert "problem" in office.bkpc("apply", "plan.json", "--yes", expect=1).text
        assert not list((office.folder / "backups").glob("shop/**/*"))


def test_a_server_without_a_number_is_named_where_that_matters(server: ThrowawayServer, tmp_path: Path) -> None:
    """MariaDB takes 0 for 1."""
    with start_server(server.flavour, tmp_path / "other", server_id=0, sync_binlog=1) as other:
        office = Office.opened(tmp_path / "office", other)
        other.run("CREATE DATABASE something")
        done = office.bkpc("preflight", "plan.json")
        assert (done.code, "SET PERSIST server_id = 1;" in done.text) == (
            (1, True) if other.flavour == "mysql" else (0, False)
        )
