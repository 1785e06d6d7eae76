"""Statements that need a table for themselves, on a server that is in service.

While such a statement waits for a transaction that has used the table, all that comes after it waits behind it, readers
too, for as long as somebody leaves that transaction open. So it waits for a moment only, lets them pass, and comes
again.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query

log = logging.getLogger(__name__)
Table = tuple[str, str]
_AT_ONCE = 2
"""Seconds that others wait behind it at most."""
_PAUSE = 4.0
_PATIENCE = 600.0
_SAID = 30.0
_SHOWN = 3
_TIMED_OUT = "(error 1205)"
_LOCKS = (
    "SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_command, t.processlist_time "
    "FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id "
    "WHERE m.object_type = 'TABLE' AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID() "
    "AND m.object_schema = %s AND m.object_name = %s"
)
_LOCKS_BY_PLUGIN = (
    "SELECT p.id, p.user, p.host, p.command, p.time FROM information_schema.metadata_lock_info m "
    "JOIN information_schema.processlist p ON p.id = m.thread_id "
    "WHERE p.id <> CONNECTION_ID() AND m.table_schema = %s AND m.table_name = %s"
)
"""MariaDB's, which may be there; its performance_schema is off mostly."""
_ANY = (
    "SELECT p.id, p.user, p.host, p.command, p.time FROM information_schema.innodb_trx x "
    "JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id WHERE p.id <> CONNECTION_ID() "
    "ORDER BY x.trx_started"
)


def patiently(into: Connection[Any], statement: str, table: Table) -> None:
    """Runs it once nobody uses the table, asking again and again for ten minutes.

    Raises:
        ServerFailed: somebody has not let go of it: nothing was changed.
    """
    until, said_at = time.monotonic() + _PATIENCE, 0.0
    (before,) = query(into, "SELECT @@SESSION.lock_wait_timeout")[0]
    query(into, f"SET SESSION lock_wait_timeout = {_AT_ONCE}")
    try:
        while True:
            try:
                query(into, statement)
                return
            except ServerFailed as problem:
                if _TIMED_OUT not in str(problem):
                    raise
            words, now = f"{'.'.join(table)} is in use: {users_of(into, table)}", time.monotonic()
            if now >= until:
                raise ServerFailed(words, help="end that (KILL and its number), and run it again", retryable=True)
            if now - said_at >= _SAID:
                said_at = now
                text = (
                    "%s; tried again for %.0f min, and nobody waits behind it meanwhile; to go on: KILL and its number"
                )
                log.warning(text, words, max(1.0, (until - now) / 60))
            time.sleep(_PAUSE)
    finally:
        with suppress(ServerFailed):  # a connection that was lost, or interrupted, is not what there is to tell
            query(into, f"SET SESSION lock_wait_timeout = {int(before)}")


def users_of(into: Connection[Any], table: Table) -> str:
    """Which connections have used a table in transactions that are open, as far as the server tells."""
    for asked in (_LOCKS, _LOCKS_BY_PLUGIN):
        if found := _rows(into, asked, table):
            return f"open transactions have it: {_words(found)}"
    found = _rows(into, _ANY)
    return f"one of the open transactions has it: {_words(found)}" if found else "SHOW PROCESSLIST may tell by whom"


def _rows(into: Connection[Any], asked: str, values: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    try:
        return list(dict.fromkeys(query(into, asked, values)))
    except ServerFailed:  # no such plugin, or no privilege
        return []


def _words(found: list[tuple[Any, ...]]) -> str:
    told = [
        f"connection {number} ({user}@{host}, {command} for {seconds} s)"
        for number, user, host, command, seconds in found[:_SHOWN]
    ]
    return ", ".join(told) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
