"""What a server must be before it can be backed up: findings, each with the statement that mends it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar.log_objects import LEAST_BINLOG
from bkpc_grammar.plan import Preflight
from bkpc_grammar.privileges import POSITION, grant
from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query, query_within
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import SHORT_PATIENCE, Flavour, ServerFacts, position_statement
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.placement import elsewhere
from bkpc_runtime.mysql.preflight_privileges import (
    LOGICAL,
    may_read_accounts,
    missing_privileges,
    needed_privileges,
    read_grants,
    sufficient_role,
    withheld_privileges,
)
from bkpc_runtime.mysql.preflight_tools import tool_problems
from bkpc_runtime.mysql.schemas import not_system, not_transactional, rounded_and_not_found, rounded_columns
from bkpc_runtime.repository.manifest import Engine

OLDEST: dict[Flavour, tuple[int, int]] = {"mysql": (8, 0), "mariadb": (10, 6)}
_NAMED = 5
_WITH_ROWS = frozenset({"MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV"})
"""Engines without transactions whose tables InnoDB can take over."""


def look(
    connection: Connection[Any],
    facts: ServerFacts,
    wanted: Preflight,
    engines: Collection[Engine] = LOGICAL,
    *,
    incremental: bool = False,
    rotates: bool = False,
    tables: int | None = None,
) -> list[Finding]:
    """Everything that is wrong with a server, for a plan that wants `wanted` of it and images by `engines`.

    An `incremental` image reads the beginning of the log in which the one before it stands. `rotates`: each image must
    begin a binlog of its own. `tables`: how many bounds count on.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: version_findings(facts),
        lambda: privileges(
            connection, facts, stream=wanted.binlog or incremental, engines=engines, rotates=rotates and facts.log_bin
        ),
        lambda: _accounts(connection, facts),
        lambda: binlog_findings(facts, wanted),
        lambda: _gaps(connection, facts, wanted),
        lambda: _tls(connection, wanted),
        lambda: _contents(connection, facts),
        lambda: _not_as_they_are(connection, replayed=wanted.binlog) if "logical" in engines else iter(()),
        lambda: _elsewhere(connection, engines),
        lambda: _many(connection, tables) if "logical" in engines and tables else iter(()),
        lambda: _tools(facts, wanted, engines),
    ]
    return [finding for check in checks for finding in _kept(check)]


