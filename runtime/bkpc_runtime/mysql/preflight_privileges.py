"""What a backup's account must be allowed (found by taking each away: see the tests), and what it is allowed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar.privileges import FLUSH_TABLES_SINCE, needed
from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour, ServerFacts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.repository.manifest import Engine

LOGICAL: tuple[Engine, ...] = ("logical",)
_INSTEAD = {
    "FLUSH_TABLES": {"RELOAD"},
    "REPLICATION CLIENT": {"SUPER"},
    "BINLOG MONITOR": {"SUPER", "REPLICATION CLIENT"},
    "REPLICATION SLAVE": {"REPLICATION REPLICA"},
}
_GRANT = re.compile(r"GRANT (.+) ON \*\.\* TO ")
_REVOKE = re.compile(r"REVOKE (.+) ON (`.+`)\.\* FROM ")
_ROLE = re.compile(r"`(?:[^`]|``)+`(?:@`[^`]*`)?")
_ROLES = re.compile(rf"GRANT ((?:{_ROLE.pattern},?)+) TO ")
_DENIED = ("(error 1044)", "(error 1142)", "(error 1143)", "(error 1227)")
_SYSTEM = frozenset({"`information_schema`", "`mysql`", "`performance_schema`", "`sys`"})


def needed_privileges(
    facts: ServerFacts, *, stream: bool, engines: Collection[Engine] = LOGICAL, rotates: bool = False
) -> tuple[str, ...]:
    """What the account must be allowed on all schemas of this server."""
    return needed(
        facts.flavour,
        engines,
        stream=stream,
        log_bin=facts.log_bin,
        flush_tables=facts.version >= FLUSH_TABLES_SINCE,
        rotates=rotates,
    )


def missing_privileges(grants: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Those of `needed` that no line of SHOW GRANTS gives for all schemas."""
    given = {one for line in grants if (match := _GRANT.match(line)) for one in _names(match[1])}
    if given & {"ALL PRIVILEGES", "ALL"}:
        return []
    return [one for one in needed if not given & {one, *_INSTEAD.get(one, ())}]


def withheld_privileges(grants: Iterable[str], needed: Iterable[str]) -> Iterator[tuple[list[str], str]]:
    """Those of `needed` that MySQL's partial revokes take back, each with the (quoted) schema that images need."""
    wanted = set(needed)
    for line in grants:
        match = _REVOKE.match(line)
        if match and match[2] not in _SYSTEM:
            taken = [one for one in _names(match[1]) if one in wanted]
            if taken:
                yield taken, match[2]


def denied(problem: ServerFailed) -> bool:
    """Whether the account may not do what it asked for."""
    return str(problem).endswith(_DENIED)


def may_read_accounts(connection: Connection[Any]) -> bool:
    """Whether the account may see the others.

    Raises:
        ServerFailed: the server can't be asked.
    """
    try:
        query(connection, "SELECT user, host FROM mysql.user LIMIT 1")
    except ServerFailed as problem:
        if denied(problem):
            return False
        raise
    return True


def read_grants(connection: Connection[Any], flavour: Flavour) -> list[str]:
    """What the current user may do, with the roles that are active."""
    if flavour == "mariadb":
        return _show_grants(connection)
    roles = str(query(connection, "SELECT CURRENT_ROLE()")[0][0])
    return _show_grants(connection, " FOR CURRENT_USER()" + (f" USING {roles}" if roles != "NONE" else ""))


def sufficient_role(
    connection: Connection[Any], flavour: Flavour, grants: Iterable[str], missing: Iterable[str]
) -> str | None:
    """A role the account was given, but which is not active, that has all that is `missing`; quoted."""
    wanted = list(missing)
    for line in grants:
        match = _ROLES.match(line)
        for role in _ROLE.findall(match[1]) if match else ():
            # A role of a role can't be chosen on its own.
            with contextlib.suppress(ServerFailed):
                if not missing_privileges(_grants_with(connection, flavour, role), wanted):
                    return str(role)
    return None


def _grants_with(connection: Connection[Any], flavour: Flavour, role: str) -> list[str]:
    if flavour == "mysql":
        return _show_grants(connection, f" FOR CURRENT_USER() USING {role}")
    active = query(connection, "SELECT CURRENT_ROLE()")[0][0]
    query(connection, f"SET ROLE {role}")
    try:
        return _show_grants(connection)
    finally:
        query(connection, f"SET ROLE {quote(str(active)) if active else 'NONE'}")


def _show_grants(connection: Connection[Any], whose: str = "") -> list[str]:
    return [str(row[0]) for row in query(connection, f"SHOW GRANTS{whose}")]


def _names(text: str) -> list[str]:
    return [one.strip().upper() for one in text.split(",")]
