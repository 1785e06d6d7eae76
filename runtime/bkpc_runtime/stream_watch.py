"""Watches a stream: what an operator must know goes to the log, and all of it into the agent's folder for `status`."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime.steps.log_state import StoreState, StreamState
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.work_folder import publish

log = logging.getLogger(__name__)
_LOOK = 0.5
_AGAIN = 60.0
"""Seconds before the same is said again."""


class StreamWatch:
    """`run` until `end`; `folder` is the stream's own."""

    def __init__(self, stream: contract.Stream, running: LogStream, folder: Path) -> None:
        self._stream, self._running, self._folder = stream, running, folder
        self._end = threading.Event()
        self._told: set[str] = set()
        self._said: dict[str, float] = {}

    def end(self) -> None:
        self._end.set()

    def run(self) -> None:
        while not self._end.wait(_LOOK):
            self._look()
        self._look()

    def _look(self) -> None:
        state = self._running.state()
        publish(self._folder, state)
        for store in state.stores:
            self._store(state, store)
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
