"""What is not there at the point goes from the target as well: tables. Schemas are left there, and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.recovery.patiently import patiently

Table = tuple[str, str]
_SCHEMA = "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s"
_HELD = (
    ("tables and views", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s"),
    ("routines", "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = %s"),
    ("events", "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = %s"),
)


@dataclass(frozen=True, slots=True)
class Gone:
    """Tables that are not there at the point, and what is to be said of their schemas that are not, either."""

    tables: tuple[Table, ...] = ()
    left: tuple[str, ...] = ()


def drop_gone(source: Connection[Any], into: Connection[Any], gone: Iterable[Table]) -> Gone:
    """Drops tables from `into` that `source` has no more.

    Never a schema: an account may not see all that is in it.
    """
    tables = tuple(gone)
    query(into, "SET SESSION foreign_key_checks = 0")
    there = {schema: bool(query(into, _SCHEMA, (schema,))) for schema in {schema for schema, _ in tables}}
    for table in tables:
        if there[table[0]]:
            patiently(into, f"DROP TABLE IF EXISTS {quote(*table)}", table)
    left = [schema for schema, held in there.items() if held and not query(source, _SCHEMA, (schema,))]
    return Gone(tables, tuple(_said(into, sorted(left))))


def _said(into: Connection[Any], schemas: Iterable[str]) -> Iterator[str]:
    for schema in schemas:
        counted = [(int(query(into, text, (schema,))[0][0]), what) for what, text in _HELD]
        held = ", ".join(f"{number:,} {what}" for number, what in counted if number)
        words = f"holds {held}" if held else f"shows nothing: DROP DATABASE {quote(schema)}"
        yield f"schema {schema} is gone at that point, and left on the target, where it {words}"
