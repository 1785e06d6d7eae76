"""Servers that a server tells of: those that take its log, and those that it takes log from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.binlog.receiver import HOST, SYNC_HOST
from bkpc_runtime.mysql.connection import query_named
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.preflight_privileges import denied

_OURS = frozenset({HOST, SYNC_HOST})
_NEW_WORDS = (8, 0, 22)
"""MySQL's version that says REPLICA."""


@dataclass(frozen=True, slots=True, order=True)
class Neighbour:
    """Another server. `host` is empty where a replica does not tell it (`report_host` is not set)."""

    host: str
    port: int
    server_id: int
    role: Literal["replica", "source"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`not_known`: which of them the account may not ask for, and the privilege that lets it."""

    found: tuple[Neighbour, ...]
    not_known: tuple[tuple[Literal["replicas", "sources"], str], ...]


def neighbours(connection: Connection[Any], facts: ServerFacts) -> Neighbours:
    """Raises `ServerFailed` where the server can't be asked."""
    mariadb = facts.flavour == "mariadb"
    old = mariadb or facts.version < _NEW_WORDS
    asked: tuple[tuple[Literal["replicas", "sources"], str, str, Callable[[dict[str, Any]], Neighbour]], ...] = (
        (
            "replicas",
            "SHOW SLAVE HOSTS" if old else "SHOW REPLICAS",
            "REPLICATION MASTER ADMIN" if mariadb else "REPLICATION SLAVE",
            _replica,
        ),
        (
            "sources",
            "SHOW ALL SLAVES STATUS" if mariadb else "SHOW SLAVE STATUS" if old else "SHOW REPLICA STATUS",
            "SLAVE MONITOR" if mariadb else "REPLICATION CLIENT",
            _source,
        ),
    )
    found: set[Neighbour] = set()
    not_known = []
    for what, statement, privilege, read in asked:
        try:
            found |= {read(row) for row in query_named(connection, statement) if _under_way(row)}
        except ServerFailed as problem:
            if not denied(problem):
                raise
            not_known.append((what, privilege))
    return Neighbours(tuple(sorted(_others(found))), tuple(not_known))


def _others(found: set[Neighbour]) -> Iterator[Neighbour]:
    """Without the streams of bkpc."""
    yield from (one for one in found if not (one.role == "replica" and one.host in _OURS))


def _under_way(row: dict[str, Any]) -> bool:
    """Not a source that was left, of which the settings remain."""
    return str(row.get("replica_io_running", row.get("slave_io_running", "Yes"))) != "No"


def _replica(row: dict[str, Any]) -> Neighbour:
    return Neighbour(str(row["host"] or ""), int(row["port"] or 0), int(row["server_id"]), "replica")


def _source(row: dict[str, Any]) -> Neighbour:
    side = "source" if "source_host" in row else "master"
    host, port, number = (row[f"{side}_{what}"] for what in ("host", "port", "server_id"))
    return Neighbour(str(host or ""), int(port or 0), int(number or 0), "source")
