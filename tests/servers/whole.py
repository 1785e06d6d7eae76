"""All that a server holds, as something to compare: definitions as SHOW CREATE tells them, rows by their SHA-256."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from typing import Any

from pymysql.connections import Connection

from tests.database_server import ThrowawayServer
from tests.database_server.contents import SYSTEM, quoted

_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector", "geometry", "point"}
_BYTES |= {
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
}
_SINGLE = {"FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY"}


_NEWER = (
    (
        "mariadb",
        (10, 11),
        " WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION p0 HISTORY, PARTITION pn CURRENT)",
        "",
    ),
    ("mariadb", (10, 11), "note INT WITHOUT SYSTEM VERSIONING, ", ""),
    ("mariadb", (10, 11), "rs TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, ", ""),
    (
        "mariadb",
        (10, 11),
        "re TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (rs, re)",
        "t TEXT",
    ),
    ("mariadb", (10, 11), " WITH SYSTEM VERSIONING", ""),
    ("mariadb", (10, 11), " GRANT SELECT ON zoo.void_ TO PUBLIC;", ""),
    ("mariadb", (10, 7), " UUID)", " CHAR(36))"),
    ("mariadb", (10, 10), " INET4,", " VARCHAR(15),"),
    ("mysql", (9, 0), "VECTOR(3)", "VARCHAR(32)"),
    ("mysql", (9, 0), "TO_VECTOR(", "MD5("),
)
"""What a flavour knows, or we can take back, since a version, and what stands for it before."""


def typed(server: ThrowawayServer, text: str) -> None:
    """Through the client, as a person would."""
    series = server.series
    if server.flavour == "mariadb" and series != (10, 11):
        # SHOW CREATE TABLE of others tells of constraints what can't be typed again.
        text = text.replace("away ``from", "away from")
    for flavour, since, newer, older in _NEWER:
        text = text.replace(newer, older) if flavour == server.flavour and series < since else text
    client = server.client_command("--comments", "--default-character-set=utf8mb4")
    done = subprocess.run(client, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def everything(server: ThrowawayServer) -> dict[str, object]:
    """All definitions and rows, by kind and name."""
    # One connection in bytes for definitions, one for rows: hundreds would take longer than all else.
    with server.connect(use_unicode=False) as shown, server.connect(conv={}) as rows:
        found = [*_schemas(server, shown), *_tables(server, shown, rows), *_sequences(server), *_code(server, shown)]
    return dict(found)


def same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    differing = {name: (one[name], other[name]) for name in one if one[name] != other[name]}
    assert not differing, "\n".join(f"{name}:\n  {a}\n  {b}" for name, (a, b) in differing.items())


def _shown(connection: Connection[Any], kind: str, *names: str) -> tuple[bytes, ...]:
    """In bytes: a definition may hold several character sets."""
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW CREATE {kind} {quoted(*names)}")
        (row,) = cursor.fetchall()
        return tuple(row)


def _schemas(server: ThrowawayServer, shown: Connection[Any]) -> Iterator[tuple[str, object]]:
    asked = f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {SYSTEM}"
    for (name,) in server.run(asked):
        yield f"schema {name}", _shown(shown, "DATABASE", name)


def _tables(server: ThrowawayServer, shown: Connection[Any], rows: Connection[Any]) -> Iterator[tuple[str, object]]:
    asked = (
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        f"WHERE table_type <> 'SEQUENCE' AND table_schema NOT IN {SYSTEM}"
    )
    columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in server.run(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema NOT IN {SYSTEM} ORDER BY table_schema, table_name, ordinal_position"
    ):
        columns.setdefault((schema, table), []).append((column, str(kind).lower()))
    for schema, table, kind in server.run(asked):
        if kind == "VIEW":
            yield f"view {schema}.{table}", _shown(shown, "VIEW", schema, table)
        else:
            yield (
                f"table {schema}.{table}",
                (
                    _shown(shown, "TABLE", schema, table),
                    _digest(rows, schema, table, columns[schema, table], versioned=kind == "SYSTEM VERSIONED"),
                ),
            )


def _digest(
    connection: Connection[Any], schema: str, table: str, columns: list[tuple[str, str]], *, versioned: bool
) -> str:
    """SHA-256 over all rows, invisible columns and history among them, to the last bit: FLOAT shows six digits only."""
    chosen = [_exactly(name, kind) for name, kind in columns]
    names = {name for name, _ in columns}
    if versioned and "rs" not in names:
        chosen += ["ROW_START", "ROW_END"]
    history = " FOR SYSTEM_TIME ALL" if versioned else ""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute(f"SELECT {', '.join(chosen)} FROM {quoted(schema, table)}{history}")
        rows = sorted(map(repr, cursor.fetchall()))
    return f"{len(rows)} rows, {hashlib.sha256(chr(10).join(rows).encode()).hexdigest()}"


def _exactly(name: str, kind: str) -> str:
    if kind in _TEXTS or kind in _BYTES:
        return f"HEX({quoted(name)})"
    return f"{quoted(name)} + 0e0" if kind == "float" else quoted(name)


def _sequences(server: ThrowawayServer) -> Iterator[tuple[str, object]]:
    for schema, name in server.run(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'SEQUENCE'"
    ):
        yield f"sequence {schema}.{name}", server.run(f"SELECT * FROM {quoted(schema, name)}")


def _code(server: ThrowawayServer, connection: Connection[Any]) -> Iterator[tuple[str, object]]:
    asked = {
        "TRIGGER": "SELECT trigger_schema, trigger_name, 'TRIGGER', action_order FROM information_schema.triggers "
        f"WHERE trigger_schema NOT IN {SYSTEM}",
        "ROUTINE": "SELECT routine_schema, routine_name, routine_type, security_type FROM information_schema.routines "
        f"WHERE routine_schema NOT IN {SYSTEM}",
        "EVENT": "SELECT event_schema, event_name, 'EVENT', status FROM information_schema.events "
        f"WHERE event_schema NOT IN {SYSTEM}",
    }
    for statement in asked.values():
        for schema, name, kind, more in server.run(statement):
            shown = _shown(connection, kind, schema, name)
            # The last column of a trigger is when it was made.
            yield f"{kind} {schema}.{name}", (more, *(shown[:-1] if kind == "TRIGGER" else shown))


def accounts(server: ThrowawayServer, *but: str) -> dict[str, object]:
    """Every statement about every account but root and the server's own."""
    setting = ", print_identified_with_as_hex = ON" if server.flavour == "mysql" else ""
    found: dict[str, object] = {}
    for user, host in server.run("SELECT user, host FROM mysql.user"):
        if user in {*but, "root"} or str(user).startswith(("mysql.", "mariadb.")):
            continue
        name = f"{quoted(user)}@{quoted(host)}" if host else quoted(user).replace("`PUBLIC`", "PUBLIC")
        found[name] = sorted(server.run(f"SET SESSION sql_mode = ''{setting}", f"SHOW GRANTS FOR {name}"))
        if host:
            found[name + " itself"] = server.run(f"SET SESSION sql_mode = ''{setting}", f"SHOW CREATE USER {name}")
    return found
