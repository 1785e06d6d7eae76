"""What a table holds, as one short text to compare.

Not CHECKSUM TABLE: in MariaDB it adds up whatever lies in memory for stored generated columns, which it does not
read (MDEV-22943), so that one table may have two checksums.
"""

from __future__ import annotations

import hashlib

from tests.database_server.throwaway import ThrowawayServer

SYSTEM = "('mysql', 'sys', 'performance_schema', 'information_schema')"


def tables(server: ThrowawayServer) -> list[tuple[str, str]]:
    """Schema and name of every table that is not the server's own."""
    rows = server.run(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        f"AND table_schema NOT IN {SYSTEM} ORDER BY 1, 2"
    )
    return [(str(schema), str(name)) for schema, name in rows]


def quoted(*names: str) -> str:
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def digest(server: ThrowawayServer, schema: str, table: str) -> str:
    """SHA-256 over all rows, in the order of their texts; cut to 12 digits."""
    rows = sorted(map(repr, server.run(f"SELECT * FROM {quoted(schema, table)}")))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def digests(server: ThrowawayServer) -> dict[str, str]:
    """Of every table, by its full name."""
    return {f"{schema}.{table}": digest(server, schema, table) for schema, table in tables(server)}
