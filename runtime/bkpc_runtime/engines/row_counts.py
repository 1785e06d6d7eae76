"""How many rows each table of an image has, as far as that can be had in passing: no table is read for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.mysql.schemas import not_system

_STATEMENT = b"\nINSERT INTO `"
_BETWEEN: Mapping[Flavour, bytes] = {"mariadb": b"),\n(", "mysql": b"),("}
"""What the dump tools write between two rows. The values of MariaDB's hold no line end, but those of MySQL's may hold
just this: then there are fewer rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """By schema and table. `estimated`: not to the last row, but none is none."""

    of: Mapping[tuple[str, str], int] = field(default_factory=dict)
    estimated: bool = False


class RowCounter:
    """Counts in the text of a dump as it passes; `begin` before each table."""

    def __init__(self, flavour: Flavour) -> None:
        self._found: dict[tuple[str, str], int] = {}
        self._patterns = (_STATEMENT, _BETWEEN[flavour])
        self._table: tuple[str, str] | None = None
        self._last = b""
        self._flavour = flavour

    def begin(self, schema: str, table: str) -> None:
        """What comes belongs to a table; without one to nothing that has rows."""
        self._table, self._last = ((schema, table) if table else None), b""
        if self._table:
            self._found[self._table] = 0

    def feed(self, chunk: bytes) -> None:
        if self._table is None:
            return
        count = 0
        for pattern in self._patterns:
            short = len(pattern) - 1
            count += chunk.count(pattern) + (self._last[-short:] + chunk[:short]).count(pattern)
        self._found[self._table] += count
        tail = chunk[-len(_STATEMENT) :]
        self._last = (self._last + tail)[-len(_STATEMENT) :]

    def rows(self) -> Rows:
        return Rows(self._found, estimated=self._flavour == "mysql")


def estimated_rows(connection: Connection[Any], flavour: Flavour) -> Rows:
    """What the server believes."""
    if flavour == "mysql":
        # Else it says what it believed at some time of the last day.
        query(connection, "SET SESSION information_schema_stats_expiry = 0")
    rows = query(
        connection,
        "SELECT table_schema, table_name, table_rows FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND table_rows IS NOT NULL AND {not_system('table_schema')}",
    )
    return Rows({(str(schema), str(table)): int(count) for schema, table, count in rows}, estimated=True)
