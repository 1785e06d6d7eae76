"""Triggers of a table that a copy overwrites: kept in its schema until they are made on the new one.

They are in a table there, `bkpc~triggers`, from before the old table is touched until each is made again: neither a
failure nor `kill -9` loses one, and the next copy into that schema makes what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed, StepFailed
from bkpc_runtime.mysql.connection import query, query_bytes
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.recovery.patiently import patiently

Table = tuple[str, str]
NEW, OLD = "bkpc~restored", "bkpc~replaced"
"""What tables are called meanwhile, in the schema of the one that is replaced."""
KEPT = "bkpc~triggers"
_TRIED = "bkpc~tried"
_DEFINER = re.compile(rb"CREATE (DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?) ")


class TriggersLacking(StepFailed):
    """A table is replaced, and some of its triggers could not be made on the new one: they are kept."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """`statement` makes it under `settings` (sql_mode, character set, collation); `tried` makes one like it, of
    another name, on the table `NEW`."""

    name: str
    settings: tuple[str, str, str]
    statement: bytes
    tried: str


def keep(into: Connection[Any], table: Table) -> list[Trigger]:
    """The triggers of a table, once all of them are kept."""
    triggers = list(_read(into, *table))
    if triggers:
        query(
            into,
            f"CREATE TABLE IF NOT EXISTS {quote(table[0], KEPT)} (number INT AUTO_INCREMENT PRIMARY KEY, "
            "of_table VARCHAR(64), name VARCHAR(64) UNIQUE, sql_mode TEXT, charset VARCHAR(64), "
            "collation_name VARCHAR(64), statement LONGBLOB) "
            "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        )
        rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(triggers))
        values = [value for one in triggers for value in (table[1], one.name, *one.settings, one.statement)]
        query(
            into,
            f"REPLACE INTO {quote(table[0], KEPT)} "
            f"(of_table, name, sql_mode, charset, collation_name, statement) VALUES {rows}",
            values,
        )
    return triggers


def try_out(into: Connection[Any], schema: str, triggers: list[Trigger]) -> None:
    """Makes each of them on the table `NEW`, and drops it again.

    Raises:
        StepFailed: one can't be made there.
    """
    for one in triggers:
        try:
            _make(into, (schema, NEW), (one.settings[0], "utf8mb4", "utf8mb4_general_ci"), one.tried.encode())
        except ServerFailed as problem:
            raise StepFailed(
                f"its trigger {one.name} can't be made on the table as it was at the asked point: {problem}",
                help=f"{_way_out(str(problem))}, or restore beside (--as SCHEMA); {problem.help}".rstrip("; "),
            ) from problem
        query(into, f"DROP TRIGGER {quote(schema, _TRIED)}")


def _way_out(problem: str) -> str:
    """An account may make none while the target logs, unless it has SUPER (1419); or has not the privilege (1142)."""
    if "(error 1419)" in problem:
        return "SET GLOBAL log_bin_trust_function_creators = ON on the target, or log in with an account that has SUPER"
    if any(f"(error {code})" in problem for code in (1142, 1227)):
        return "log in with an account that has the privilege"
    return "drop the trigger"


def make_again(into: Connection[Any], schema: str) -> list[str]:
    """Makes all that are kept and not there, and forgets those that are; what stands in the way of the others."""
    if not _is_there(into, schema, KEPT):
        return []
    problems = []
    rows = query(
        into,
        "SELECT name, of_table, sql_mode, charset, collation_name, statement "
        f"FROM {quote(schema, KEPT)} ORDER BY number",
    )
    for name, table, *settings, statement in rows:
        on = _table_of(into, schema, name)
        if on != table:
            if on == OLD:
                query(into, f"DROP TRIGGER {quote(schema, name)}")
            try:
                if not _is_there(into, schema, table):
                    raise ServerFailed(f"{schema}.{table} is not there")
                _make(into, (schema, table), settings, bytes(statement))
            except ServerFailed as problem:
                problems.append(f"trigger {name} of {schema}.{table}: {problem}")
                continue
        query(into, f"DELETE FROM {quote(schema, KEPT)} WHERE name = %s", (name,))
    if not problems:
        query(into, f"DROP TABLE {quote(schema, KEPT)}")
    return problems


def left_behind(into: Connection[Any], schema: str) -> list[str]:
    """Triggers of the table `OLD` that are not kept."""
    kept = set()
    if _is_there(into, schema, KEPT):
        kept = {str(name) for (name,) in query(into, f"SELECT name FROM {quote(schema, KEPT)}")}
    rows = query(
        into,
        "SELECT trigger_name FROM information_schema.triggers "
        "WHERE event_object_schema = %s AND event_object_table = %s",
        (schema, OLD),
    )
    return [str(name) for (name,) in rows if str(name) not in kept]


def _is_there(into: Connection[Any], schema: str, table: str) -> bool:
    statement = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return bool(query(into, statement, (schema, table)))


def _table_of(into: Connection[Any], schema: str, name: str) -> str:
    """The table a trigger is on; empty where there is none of the name."""
    statement = "SELECT event_object_table FROM information_schema.triggers "
    rows = query(into, statement + "WHERE trigger_schema = %s AND trigger_name = %s", (schema, name))
    return str(rows[0][0]) if rows else ""


def _make(into: Connection[Any], on: Table, settings: Sequence[str], statement: bytes) -> None:
    query(into, f"USE {quote(on[0])}")
    query(into, "SET SESSION sql_mode = %s, character_set_client = %s, collation_connection = %s", settings)
    try:
        patiently(into, statement.decode("utf-8", "surrogateescape"), on)
    finally:
        query(into, "SET NAMES utf8mb4")


def _read(connection: Connection[Any], schema: str, table: str) -> Iterator[Trigger]:
    rows = query(
        connection,
        "SELECT trigger_name, action_timing, event_manipulation, action_statement FROM information_schema.triggers "
        "WHERE event_object_schema = %s AND event_object_table = %s "
        "ORDER BY action_timing, event_manipulation, action_order",
        (schema, table),
    )
    for name, timing, event, body in rows:
        shown = query_bytes(connection, f"SHOW CREATE TRIGGER {quote(schema, str(name))}")[0]
        mode, text, client, collation = (bytes(one) for one in shown[1:5])
        charset = client.decode() if text.isascii() else "utf8mb4"
        definer = _DEFINER.match(text)
        by = f"{definer[1].decode('utf-8', 'surrogateescape')} " if definer else ""
        tried = (
            f"CREATE {by}TRIGGER {quote(schema, _TRIED)} {timing} {event} ON {quote(schema, NEW)} FOR EACH ROW {body}"
        )
        yield Trigger(str(name), (mode.decode(), charset, collation.decode()), text, tried)
