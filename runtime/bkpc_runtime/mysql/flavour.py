"""What a server is: flavour, version, identity, and how it writes its binlog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query, query_within

Flavour = Literal["mysql", "mariadb"]


@dataclass(frozen=True, slots=True)
class Position:
    """A byte offset in a binlog file of the server."""

    file: str
    offset: int

    @property
    def text(self) -> str:
        return f"{self.file}:{self.offset}" if self.file else "no log position"


@dataclass(frozen=True, slots=True)
class BinlogFile:
    """One binlog the server still has; `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Settings of one server as read at one moment. `identity` keys its repository folder."""

    flavour: Flavour
    version: tuple[int, int, int]
    version_text: str
    identity: str
    server_id: int
    log_bin: bool
    binlog_format: str
    row_image: str
    checksum: str
    gtid: str
    expire_seconds: int
    variables: tuple[tuple[str, str], ...]

    def variable(self, name: str, default: str = "") -> str:
        """A global variable's value."""
        return dict(self.variables).get(name, default)


def read_facts(connection: Connection[Any]) -> ServerFacts:
    """Asks a server what it is."""
    variables = {str(name): str(value) for name, value in query(connection, "SHOW GLOBAL VARIABLES")}
    version = variables["version"]
    flavour: Flavour = "mariadb" if "mariadb" in version.lower() else "mysql"
    mariadb = flavour == "mariadb"
    identity = (
        f"mariadb-{variables.get('server_id', '0')}-{variables.get('gtid_domain_id', '0')}"
        if mariadb
        else variables["server_uuid"]
    )
    return ServerFacts(
        flavour=flavour,
        version=_version(version),
        version_text=version,
        identity=identity,
        server_id=int(variables.get("server_id", "0")),
        log_bin=variables.get("log_bin", "OFF") in {"ON", "1"},
        binlog_format=variables.get("binlog_format", "ROW"),
        row_image=variables.get("binlog_row_image", "FULL"),
        checksum=variables.get("binlog_checksum", "NONE"),
        gtid=variables.get("gtid_binlog_pos" if mariadb else "gtid_executed", "").replace("\n", ""),
        expire_seconds=_expiry(variables),
        variables=tuple(sorted(variables.items())),
    )


def identity_of(connection: Connection[Any]) -> str:
    """Which server answers: as `ServerFacts.identity`, and for less."""
    ((version,),) = query(connection, "SELECT VERSION()")
    mariadb = "CONCAT('mariadb-', @@global.server_id, '-', @@global.gtid_domain_id)"
    return str(
        query(connection, f"SELECT {mariadb if 'mariadb' in str(version).lower() else '@@global.server_uuid'}")[0][0]
    )


def _version(text: str) -> tuple[int, int, int]:
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", text)
    if not found:
        raise ServerFailed(f"the server calls itself {text!r}: not a version this program knows")
    return (int(found[1]), int(found[2]), int(found[3]))


def _expiry(variables: dict[str, str]) -> int:
    seconds = int(float(variables.get("binlog_expire_logs_seconds", "0")))
    return seconds or int(float(variables.get("expire_logs_days", "0")) * 86_400)


def time_of(connection: Connection[Any]) -> datetime:
    """By the server's own clock, which its log tells times by."""
    moment = query(connection, "SELECT UTC_TIMESTAMP(6)")[0][0]
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=UTC)


def position_statement(facts: ServerFacts) -> str:
    """The statement that tells the current binlog position."""
    new = facts.flavour == "mysql" and facts.version >= (8, 2, 0)
    return "SHOW BINARY LOG STATUS" if new else "SHOW MASTER STATUS"


PATIENCE = 300.0
SHORT_PATIENCE = 4.0
"""Seconds for what somebody waits for. A server that goes on to another binlog tells nothing of its log meanwhile, and
goes on when all commits have returned: those that wait for a store that is away, among them."""


def current_position(connection: Connection[Any], facts: ServerFacts, within: float = PATIENCE) -> Position:
    """Where the server writes its binlog now; raises NoAnswer where it takes longer than `within` seconds."""
    rows = query_within(connection, position_statement(facts), within)
    if not rows:
        raise ServerFailed("the server writes no binlog", help="set log_bin in its configuration and restart it")
    return Position(str(rows[0][0]), int(rows[0][1]))


def list_binlogs(connection: Connection[Any], within: float = PATIENCE) -> list[BinlogFile]:
    """The binlogs the server still has, oldest first; raises NoAnswer where it takes longer than `within` seconds."""
    return [BinlogFile(str(row[0]), int(row[1])) for row in query_within(connection, "SHOW BINARY LOGS", within)]
