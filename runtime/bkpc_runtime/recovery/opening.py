"""Whether the tables of restored data files can be read: an inventory knows only their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from bkpc_runtime.errors import DamagedBackup, ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository.manifest import Manifest

_NAMED = 5
_REACH_OUT = "('FEDERATED', 'CONNECT', 'SPIDER', 'MRG_MyISAM')"
"""Engines whose tables read those of others."""


def unreadable(manifest: Manifest, target: Target) -> list[str]:
    """Tables from which no row can be read, each with what the server says; not those of whose rows the source could
    not tell either."""
    return list(_unreadable(manifest, target))


def _unreadable(manifest: Manifest, target: Target) -> Iterator[str]:
    with closing(target.connect()) as connection:
        rows = query(
            connection,
            "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_type IN "
            f"('BASE TABLE', 'SYSTEM VERSIONED') AND {not_system('table_schema')} "
            f"AND COALESCE(engine, '') NOT IN {_REACH_OUT} ORDER BY 1, 2",
        )
        for schema, name, kind in rows:
            if kind == "BASE TABLE" and str(name) not in manifest.rows.get(str(schema), {}):
                continue
            try:
                query(connection, f"SELECT 1 FROM {quote(str(schema), str(name))} LIMIT 1")
            except ServerFailed as problem:
                yield f"{schema}.{name} ({problem})"


def refuse_unreadable(found: list[str], *, help: str = "") -> None:  # noqa: A002
    """Raises DamagedBackup where there is one."""
    if found:
        more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise DamagedBackup(f"no row can be read of {', '.join(found[:_NAMED])}{more}", help=help)
