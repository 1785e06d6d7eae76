"""What is judged from a server's settings and grants alone."""

from __future__ import annotations

import pytest

from bkpc_grammar.plan import Preflight
from bkpc_runtime.mysql.flavour import Flavour, ServerFacts
from bkpc_runtime.mysql.preflight import binlog_findings, version_findings
from bkpc_runtime.mysql.preflight_privileges import missing_privileges, needed_privileges, withheld_privileges
from bkpc_runtime.mysql.preflight_tools import outdated

DAY = 86_400_000
WANTED = Preflight(database="shop", binlog=True, binlog_expiry_ms=2 * DAY, require_tls=False)


def facts(
    flavour: Flavour = "mysql", version: tuple[int, int, int] | None = None, log_bin: bool = True, **variables: str
) -> ServerFacts:
    """A server as it must be, but for `variables`."""
    number = version or ((9, 7, 4) if flavour == "mysql" else (10, 11, 19))
    return ServerFacts(
        flavour=flavour,
        version=number,
        version_text=".".join(map(str, number)),
        identity="one",
        server_id=int(variables.get("server_id", "1")),
        log_bin=log_bin,
        binlog_format=variables.get("binlog_format", "ROW"),
        row_image=variables.get("binlog_row_image", "FULL"),
        checksum="CRC32",
        gtid="",
        expire_seconds=int(variables.get("binlog_expire_logs_seconds", "0")),
        variables=tuple(sorted(({"sync_binlog": "1"} | variables).items())),
    )


def said(server: ServerFacts, wanted: Preflight = WANTED) -> list[str]:
    """Findings as the command prints them."""
    return [
        line
        for one in binlog_findings(server, wanted)
        for line in (f"{one.kind}: {one.text}", *(f"  {mend}" for mend in one.mend))
    ]


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_a_server_as_it_must_be(flavour: Flavour) -> None:
    assert said(facts(flavour)) == []
    assert list(version_findings(facts(flavour))) == []


def test_every_setting_at_once_on_mysql() -> None:
    server = facts(
        log_bin=False, server_id="0", binlog_format="MIXED", binlog_row_image="NOBLOB",
        binlog_expire_logs_seconds="172799", sync_binlog="0", binlog_transaction_compression="ON",
    )  # fmt: skip
    assert said(server) == [
        "problem: the server writes no binary log: nothing between images can be recovered",
        "  in the server's configuration, below [mysqld]: remove skip_log_bin and disable_log_bin; restart the server",
        "problem: server_id is 0: the server sends its log to nobody",
        "  SET PERSIST server_id = 1;",
        "problem: binlog_format is MIXED: statements may give other rows when they are replayed",
        "  SET PERSIST binlog_format = 'ROW';",
        "  connections that are open keep the old setting: let applications connect again",
        "warning: binlog_row_image is NOBLOB: the log does not show whole rows",
        "  SET PERSIST binlog_row_image = 'FULL';",
        "  connections that are open keep the old setting: let applications connect again",
        (
            "problem: the server drops its log after 172799 s; the plan needs 172800 s, twice the time between images: "
            "so long may the stream be away"
        ),
        "  SET PERSIST binlog_expire_logs_seconds = 172800;",
        "warning: sync_binlog is not 1: after a power failure the log may lack what was committed",
        "  SET PERSIST sync_binlog = 1;",
        "warning: binlog_transaction_compression is ON: `bkpc log --find` does not see rows in such transactions",
        "  SET PERSIST binlog_transaction_compression = 'OFF';",
        "  connections that are open keep the old setting: let applications connect again",
    ]


def test_a_setting_of_mariadb_is_kept_over_a_restart() -> None:
    assert said(facts("mariadb", sync_binlog="0", max_binlog_total_size="1048576")) == [
        "warning: max_binlog_total_size is 1048576: beyond so many bytes the server drops log, however new it is",
        "  SET GLOBAL max_binlog_total_size = 0;",
        "  and in the server's configuration, below [mysqld]: max_binlog_total_size = 0",
        "warning: sync_binlog is not 1: after a power failure the log may lack what was committed",
        "  SET GLOBAL sync_binlog = 1;",
        "  and in the server's configuration, below [mysqld]: sync_binlog = 1",
    ]


def test_a_plan_without_a_stream_wants_nothing_of_the_log() -> None:
    wanted = Preflight(database="shop", binlog=False, binlog_expiry_ms=0, require_tls=False)
    assert said(facts(log_bin=False, binlog_format="STATEMENT", sync_binlog="0"), wanted) == []


@pytest.mark.parametrize(
    ("seconds", "purges", "enough"),
    [("172800", "ON", True), ("172799", "ON", False), ("0", "ON", True), ("60", "OFF", True)],
)
def test_a_log_is_kept_long_enough(seconds: str, purges: str, enough: bool) -> None:
    server = facts(binlog_expire_logs_seconds=seconds, binlog_expire_logs_auto_purge=purges)
    assert (said(server) == []) == enough


def test_rows_without_repeated_columns_are_whole() -> None:
    assert said(facts("mariadb", binlog_row_image="FULL_NODUP")) == []


