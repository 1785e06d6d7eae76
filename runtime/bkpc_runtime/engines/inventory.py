"""What a server holds, by name and by the stamp that changes with its definition."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import Row, query
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.repository.manifest import Inventory

_QUERIES = {
    "tables": "SELECT table_schema, table_name, CONCAT(table_type, '/', COALESCE(create_time, '')) "
    "FROM information_schema.tables WHERE table_type <> 'VIEW' AND " + not_system("table_schema"),
    "views": "SELECT table_schema, table_name, SHA2(view_definition, 256) FROM information_schema.views WHERE "
    + not_system("table_schema"),
    "triggers": "SELECT trigger_schema, trigger_name, SHA2(CONCAT(event_object_table, action_statement, definer), 256) "
    "FROM information_schema.triggers WHERE " + not_system("trigger_schema"),
    "routines": "SELECT routine_schema, CONCAT(routine_type, ' ', routine_name), last_altered "
    "FROM information_schema.routines WHERE " + not_system("routine_schema"),
    "events": "SELECT event_schema, event_name, last_altered FROM information_schema.events WHERE "
    + not_system("event_schema"),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """The schemas of a server. `stamp` changes with every definition; `sequences` are kept apart.

    `versioned`: some tables of MariaDB keep the history of their rows.
    """

    schemas: tuple[Inventory, ...]
    sequences: frozenset[tuple[str, str]]
    stamp: str
    versioned: bool = False

    def without_views(self, views: frozenset[tuple[str, str]]) -> Contents:
        """The same, but for some views."""
        kept = (
            replace(one, views=tuple(view for view in one.views if (one.schema, view) not in views))
            for one in self.schemas
        )
        return Contents(tuple(kept), self.sequences, self.stamp, self.versioned)


def _rows(connection: Connection[Any], kind: str, asked: str) -> list[Row]:
    """MariaDB tells of no events, and makes none, while its scheduler is DISABLED."""
    if kind == "events" and query(connection, "SELECT @@GLOBAL.event_scheduler")[0][0] == "DISABLED":
        return []
    return query(connection, asked)


def read_contents(connection: Connection[Any]) -> Contents:
    """All schemas but the server's own."""
    statement = "SELECT schema_name FROM information_schema.schemata WHERE " + not_system("schema_name")
    names = sorted(str(row[0]) for row in query(connection, statement))
    found: dict[str, dict[str, list[str]]] = {name: {kind: [] for kind in _QUERIES} for name in names}
    digest = hashlib.sha256()
    sequences: set[tuple[str, str]] = set()
    versioned = False
    for kind, asked in _QUERIES.items():
        rows = _rows(connection, kind, asked)
        for schema, name, stamp in sorted((str(a), str(b), str(c)) for a, b, c in rows):
            digest.update(repr((kind, schema, name, stamp)).encode())
            found.setdefault(schema, {kind: [] for kind in _QUERIES})[kind].append(name)
            versioned = versioned or (kind == "tables" and stamp.startswith("SYSTEM VERSIONED"))
            if kind == "tables" and stamp.startswith("SEQUENCE"):
                sequences.add((schema, name))
    schemas = tuple(
        Inventory(schema=schema, **{kind: tuple(sorted(of)) for kind, of in kinds.items()})
        for schema, kinds in sorted(found.items())
    )
    return Contents(schemas, frozenset(sequences), digest.hexdigest(), versioned)


def there_throughout(before: Contents, after: Contents) -> tuple[Contents, bool]:
    """What was there before and after, and whether that is less than either."""
    then = {one.schema: one for one in after.schemas}
    kept = tuple(without_more(one, then[one.schema]) for one in before.schemas if one.schema in then)
    loose = kept != before.schemas or kept != after.schemas
    return Contents(kept, before.sequences & after.sequences, after.stamp, before.versioned), loose


def without_more(one: Inventory, other: Inventory) -> Inventory:
    """Of one inventory only what the other has too."""
    kinds = {kind: tuple(name for name in getattr(one, kind) if name in set(getattr(other, kind))) for kind in _QUERIES}
    return Inventory(schema=one.schema, **kinds)
