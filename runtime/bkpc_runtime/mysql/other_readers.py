"""Who else reads the binlog of a server as this one's user: another agent of the plan, of which nobody tells.

The server knows: two agents in two folders, or on two machines, see nothing of each other, and a user sees its own
connections without any privilege.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pymysql.connections import Connection

from bkpc_runtime.mysql.connection import query

_own: WeakKeyDictionary[Connection[Any], str] = WeakKeyDictionary()
"""Connections on which this process reads a binlog, and of which server: each server numbers its own from 1."""
_lock = threading.Lock()
_READS = {"Binlog Dump", "Binlog Dump GTID"}


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection, from where it comes, and for how many seconds it has read."""

    number: int
    host: str
    seconds: int


def reads_here(connection: Connection[Any], server: str) -> None:
    """It is this process that reads on it, from the server of that identity."""
    with _lock:
        _own[connection] = server


def other_readers(connection: Connection[Any], server: str) -> list[Reader]:
    """Those of the same user at the server of that identity that are not this process's."""
    with _lock:
        own = {_number(one) for one, its in _own.items() if its == server and one.open}
    rows = [tuple(row)[:6] for row in query(connection, "SHOW PROCESSLIST")]
    users = {user for number, user, *_ in rows if int(number) == _number(connection)}
    return [
        Reader(int(number), _without_port(str(host)), int(seconds or 0))
        for number, user, host, _, command, seconds in rows
        if user in users and command in _READS and int(number) not in own
    ]


def _number(connection: Connection[Any]) -> int:
    return int(connection.thread_id())  # type: ignore[no-untyped-call]


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
