"""Asks a server for its time, and then where its log ends: what the log itself does not tell while nothing is written.

Whatever the server has let return by that time was in its log before, and so lies before that end: both flavours write
a transaction before they let its commit return, and tell the end under the lock under which they write. MySQL takes a
transaction's time under that lock too; MariaDB takes it before, when COMMIT begins, so one that lies behind the end
may be written with an earlier time. Nobody has seen it by then: a group that goes back to the time without it is one
point all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import NoAnswer, RuntimeFailure, ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts, current_position
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.steps.log_group import LogGroup
from bkpc_runtime.steps.log_taking_over import Connect

log = logging.getLogger(__name__)
_TURN = 0.2
_PATIENCE = 15.0
_LONGEST_PAUSE = 600.0
"""Seconds between two tries with a server that does not answer: each leaves a connection that waits there."""


def ask(connection: Connection[Any], facts: ServerFacts) -> Known:
    """The time first: what commits between both statements is later than the time, and before the end.

    Raises:
        ServerFailed: it does not answer, or another server does.
    """
    who = (
        "CONCAT('mariadb-', @@global.server_id, '-', @@global.gtid_domain_id)"
        if facts.flavour == "mariadb"
        else "@@global.server_uuid"
    )
    ((at, identity),) = query(connection, f"SELECT UTC_TIMESTAMP(6), {who}")
    if str(identity) != facts.identity:
        raise ServerFailed(f"another server answers: {identity}, not {facts.identity}", retryable=True)
    return Known(current_position(connection, facts, _PATIENCE), at.replace(tzinfo=UTC))


class Asking:
    """Asks every `period` seconds while `group` gives one that is connected, and tells it the answers."""

    def __init__(
        self, connect: Connect, facts: ServerFacts, period: float, group: Callable[[], LogGroup | None]
    ) -> None:
        self._connect, self._facts, self._period, self._group = connect, facts, period, group
        self._connection: Connection[Any] | None = None
        self._ended = threading.Event()
        self._pause = 0.0
        self.failure = ""
        """Why the server does not say; empty while it does."""

    def start(self, over: Callable[[], bool]) -> None:
        threading.Thread(target=self._run, args=(over,), name="asking the server", daemon=True).start()

    def end(self) -> None:
        """A server that does not answer is not waited for."""
        self._ended.set()

    def _run(self, over: Callable[[], bool]) -> None:
        due = time.monotonic()
        while not over() and not self._ended.wait(max(0.0, due - time.monotonic())):
            group = self._group()
            if group and group.connected:
                due = max(due + self._period, time.monotonic())
                self._turn(group)
                if self._pause:
                    due = time.monotonic() + self._pause
            else:
                due = time.monotonic() + min(_TURN, self._period)
        self._close()

    def _turn(self, group: LogGroup) -> None:
        """What this group has read by now is before what the server answers: else its log was begun anew."""
        session, read = group.session, group.cutter.boundary
        try:
            known = self._asked()
        except Exception as problem:  # a thread that died would leave the group in the dark
            if not isinstance(problem, RuntimeFailure):
                log.exception("asking the server")
            silent = isinstance(problem, NoAnswer)
            self._pause = min(max(_PATIENCE, 2 * self._pause), _LONGEST_PAUSE) if silent else 0.0
            self._close()
            self._failed(str(problem) or repr(problem))
        else:
            self._pause = 0.0
            self._failed("")
            group.answered(session, read, known)

    def _asked(self) -> Known:
        """Again over a new connection where the old one was lost: a server may end what says nothing for a while."""
        if self._connection is not None:
            try:
                return ask(self._connection, self._facts)
            except NoAnswer:
                raise
            except ServerFailed:
                self._close()
        self._connection = self._connect()
        self._connection._read_timeout = _PATIENCE  # type: ignore[attr-defined]
        return ask(self._connection, self._facts)

    def _failed(self, problem: str) -> None:
        if problem != self.failure:
            self.failure = problem
            if problem:
                log.warning("the server does not say until when its log is complete: %s", problem)

    def _close(self) -> None:
        if self._connection:
            with suppress(Exception):
                self._connection.close()
        self._connection = None