def _kept(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; a question the server refuses is a finding too, and hides no other."""
    try:
        yield from check()
    except ServerFailed as problem:
        yield Finding("problem", str(problem), (problem.help,) if problem.help else ())


def version_findings(facts: ServerFacts) -> Iterator[Finding]:
    """A server older than any this program was made for."""
    oldest = OLDEST[facts.flavour]
    if facts.version[:2] < oldest:
        text = f"version {facts.version_text} is older than {oldest[0]}.{oldest[1]}, the oldest this program knows"
        yield Finding("problem", text, ("upgrade the server",))


def privileges(
    connection: Connection[Any],
    facts: ServerFacts,
    *,
    stream: bool,
    engines: Collection[Engine] = LOGICAL,
    rotates: bool = False,
) -> Iterator[Finding]:
    """What the account lacks."""
    account = account_of(connection)
    grants = read_grants(connection, facts.flavour)
    needed = needed_privileges(facts, stream=stream, engines=engines, rotates=rotates)
    missing = missing_privileges(grants, needed)
    if missing:
        role = sufficient_role(connection, facts.flavour, grants, missing)
        if role:
            text = f"{account} lacks {_listed(missing)} on all schemas: its role {role} is not active when it logs in"
            mend = f"SET DEFAULT ROLE {role} {'TO' if facts.flavour == 'mysql' else 'FOR'} {account};"
        else:
            text = f"{account} lacks {_listed(missing)} on all schemas"
            mend = grant(missing, account)
        why = "; each image must begin a binlog of its own, whose beginning is locked with it (`lock`)"
        yield Finding("problem", text + (why if rotates and "RELOAD" in missing else ""), (mend,))
    for taken, schema in withheld_privileges(grants, needed):
        text = f"{account} may not use {_listed(taken)} on {schema}: it would be missing from images"
        yield Finding("problem", text, (f"GRANT {', '.join(taken)} ON {schema}.* TO {account};",))


def _accounts(connection: Connection[Any], facts: ServerFacts) -> Iterator[Finding]:
    """SELECT on all schemas shows the accounts, unless MySQL's partial revokes take it back for the server's own."""
    if _may(connection, facts, "SELECT") and not may_read_accounts(connection):
        account = account_of(connection)
        text = f"{account} may not read the server's accounts: images will lack users, roles and grants"
        yield Finding("warning", text, (f"GRANT SELECT ON `mysql`.* TO {account};",))


def account_of(connection: Connection[Any]) -> str:
    """The account that is logged in, as GRANT takes it."""
    user, host = str(query(connection, "SELECT CURRENT_USER()")[0][0]).rsplit("@", 1)
    return f"{_text(user)}@{_text(host)}"


def binlog_findings(facts: ServerFacts, wanted: Preflight) -> Iterator[Finding]:
    """Settings without which the log can't be had, or doesn't hold what a recovery needs."""
    if not wanted.binlog:
        return
    if not facts.log_bin:
        text = "the server writes no binary log: nothing between images can be recovered"
        how = "remove skip_log_bin and disable_log_bin" if facts.flavour == "mysql" else "write log_bin = binlog"
        yield Finding("problem", text, (f"in the server's configuration, below [mysqld]: {how}; restart the server",))
    if facts.server_id == 0:
        text = "server_id is 0: the server sends its log to nobody"
        yield Finding("problem", text, setting(facts, "server_id", "1"))
    reconnect = "connections that are open keep the old setting: let applications connect again"
    if facts.binlog_format.upper() != "ROW":
        text = f"binlog_format is {facts.binlog_format}: statements may give other rows when they are replayed"
        yield Finding("problem", text, (*setting(facts, "binlog_format", "ROW"), reconnect))
    if facts.row_image.upper() not in {"FULL", "FULL_NODUP"}:
        text = f"binlog_row_image is {facts.row_image}: the log does not show whole rows"
        yield Finding("warning", text, (*setting(facts, "binlog_row_image", "FULL"), reconnect))
    yield from _expiry(facts, wanted)
    largest = int(facts.variable("max_binlog_size", "0"))
    if 0 < largest < LEAST_BINLOG:
        text = f"max_binlog_size is {largest}: to read so many small files of log takes longer than is proved"
        yield Finding("warning", text, setting(facts, "max_binlog_size", str(LEAST_BINLOG)))
    if facts.variable("sync_binlog") != "1":
        text = "sync_binlog is not 1: after a power failure the log may lack what was committed"
        yield Finding("warning", text, setting(facts, "sync_binlog", "1"))
    if facts.flavour == "mysql" and facts.variable("binlog_transaction_compression") == "ON":
        text = "binlog_transaction_compression is ON: `bkpc log --find` does not see rows in such transactions"
        yield Finding("warning", text, (*setting(facts, "binlog_transaction_compression", "OFF"), reconnect))


def _expiry(facts: ServerFacts, wanted: Preflight) -> Iterator[Finding]:
    seconds = -(-wanted.binlog_expiry_ms // 1000)
    purges = facts.variable("binlog_expire_logs_auto_purge", "ON") == "ON"
    if purges and 0 < facts.expire_seconds < seconds:
        text = (
            f"the server drops its log after {facts.expire_seconds} s; "
            f"the plan needs {seconds} s, twice the time between images: so long may the stream be away"
        )
        yield Finding("problem", text, setting(facts, "binlog_expire_logs_seconds", str(seconds)))
    most = facts.variable("max_binlog_total_size", "0")
    if most != "0":
        text = f"max_binlog_total_size is {most}: beyond so many bytes the server drops log, however new it is"
        yield Finding("warning", text, setting(facts, "max_binlog_total_size", "0"))


def setting(facts: ServerFacts, name: str, value: str) -> tuple[str, ...]:
    """How a variable is set so that it stays set."""
    written = value if value.isdigit() else f"'{value}'"
    if facts.flavour == "mysql":
        return (f"SET PERSIST {name} = {written};",)
    keep = f"and in the server's configuration, below [mysqld]: {name} = {value}"
    return (f"SET GLOBAL {name} = {written};", keep)


def _gaps(connection: Connection[Any], facts: ServerFacts, wanted: Preflight) -> Iterator[Finding]:
    """Changes that a server with a log does not write into it."""
    if not (wanted.binlog and facts.log_bin and _may(connection, facts, POSITION[facts.flavour])):
        return
    rows = query_within(connection, position_statement(facts), SHORT_PATIENCE)
    left_out = [(f"binlog_{name}_db", str(rows[0][at])) for at, name in ((2, "do"), (3, "ignore")) if rows]
    for variable, value in left_out:
        if value:
            text = f"{variable} = {value}: the binary log leaves changes out, which then can't be recovered"
            mend = (f"remove {variable} from the server's configuration and restart it",)
            yield Finding("problem", text, mend)
    updates = "log_replica_updates" if facts.variable("log_replica_updates") else "log_slave_updates"
    if facts.variable(updates) == "OFF" and _is_replica(connection, facts):
        text = f"the server is a replica with {updates} off: its log lacks what comes from its source"
        mend = (f"in the server's configuration, below [mysqld]: {updates} = ON; restart the server",)
        yield Finding("problem", text, mend)


def _may(connection: Connection[Any], facts: ServerFacts, privilege: str) -> bool:
    """Whether an answer means something; that the privilege is missing is a finding of its own."""
    return not missing_privileges(read_grants(connection, facts.flavour), [privilege])


def _is_replica(connection: Connection[Any], facts: ServerFacts) -> bool:
    if facts.flavour == "mariadb":
        # SHOW REPLICA STATUS would need a privilege that nothing else needs.
        return bool(query(connection, "SHOW GLOBAL STATUS WHERE variable_name = 'Slaves_running' AND value <> '0'"))
    return bool(query(connection, f"SHOW {'REPLICA' if facts.version >= (8, 0, 22) else 'SLAVE'} STATUS"))


def _tls(connection: Connection[Any], wanted: Preflight) -> Iterator[Finding]:
    local = connection.unix_socket
    if wanted.require_tls and not local and not query(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]:
        mend = ("in the policy's database block: tls verify-identity",)
        yield Finding("problem", "the connection is plaintext; the policy says `encrypt transfer`", mend)


def _contents(connection: Connection[Any], facts: ServerFacts) -> Iterator[Finding]:
    statement = f"SELECT 1 FROM information_schema.schemata WHERE {not_system('schema_name')} LIMIT 1"
    if _may(connection, facts, "SELECT") and not query(connection, statement):
        text = "the server has no schema but its own: there is nothing to take an image of"
        yield Finding("problem", text, ("is it the right server? else CREATE DATABASE …;",))


def _many(connection: Connection[Any], counted: int) -> Iterator[Finding]:
    """Each table is an object of a logical image, and so is each schema."""
    statement = (
        f"SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE {not_system('table_schema')} "
        f"AND table_type <> 'VIEW') + (SELECT COUNT(*) FROM information_schema.schemata "
        f"WHERE {not_system('schema_name')})"
    )
    number = int(query(connection, statement)[0][0])
    if number > counted:
        yield Finding("warning", beyond(number, counted), (f"in the policy's database block: tables {number}",))


def beyond(number: int, counted: int) -> str:
    """What is told of more tables than a policy says."""
    return f"{number:,} tables and schemas, {counted:,} are counted on: to move them may take longer than is proved"


def engine_findings(connection: Connection[Any]) -> Iterator[Finding]:
    """Tables that no snapshot holds for."""
    rows = not_transactional(connection)
    if rows:
        names = [f"{schema}.{table} ({engine})" for schema, table, engine in rows[:_NAMED]]
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        text = (
            f"not transactional: {', '.join(names)}{more}; their rows are not of the image's moment "
            "if something writes to them meanwhile"
        )
        movable = [row for row in rows[:_NAMED] if row[2] in _WITH_ROWS]
        mend = tuple(f"ALTER TABLE {quote(str(row[0]), str(row[1]))} ENGINE = InnoDB;" for row in movable)
        yield Finding("warning", text, mend)


def _not_as_they_are(connection: Connection[Any], *, replayed: bool = False) -> Iterator[Finding]:
    """What SQL does not hold as the server does; `replayed`: log is to be replayed on it."""
    yield from engine_findings(connection)
    yield from _rounded(connection, replayed=replayed)
    yield from _libraries(connection)


def _elsewhere(connection: Connection[Any], engines: Collection[Engine]) -> Iterator[Finding]:
    names = elsewhere(connection)
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        text = f"files outside the data directory (DATA DIRECTORY): {', '.join(names[:_NAMED])}{more}"
        copied = sorted({"clone", "xtrabackup"} & set(engines))
        if copied:
            yield Finding("problem", f"{text}; images by {copied[0]} can't hold them", ("say `by logical`",))
        else:
            yield Finding("warning", f"{text}; they come back in the data directory, which must have room for them", ())


def _libraries(connection: Connection[Any]) -> Iterator[Finding]:
    """What no SQL brings to another server."""
    if not may_read_accounts(connection):
        return
    rows = query(connection, "SELECT name, dl FROM mysql.func ORDER BY 1")
    if rows:
        names = ", ".join(f"{name} ({library})" for name, library in rows[:_NAMED])
        text = f"loadable functions: {names}; views of theirs can be restored only where these libraries are installed"
        yield Finding("warning", text, ())


def _rounded(connection: Connection[Any], *, replayed: bool) -> Iterator[Finding]:
    names = rounded_columns(connection)
    if names:
        text = (
            f"FLOAT columns: {_first(names)}; servers print six digits of them, so logical images hold no more "
            "(drills compare so many)"
        )
        yield Finding("warning", text, ("make them DOUBLE, or take physical images",))
    lost = rounded_and_not_found(connection, names) if replayed else []
    if lost:
        text = (
            f"FLOAT columns in tables without a primary key: {_first(lost)}; logical images hold six digits, so the "
            "log does not find a row again that it changes: the replay of the whole server ends there"
        )
        key = "add a primary key (or a unique one without NULL) that holds no FLOAT"
        yield Finding("problem", text, (f"{key}, make them DOUBLE, or take physical images",))


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _tools(facts: ServerFacts, wanted: Preflight, engines: Collection[Engine]) -> Iterator[Finding]:
    kinds = (*(("dump",) if "logical" in engines else ()), "client", *(("binlog",) if wanted.binlog else ()))
    for kind, text, mend in tool_problems(facts, kinds):
        yield Finding(kind, text, (mend,))


def _text(name: str) -> str:
    """Part of an account's name, as GRANT takes it."""
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
