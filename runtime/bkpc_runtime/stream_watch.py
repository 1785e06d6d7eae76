"""Watches a stream: what an operator must know goes to the log, and all of it into the agent's folder for `status`."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import identity_of
from bkpc_runtime.mysql.other_readers import Reader, other_readers
from bkpc_runtime.mysql.semi_sync import SemiSync, not_in_force, read_semi_sync
from bkpc_runtime.steps.log_state import StoreState, StreamState
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.work_folder import publish

log = logging.getLogger(__name__)
_LOOK = 0.5
_SYNC_LOOK = 2.0
_SERVER_LOOK = 10.0
_LOOKS = 2
_COMMITS_WAIT = 3.0
_AGAIN = 60.0
"""Seconds before the same is said again."""


class SyncWatch:
    """Asks the server, every other second, whether commits really wait: it stops to do so without telling anybody."""

    def __init__(self, name: str, running: LogStream) -> None:
        self._name, self._running = name, running
        self._not_waited: int | None = None
        self._said = ""
        self._said_at = 0.0
        self.problem = ""

    def run(self, end: threading.Event) -> None:
        connection: Connection[Any] | None = None
        while not end.wait(_SYNC_LOOK):
            try:
                connection = connection or self._running.connect()
                self._look(read_semi_sync(connection, self._running.facts))
            except RuntimeFailure as failure:
                self.problem = f"the server can't be asked whether commits wait: {failure}"
                if connection:
                    connection._force_close()  # type: ignore[attr-defined]
                connection = None
        if connection:
            connection.close()

    def _look(self, state: SemiSync) -> None:
        self.problem = not_in_force(state)
        if state.enabled and self._running.state().sync == "not asked":
            self._running.reconnect()  # a connection from before it was switched on stays what it was
        now = time.monotonic()
        if self.problem and (not self._said or now - self._said_at > _AGAIN):
            log.error("stream %s: ALARM: COMMITS DO NOT WAIT FOR STORES: %s", self._name, self.problem)
            self._said, self._said_at = self.problem, now
        elif self._said and not self.problem:
            log.warning("stream %s: commits wait for stores again", self._name)
            self._said = ""
        if self._not_waited is not None and state.not_waited > self._not_waited:
            text = "stream %s: ALARM: %d commits have returned without waiting for anybody"
            log.error(text, self._name, state.not_waited - self._not_waited)
        self._not_waited = state.not_waited


class ServerWatch:
    """Asks, over a connection of its own, whether the address still leads to the server that is streamed from: a name
    that was given to another one breaks no connection, and the old server may live on as its replica. And whether
    another agent reads the same log, which neither would see else."""

    def __init__(self, name: str, running: LogStream) -> None:
        self._name, self._running = name, running
        self._seen: dict[int, int] = {}
        self.others: tuple[str, ...] = ()

    def run(self, end: threading.Event) -> None:
        while not end.wait(_SERVER_LOOK):
            with contextlib.suppress(RuntimeFailure):  # the stream itself tells of a server that does not answer
                self.look()

    def look(self) -> None:
        connection = self._running.connect()
        try:
            identity = identity_of(connection)
            self._look_for_others(other_readers(connection, identity))
        finally:
            connection.close()
        if identity != self._running.facts.identity:
            log.warning("stream %s: its address leads to another server now: %s", self._name, identity)
            self._running.reconnect()

    def _look_for_others(self, found: Sequence[Reader]) -> None:
        """One that is there for a moment has asked for the beginning of a binlog, or is a dead connection of ours."""
        self._seen = {one.number: self._seen.get(one.number, 0) + 1 for one in found}
        there = {one.host: one.seconds for one in found if self._seen[one.number] > _LOOKS}
        told = {host: datetime.fromtimestamp(time.time() - seconds, UTC) for host, seconds in there.items()}
        others = tuple(f"{host} since {since:%Y-%m-%d %H:%M} UTC" for host, since in sorted(told.items()))
        if others and not self.others:
            text = "stream %s: another agent reads this log, too, and stores it again: from %s; stop one of them"
            log.warning(text, self._name, ", ".join(others))
        self.others = others


class StreamWatch:
    """`run` until `end`; `folder` is the stream's own."""

    def __init__(self, stream: contract.Stream, running: LogStream, folder: Path) -> None:
        self._stream, self._running, self._folder = stream, running, folder
        self._end = threading.Event()
        self._told: set[str] = set()
        self._said: dict[str, float] = {}
        self._sync = SyncWatch(stream.id, running) if stream.sync else None
        self._server = ServerWatch(stream.id, running)

    def end(self) -> None:
        self._end.set()

    def run(self) -> None:
        watches = [self._server.run, *([self._sync.run] if self._sync else [])]
        for watch in watches:
            threading.Thread(target=watch, args=(self._end,), daemon=True).start()
        while not self._end.wait(_LOOK):
            self._look()
        self._look()

    def _look(self) -> None:
        state = replace(self._running.state(), others=self._server.others)
        if self._sync:
            state = replace(state, sync_problem=self._sync.problem)
        publish(self._folder, state)
        for store in state.stores:
            self._store(state, store)
        if state.commit_waits > _COMMITS_WAIT:
            text = "stream %s: COMMITS HAVE BEEN WAITING for stores for %.0f s: %s"
            self._say("commits", text, self._stream.id, state.commit_waits, state.failure or "they are slow")
        if state.degraded_since:
            text = "stream %s: DEGRADED for %.0f s: commits return without being stored: %s"
            self._say("degraded", text, self._stream.id, time.time() - state.degraded_since, state.failure)
        if state.pausing:
            self._say("pausing", "stream %s: NO LOG IS READ: %s", self._stream.id, state.pausing)

    def _store(self, state: StreamState, store: StoreState) -> None:
        if state.received and state.connected and store.store not in self._told and not store.behind:
            log.info("streaming %s to %s from %s", self._stream.database, store.store, state.received.text)
            self._told.add(store.store)
        limit = self._stream.lag_warn_ms
        if limit and store.lag_seconds * 1000 > limit:
            text = "stream %s to %s lags %.0f s (warn at %.0f s)"
            self._say(f"lag {store.store}", text, self._stream.id, store.store, store.lag_seconds, limit / 1000)

    def _say(self, what: str, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._said.get(what, -_AGAIN) >= _AGAIN:
            self._said[what] = now
            log.warning(text, *values)
