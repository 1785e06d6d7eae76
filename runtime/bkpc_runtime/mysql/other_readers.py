"""Who else reads the binlog of a server as this one's user: another agent of the plan, of which nobody tells.

The server knows: two agents in two folders, or on two machines, see nothing of each other, and a user sees its own
connections without any privilege.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import query

_own: set[int] = set()
"""Numbers of connections on which this process has read a binlog."""
_READS = {"Binlog Dump", "Binlog Dump GTID"}


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection, from where it comes, and for how many seconds it has read."""

    number: int
    host: str
    seconds: int


def reads_here(connection: Connection[Any]) -> None:
    """It is this process that reads on it."""
    _own.add(_number(connection))


def other_readers(connection: Connection[Any]) -> list[Reader]:
    """Those of the same user that are not this process's."""
    rows = [tuple(row)[:6] for row in query(connection, "SHOW PROCESSLIST")]
    users = {user for number, user, *_ in rows if int(number) == _number(connection)}
    return [
        Reader(int(number), _without_port(str(host)), int(seconds or 0))
        for number, user, host, _, command, seconds in rows
        if user in users and command in _READS and int(number) not in _own
    ]


def _number(connection: Connection[Any]) -> int:
    return int(connection.thread_id())  # type: ignore[no-untyped-call]


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
