"""Which schemas are the server's own, and which tables no snapshot holds for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import Row, query

SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")


def not_system(column: str) -> str:
    """The SQL condition that `column` names no schema of the server's own; `SYS` is not `sys`."""
    return f"BINARY {column} NOT IN ({', '.join(repr(name) for name in SYSTEM_SCHEMAS)})"


def not_transactional(connection: Connection[Any]) -> list[Row]:
    """Schema, name and engine of each table whose engine knows no transactions."""
    return query(
        connection,
        "SELECT table_schema, table_name, engine FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND {not_system('table_schema')} "
        "AND engine NOT IN ('InnoDB', 'ROCKSDB', 'BLACKHOLE') ORDER BY 1, 2",
    )


HISTORY_DUMPED_SINCE = (10, 11)
"""Series of MariaDB whose `mariadb-dump` knows `--dump-history`, and whose server takes that history back
(`system_versioning_insert_history`): https://mariadb.com/kb/en/mariadb-dump/#options."""


def with_history(connection: Connection[Any]) -> list[Row]:
    """Schema and name of each table of MariaDB that keeps the history of its rows."""
    return query(
        connection,
        "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE table_type = 'SYSTEM VERSIONED' AND {not_system('table_schema')} ORDER BY 1, 2",
    )


def rounded_columns(connection: Connection[Any]) -> list[str]:
    """Columns whose values the servers print, and so dump, with six digits only."""
    rows = query(
        connection,
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        f"WHERE data_type = 'float' AND {not_system('table_schema')} ORDER BY 1, 2, 3",
    )
    return [".".join(map(str, row)) for row in rows]


def rounded_and_not_found(connection: Connection[Any], columns: Sequence[str]) -> list[str]:
    """Tables with such `columns` whose rows the log names by them: no key of the table is without.

    A server finds a row that the log changes by the primary key, else by a unique key without NULL, else by all that
    was in it.
    """
    rounded = {one.rpartition(".")[0] for one in columns}
    if not rounded:
        return []
    rows = query(
        connection,
        "SELECT s.table_schema, s.table_name, s.index_name, MAX(s.nullable = 'YES'), MAX(c.data_type = 'float') "
        "FROM information_schema.statistics s LEFT JOIN information_schema.columns c "
        "ON c.table_schema = s.table_schema AND c.table_name = s.table_name AND c.column_name = s.column_name "
        f"WHERE s.non_unique = 0 AND {not_system('s.table_schema')} GROUP BY 1, 2, 3 "
        "HAVING MAX(s.column_name IS NULL) = 0",
    )
    primary = {f"{schema}.{table}": not float_ for schema, table, name, _, float_ in rows if name == "PRIMARY"}
    unique = {f"{schema}.{table}" for schema, table, _, nullable, float_ in rows if not nullable and not float_}
    return sorted(one for one in rounded if not primary.get(one, one in unique))
