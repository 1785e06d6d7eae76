"""What the tables of a server hold at one position of its log: row counts, and sums over the hashes of all rows.

The server adds up; no row leaves it. Two servers with equal fingerprints hold the same rows: the sum of 60 bits of each
row's SHA-256, as an exact decimal, differs where a row is missing, changed, or there twice.
Not CHECKSUM TABLE: in MariaDB it adds up whatever lies in memory for stored generated columns (MDEV-22943).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import Position, ServerFacts, current_position
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.secret import Secret

log = logging.getLogger(__name__)
_ROWS_AT_ONCE_SECONDS = 24 * 3600.0
_LOCK_SECONDS = 10
_BYTES = frozenset({
    "char", "varchar", "text", "tinytext", "mediumtext", "longtext", "enum", "set",
    "binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob",
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection", "bit", "vector",
})  # fmt: skip
"""Types whose bytes say all; of the others it is their text."""


@dataclass(frozen=True, slots=True)
class TableSum:
    """The rows of one table: how many, and the sum of their hashes. `printed`: the sum with FLOAT values as servers
    print them, with six digits; empty where there are none."""

    rows: int
    total: str
    printed: str = ""

    def same_when_printed(self, other: TableSum) -> bool:
        """Whether both hold the same as far as a logical image can: it holds what servers print."""
        return (self.rows, self.printed or self.total) == (other.rows, other.printed or other.total)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`tables` by schema and name. `changed`: those whose definition changed meanwhile, which say nothing."""

    position: Position | None
    tables: Mapping[tuple[str, str], TableSum]
    changed: frozenset[tuple[str, str]]


def fingerprint(address: Address, password: Secret, facts: ServerFacts) -> Fingerprint:
    """All tables of all schemas but the server's own, in one snapshot.

    Tables whose engine knows no transactions are not in the snapshot: they are left out.

    Raises:
        ServerFailed: the server can't be asked, or gave no snapshot within ten seconds.
    """
    with _snapshot(address, password, facts) as (connection, position):
        tables: dict[tuple[str, str], TableSum] = {}
        changed = set()
        for schema, table, columns in _tables(connection):
            try:
                tables[schema, table] = _sum(connection, schema, table, columns)
            except ServerFailed as problem:
                log.info("%s.%s has no fingerprint: %s", schema, table, problem)
                changed.add((schema, table))
    return Fingerprint(position, tables, frozenset(changed))


@contextmanager
def _snapshot(
    address: Address, password: Secret, facts: ServerFacts
) -> Iterator[tuple[Connection[Any], Position | None]]:
    connection = connect(address, password, read_timeout=_ROWS_AT_ONCE_SECONDS)
    try:
        query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if not facts.log_bin:
            query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
            yield connection, None
        elif facts.flavour == "mariadb":
            # MariaDB remembers where its log stood when the snapshot was taken.
            query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
            stood = {str(a).lower(): str(b) for a, b in query(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")}
            yield connection, Position(stood["binlog_snapshot_file"], int(stood["binlog_snapshot_position"]))
        else:
            yield connection, _behind_a_lock(connection, address, password, facts)
    finally:
        connection.close()


def _behind_a_lock(connection: Connection[Any], address: Address, password: Secret, facts: ServerFacts) -> Position:
    """MySQL tells no position of a snapshot: for a moment nobody may commit, as its own dump tool does it."""
    locking = connect(address, password)
    try:
        query(locking, f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        query(locking, "FLUSH TABLES WITH READ LOCK")
        query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        position = current_position(locking, facts)
        query(locking, "UNLOCK TABLES")
    finally:
        locking.close()
    return position


def _tables(connection: Connection[Any]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Schema, name, and columns with their types, of every table that keeps rows in a snapshot."""
    rows = query(
        connection,
        "SELECT t.table_schema, t.table_name, c.column_name, c.data_type FROM information_schema.tables t "
        "JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name "
        "WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.engine IN ('InnoDB', 'ROCKSDB') "
        f"AND {not_system('t.table_schema')} ORDER BY 1, 2, c.ordinal_position",
    )
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in rows:
        found.setdefault((str(schema), str(table)), []).append((str(column), str(kind).lower()))
    return [(schema, table, columns) for (schema, table), columns in found.items()]


def _sum(connection: Connection[Any], schema: str, table: str, columns: Sequence[tuple[str, str]]) -> TableSum:
    sums = [_sum_of([_text(quote(name), kind) for name, kind in columns])]
    if any(kind == "float" for _, kind in columns):  # as the server prints it, besides
        sums.append(_sum_of([_text(quote(name), "" if kind == "float" else kind) for name, kind in columns]))
    ((rows, *totals),) = query(connection, f"SELECT COUNT(*), {', '.join(sums)} FROM {quote(schema, table)}")
    return TableSum(int(rows), *map(str, totals))


def _sum_of(texts: Sequence[str]) -> str:
    row = "CONCAT_WS(',', " + ", ".join(texts) + ")"
    return f"COALESCE(SUM(CAST(CONV(LEFT(SHA2({row}, 256), 15), 16, 10) AS DECIMAL(20, 0))), 0)"


def _text(column: str, kind: str) -> str:
    """A text that is the same for the same value only; NULL is none of them."""
    if kind in _BYTES:
        return f"COALESCE(HEX({column}), '-')"
    if kind == "float":
        # Its own text is cut to six digits.
        return f"COALESCE(CAST({column} + 0E0 AS CHAR), '-')"
    return f"COALESCE(HEX(CAST({column} AS CHAR)), '-')"
