"""What a server must be before it can be backed up: findings, each with the statement that mends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pymysql.connections import Connection

from bkpc_grammar.plan import Preflight
from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour, ServerFacts, position_statement
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.tools import find_tool

OLDEST: dict[Flavour, tuple[int, int]] = {"mysql": (8, 0), "mariadb": (10, 6)}
_IMAGE = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
_SNAPSHOT = ("RELOAD",)
_STREAM = ("REPLICATION SLAVE",)
_POSITION: dict[Flavour, str] = {"mysql": "REPLICATION CLIENT", "mariadb": "BINLOG MONITOR"}
_GRANT = re.compile(r"GRANT (.+) ON \*\.\* TO ")
_REVOKE = re.compile(r"REVOKE (.+) ON (`.+`\.\*) FROM ")
_NOT_SYSTEM = "table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be, and the statements or lines that mend it.

    A problem prevents a backup, or makes it one that can't be relied on; a warning does not.
    """

    kind: Literal["problem", "warning"]
    text: str
    mend: tuple[str, ...]


def look(connection: Connection[Any], facts: ServerFacts, wanted: Preflight) -> list[Finding]:
    """Everything that is wrong with a server, for a plan that wants `wanted` of it."""
    found = [*_version(facts), *privileges(connection, facts, stream=wanted.binlog)]
    if wanted.binlog:
        found += _binlog(facts, wanted)
        if facts.log_bin and not any("REPLICATION CLIENT" in one.text or "BINLOG" in one.text for one in found):
            found += _filters(connection, facts)
    return [*found, *_tls(connection, wanted), *_engines(connection), *_tools(facts.flavour, stream=wanted.binlog)]


def _version(facts: ServerFacts) -> Iterator[Finding]:
    oldest = OLDEST[facts.flavour]
    if facts.version[:2] < oldest:
        text = f"version {facts.version_text} is older than {oldest[0]}.{oldest[1]}, the oldest this program knows"
        yield Finding("problem", text, ("upgrade the server",))


