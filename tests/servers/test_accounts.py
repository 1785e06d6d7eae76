"""Users, roles and grants come back; those of the target stay as they are; no hash is ever shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bkpc_runtime.engines.accounts import parse_accounts, read_accounts, write_accounts
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.servers.command_line import Office
from tests.servers.whole import accounts

COMMON = (
    r"CREATE USER 'odd\'quote`tick'@'10.%' IDENTIFIED BY 'first'",
    "CREATE USER carol@'%' IDENTIFIED BY 'carols own' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3",
    "CREATE USER ''@'nowhere'",
    "CREATE USER gone@'%' IDENTIFIED BY 'x'",
    "CREATE ROLE reader, writer",
    "GRANT SELECT ON shop.* TO reader",
    "GRANT INSERT, UPDATE ON shop.* TO writer",
    "GRANT reader TO writer",
    "GRANT writer TO carol@'%'",
    "GRANT SELECT (id), UPDATE (stock) ON shop.products TO carol@'%'",
    "GRANT EXECUTE ON PROCEDURE shop.restock TO carol@'%' WITH GRANT OPTION",
    "CREATE DATABASE `a_b`",
    r"GRANT ALL ON `a\_b`.* TO 'odd\'quote`tick'@'10.%'",
    "CREATE DEFINER = carol@'%' VIEW shop.hers AS SELECT id FROM shop.products",
    "CREATE DEFINER = carol@'%' VIEW shop.on_hers AS SELECT id FROM shop.hers",
    "GRANT SELECT ON shop.on_hers TO reader",
    "CREATE DEFINER = ghost@'%' VIEW shop.nobodys AS SELECT id FROM shop.products",
)
OWN = {
    "mysql": (
        "ALTER USER carol@'%' DEFAULT ROLE writer",
        r"""ALTER USER carol@'%' ATTRIBUTE '{"team": "it\'s\\n-- account {}"}'""",
        "GRANT BACKUP_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO carol@'%' WITH GRANT OPTION",
        "SET GLOBAL partial_revokes = ON",
        "GRANT SELECT ON *.* TO gone@'%'",
        "REVOKE SELECT ON shop.* FROM gone@'%'",
        "CREATE USER twice@'%' IDENTIFIED BY 'one'",
        "ALTER USER twice@'%' IDENTIFIED BY 'two' RETAIN CURRENT PASSWORD",
        "ALTER USER twice@'%' FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 PASSWORD EXPIRE INTERVAL 90 DAY",
    ),
    "mariadb": (
        "SET DEFAULT ROLE writer FOR carol@'%'",
        "GRANT SELECT ON shop.audit TO PUBLIC",
        "CREATE USER twice@'h' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('x') ACCOUNT LOCK",
        "GRANT BINLOG MONITOR ON *.* TO twice@'h' WITH GRANT OPTION",
    ),
}
LATER = (
    "CREATE USER late@'%' IDENTIFIED BY 'after the image'",
    "CREATE TABLE shop.brief (id INT)",
    "GRANT SELECT ON shop.brief TO late@'%'",
    "DROP TABLE shop.brief",
    "GRANT SELECT ON shop.products TO late@'%'",
    "REVOKE UPDATE (stock) ON shop.products FROM carol@'%'",
    "RENAME USER gone@'%' TO went@'%'",
    "CREATE USER kept@'%' IDENTIFIED BY 'the source says'",
)
HASH = re.compile(r"\*[0-9A-F]{40}|0x24412430|\$A\$00")


def own(server: ThrowawayServer) -> list[str]:
    """Of its flavour, but for what older versions don't know."""
    known = server.flavour == "mysql" or server.series >= (10, 11)
    return [one for one in OWN[server.flavour] if known or not one.endswith("TO PUBLIC")]