@pytest.mark.parametrize(
    ("flavour", "version", "known"),
    [
        ("mysql", (5, 7, 44), False),
        ("mysql", (8, 0, 11), True),
        ("mariadb", (10, 5, 9), False),
        ("mariadb", (10, 6, 0), True),
    ],
)
def test_versions(flavour: Flavour, version: tuple[int, int, int], known: bool) -> None:
    assert (list(version_findings(facts(flavour, version))) == []) == known


IMAGE = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")


@pytest.mark.parametrize(
    ("server", "stream", "needed"),
    [
        (facts("mysql"), True, (*IMAGE, "FLUSH_TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE")),
        (facts("mysql"), False, (*IMAGE, "FLUSH_TABLES", "REPLICATION CLIENT")),
        (facts("mysql", log_bin=False), False, IMAGE),
        (facts("mysql", log_bin=False), True, (*IMAGE, "FLUSH_TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE")),
        (facts("mysql", (8, 0, 22)), False, (*IMAGE, "RELOAD", "REPLICATION CLIENT")),
        (facts("mariadb"), True, (*IMAGE, "BINLOG MONITOR", "REPLICATION SLAVE")),
        (facts("mariadb"), False, IMAGE),
    ],
)
def test_what_is_needed(server: ServerFacts, stream: bool, needed: tuple[str, ...]) -> None:
    assert needed_privileges(server, stream=stream) == needed


def test_under_a_lock_an_image_must_begin_a_binlog() -> None:
    least = (*IMAGE, "BINLOG MONITOR", "REPLICATION SLAVE", "RELOAD")
    assert needed_privileges(facts("mariadb"), stream=True, rotates=True) == least


def test_binlogs_smaller_than_proofs_count_on() -> None:
    assert said(facts("mysql", max_binlog_size="16777216")) == []
    assert said(facts("mysql", max_binlog_size="4096")) == [
        "warning: max_binlog_size is 4096: to read so many small files of log takes longer than is proved",
        "  SET PERSIST max_binlog_size = 16777216;",
    ]


@pytest.mark.parametrize(
    ("grants", "needed", "missing"),
    [
        (["GRANT SELECT, RELOAD ON *.* TO `x`@`%`", "GRANT FLUSH_TABLES ON *.* TO `x`@`%`"], ["FLUSH_TABLES"], []),
        (["GRANT SELECT, RELOAD ON *.* TO `x`@`%`"], ["SELECT", "FLUSH_TABLES"], []),
        (["GRANT SUPER ON *.* TO `x`@`%`"], ["REPLICATION CLIENT", "BINLOG MONITOR"], []),
        (["GRANT SUPER ON *.* TO `x`@`%`"], ["REPLICATION SLAVE"], ["REPLICATION SLAVE"]),
        (["GRANT ALL PRIVILEGES ON *.* TO `x`@`%` IDENTIFIED BY PASSWORD '*A'"], ["SELECT", "EVENT"], []),
        (["GRANT ALL PRIVILEGES ON `shop`.* TO `x`@`%`"], ["SELECT"], ["SELECT"]),
        (["GRANT USAGE ON *.* TO `x`@`%`", "GRANT SELECT ON *.* TO PUBLIC"], ["SELECT"], []),
        (["GRANT SELECT (`a`, `b`) ON `s`.`t` TO `x`@`%`"], ["SELECT"], ["SELECT"]),
        (["GRANT `select`@`%` TO `x`@`%`"], ["SELECT"], ["SELECT"]),
        ([], ["TRIGGER", "EVENT"], ["TRIGGER", "EVENT"]),
    ],
)
def test_what_grants_give(grants: list[str], needed: list[str], missing: list[str]) -> None:
    assert missing_privileges(grants, needed) == missing


def test_partial_revokes_count_where_images_look() -> None:
    grants = [
        "GRANT SELECT ON *.* TO `x`@`%`",
        "REVOKE SELECT, INSERT ON `mysql`.* FROM `x`@`%`",
        "REVOKE INSERT ON `logs`.* FROM `x`@`%`",
        "REVOKE INSERT, SELECT ON `pay``roll`.* FROM `x`@`%`",
    ]
    assert list(withheld_privileges(grants, ["SELECT", "EVENT"])) == [(["SELECT"], "`pay``roll`")]


@pytest.mark.parametrize(
    ("server", "kind", "version", "judged"),
    [
        (facts("mysql"), "dump", (9, 7, 0), None),
        (facts("mysql", (8, 0, 40)), "dump", (8, 4, 0), None),
        (facts("mysql"), "dump", (9, 1, 0), "warning"),
        (facts("mysql"), "dump", (8, 0, 40), "problem"),
        (facts("mysql", (8, 0, 40)), "dump", (8, 0, 25), "problem"),
        (facts("mysql"), "client", (8, 0, 25), "warning"),
        (facts("mariadb"), "dump", (10, 6, 1), "warning"),
        (facts("mariadb"), "dump", (11, 4, 2), None),
    ],
)
def test_programs_older_than_the_server(
    server: ServerFacts, kind: str, version: tuple[int, int, int], judged: str | None
) -> None:
    why = outdated(server, kind, version)
    assert (why[0] if why else None) == judged