def missing_privileges(grants: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Those of `needed` that no line of SHOW GRANTS gives for all schemas."""
    given: set[str] = set()
    for line in grants:
        match = _GRANT.match(line)
        if match:
            given |= {one.strip().upper() for one in match[1].split(",")}
    if given & {"ALL PRIVILEGES", "ALL"}:
        return []
    # MariaDB before 10.5.2 and its own aliases.
    given |= {"BINLOG MONITOR"} if "REPLICATION CLIENT" in given else set()
    given |= {"REPLICATION SLAVE"} if "REPLICATION REPLICA" in given else set()
    return [one for one in needed if one not in given]


def needed_privileges(facts: ServerFacts, *, stream: bool) -> tuple[str, ...]:
    """What a backup's account must be allowed on all schemas: what it may not see would not be in an image."""
    position = (*_SNAPSHOT, _POSITION[facts.flavour]) if facts.log_bin else ()
    return (*_IMAGE, *position, *(_STREAM if stream else ()))


def privileges(connection: Connection[Any], facts: ServerFacts, *, stream: bool) -> Iterator[Finding]:
    """What the account lacks."""
    user, host = str(query(connection, "SELECT CURRENT_USER()")[0][0]).rsplit("@", 1)
    account = f"'{user}'@'{host}'"
    grants = read_grants(connection, facts.flavour)
    needed = needed_privileges(facts, stream=stream)
    missing = missing_privileges(grants, needed)
    if missing:
        text = f"{account} lacks {_listed(missing)} on all schemas"
        yield Finding("problem", text, (f"GRANT {', '.join(missing)} ON *.* TO {account};",))
    for line in grants:
        match = _REVOKE.match(line)
        if match and missing_privileges([], set(needed) & {one.strip() for one in match[1].split(",")}):
            text = f"{account} may not use {match[1]} on {match[2]}: it would be missing from images"
            yield Finding("problem", text, (f"GRANT {match[1]} ON {match[2]} TO {account};",))


def read_grants(connection: Connection[Any], flavour: Flavour) -> list[str]:
    """What the current user may do, with the roles that are active."""
    statement = "SHOW GRANTS"
    if flavour == "mysql":
        roles = str(query(connection, "SELECT CURRENT_ROLE()")[0][0])
        statement = "SHOW GRANTS FOR CURRENT_USER()" + (f" USING {roles}" if roles != "NONE" else "")
    return [str(row[0]) for row in query(connection, statement)]


def _binlog(facts: ServerFacts, wanted: Preflight) -> Iterator[Finding]:
    keep = "SET PERSIST" if facts.flavour == "mysql" else "SET GLOBAL"
    if not facts.log_bin:
        mend = ("in the server's configuration, below [mysqld]: log_bin = binlog", "then restart the server")
        yield Finding("problem", "the server writes no binary log: nothing between images can be recovered", mend)
        return
    if facts.server_id == 0:
        yield Finding("problem", "server_id is 0: the server sends its log to nobody", (f"{keep} server_id = 1;",))
    if facts.binlog_format.upper() != "ROW":
        text = f"binlog_format is {facts.binlog_format}: statements may give other rows when they are replayed"
        yield Finding("problem", text, (f"{keep} binlog_format = 'ROW';",))
    if facts.row_image.upper() not in {"FULL", "FULL_NODUP"}:
        text = f"binlog_row_image is {facts.row_image}: the log does not show whole rows"
        yield Finding("warning", text, (f"{keep} binlog_row_image = 'FULL';",))
    seconds = -(-wanted.binlog_expiry_ms // 1000)
    if 0 < facts.expire_seconds < seconds:
        text = (
            f"the server drops its log after {facts.expire_seconds} s; "
            f"the plan needs {seconds} s, twice the time between images: so long may the stream be away"
        )
        yield Finding("problem", text, (f"{keep} binlog_expire_logs_seconds = {seconds};",))
    if facts.variable("sync_binlog") != "1":
        text = "sync_binlog is not 1: after a power failure the log may lack what was committed"
        yield Finding("warning", text, (f"{keep} sync_binlog = 1;",))


def _filters(connection: Connection[Any], facts: ServerFacts) -> Iterator[Finding]:
    rows = query(connection, position_statement(facts))
    left_out = [(f"binlog_{name}_db", str(rows[0][at])) for at, name in ((2, "do"), (3, "ignore")) if rows]
    for variable, value in left_out:
        if value:
            text = f"{variable} = {value}: the binary log leaves changes out, which then can't be recovered"
            mend = (f"remove {variable} from the server's configuration and restart it",)
            yield Finding("problem", text, mend)


def _tls(connection: Connection[Any], wanted: Preflight) -> Iterator[Finding]:
    local = connection.unix_socket
    if wanted.require_tls and not local and not query(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]:
        mend = ("in the policy's database block: tls verify-identity",)
        yield Finding("problem", "the connection is plaintext; the policy says `encrypt transfer`", mend)


def _engines(connection: Connection[Any]) -> Iterator[Finding]:
    rows = query(
        connection,
        "SELECT table_schema, table_name, engine FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND {_NOT_SYSTEM} "
        "AND engine NOT IN ('InnoDB', 'BLACKHOLE') ORDER BY 1, 2",
    )
    if rows:
        names = [f"{schema}.{table} ({engine})" for schema, table, engine in rows[:_NAMED]]
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        text = (
            f"not transactional: {', '.join(names)}{more}; their rows are not of the image's moment "
            "if something writes to them meanwhile"
        )
        mend = tuple(f"ALTER TABLE {quote(str(row[0]), str(row[1]))} ENGINE = InnoDB;" for row in rows[:_NAMED])
        yield Finding("warning", text, mend)


def _tools(flavour: Flavour, *, stream: bool) -> Iterator[Finding]:
    for kind in ("dump", "client", *(("binlog",) if stream else ())):
        try:
            find_tool(flavour, kind)
        except ToolFailed as problem:
            yield Finding("problem", str(problem), (problem.help,))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