def test_they_come_back(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    fresh_server.run(*COMMON, *own(fresh_server))
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        fresh_server.run(*LATER)
        office.archived()
        fresh_server.run("CREATE TABLE shop.pressed (id INT PRIMARY KEY) ENGINE = InnoDB ROW_FORMAT = COMPRESSED")
        office.archived()
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        rescue.run("CREATE USER kept@'%' IDENTIFIED BY 'the rescue says'", "GRANT PROCESS ON *.* TO kept@'%'")
        before = accounts(rescue)
        command = ["restore", "plan.json", "shop", "--into", rescue.url]
        if rescue.flavour == "mysql":
            refused = office.bkpc(*command, expect=5).text
            assert "SET GLOBAL partial_revokes = ON" in refused
            rescue.run("SET GLOBAL partial_revokes = ON")
        # One that breaks off in the replay leaves no accounts that the next would take for the target's own.
        rescue.run("SET GLOBAL innodb_file_per_table = OFF")  # so that it can't have a table that is in the log
        assert "made are dropped again" in office.bkpc(*command, expect=4).text
        assert {name: found for name, found in accounts(rescue).items() if found} == before
        rescue.run("SET GLOBAL innodb_file_per_table = ON")
        rescue.run("CREATE USER behind@'%'")  # as if they could not be dropped
        assert "DROP USER or DROP ROLE the accounts that it made, 'behind'@'%'" in office.bkpc(*command, expect=5).text
        rescue.run("DROP USER behind@'%'", *(f"DROP DATABASE {one}" for one in ("shop", "a_b", "bkpc_restore")))
        told = office.bkpc(*command, expect=0).text
        assert not HASH.search(told)
        assert "left as they are on the target: 'root'@" in told
        assert "left out: CREATE USER of 'kept'@'%', which concerns an account that the target had before" in told
        assert "failed: GRANT SELECT of 'late'@'%' (error 1146)" in told
        assert "defined by accounts that are not there: ghost@% (1)" in told
        assert ("second password" in told) == (rescue.flavour == "mysql")
        # MySQL and MariaDB keep a grant on a table that is dropped: `late` has one on the source.
        assert accounts(rescue, "kept", "late") == accounts(fresh_server, "kept", "late")
        assert {name: found for name, found in accounts(rescue).items() if name in before} == before
        with rescue.connect(user="late", password="after the image", host="127.0.0.1") as connection:
            assert connection.open


def test_left_out_when_asked(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    load(fresh_server)
    fresh_server.run(*COMMON)
    office = Office.opened(tmp_path / "office", fresh_server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        before = accounts(rescue)
        told = office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, "--without-accounts", expect=0).text
        assert "users  left out" in told
        assert accounts(rescue) == before
        assert rescue.run("SHOW CREATE VIEW shop.on_hers")
    # MariaDB may write a checkpoint into its log whenever it likes: somebody must archive it.
    agent = office.start("agent", "plan.json")
    try:
        assert "problem" not in office.bkpc("drill", "plan.json", "shop", expect=0).text
    finally:
        agent.terminate()
        agent.wait()


def test_without_encryption_no_password_is_stored(server: ThrowawayServer, tmp_path: Path) -> None:
    server.run("CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'secret'")
    connection = connect(parse_address(server.url))
    try:
        written: list[bytes] = []
        found = read_accounts(connection, server.flavour, passwords=False)
        write_accounts(found.statements, written.append)
    finally:
        connection.close()
    text = b"".join(written)
    assert not HASH.search(text.decode())
    assert parse_accounts(b"SET NAMES utf8mb4;\n" + text) == found.statements
    (words,) = found.lost
    assert "come back locked: the image is not encrypted" in words
    with start_server(server.flavour, tmp_path / "other") as other:
        other.run(*(one.sql.reveal() for one in found.statements if one.account.user == "plain"))
        with pytest.raises(Exception, match=r"locked|Access denied"):
            other.connect(user="plain", host="127.0.0.1", password="")


def test_an_account_that_may_not_read_them_says_so(
    server: ThrowawayServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.flavour == "mariadb":
        return  # there SELECT on everything shows the accounts, and can't be taken back in part
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    server.run("CREATE DATABASE IF NOT EXISTS w", "SET GLOBAL partial_revokes = ON")
    server.run("CREATE USER half@'%'", "GRANT ALL ON *.* TO half@'%'", "REVOKE SELECT ON mysql.* FROM half@'%'")
    source = Source("shop", parse_address(server.url.replace("user=root", "user=half")), Secret(""))
    manifest = take_image(source, [store], [], expected_size=1 << 20)
    assert "user accounts, roles and grants (the backup's account may not read them" in manifest.not_included[0]
