"""The agent: every stream of a plan on a thread of its own, and jobs when they are due, until told to stop."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import due_jobs, run_job, stream_of
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_LOOK = 20.0
_RETRY = 15.0


class Agent:
    """Runs a plan on one machine. `run` returns after `stop` is set and the streams have flushed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._retry_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._undelivered: list[str] = []

    def run(self, stop: threading.Event) -> bool:
        """Returns whether everything that was received is durable in every store."""
        threads = [
            threading.Thread(target=self._stream, args=(stream, store, stop), name=f"{stream.id} to {store}")
            for stream in self._world.plan.streams
            for store in stream.stores
        ]
        for thread in threads:
            thread.start()
        while not stop.is_set():
            self._do_due_jobs(stop)
            stop.wait(_LOOK)
        for thread in threads:
            thread.join()
        return not self._undelivered

    def _stream(self, stream: contract.Stream, store: str, stop: threading.Event) -> None:
        """Until stopped: a failure of any kind is told and the stream is begun again."""
        while not stop.is_set():
            try:
                running = stream_of(self._world, stream, store)
                watching = threading.Thread(target=self._watch, args=(stream, running, stop), daemon=True)
                watching.start()
                if not running.run(stop):
                    self._undelivered.append(f"{stream.id} to {store}")
            except RuntimeFailure as problem:
                log.error("stream %s: %s %s", stream.id, problem, problem.help)
            except Exception:
                log.exception("stream %s", stream.id)
            stop.wait(0 if stop.is_set() else _RETRY)

    def _watch(self, stream: contract.Stream, running: LogStream, stop: threading.Event) -> None:
        """Tells when the stream has begun, and when it lags more than the policy allows."""
        told = False
        warned = 0.0
        while not stop.wait(0.5):
            state = running.state()
            if state.received and state.connected and not told:
                log.info("streaming %s to %s from %s", stream.database, running.store.name, state.received.text)
                told = True
            limit = stream.lag_warn_ms
            if limit and state.lag_seconds * 1000 > limit and time.monotonic() - warned > 60:
                warned = time.monotonic()
                lag, allowed = state.lag_seconds, limit / 1000
                log.warning("stream %s to %s lags %.0f s (warn at %.0f s)", stream.id, running.store.name, lag, allowed)

    def _do_due_jobs(self, stop: threading.Event) -> None:
        try:
            due = due_jobs(self._world, self._world.plan.jobs, datetime.now(UTC))
        except RuntimeFailure as problem:
            log.error("can't look for due jobs: %s %s", problem, problem.help)
            return
        for job in due:
            if stop.is_set() or time.monotonic() < self._retry_at.get(job.id, 0):
                continue
            try:
                log.info("%s", run_job(self._world, job))
                self._failures.pop(job.id, None)
            except RuntimeFailure as problem:
                self._postpone(job, problem)

    def _postpone(self, job: contract.Job, problem: RuntimeFailure) -> None:
        failures = self._failures[job.id] = self._failures.get(job.id, 0) + 1
        pause = job.retry.pause_ms / 1000 * 2 ** min(failures - 1, 6)
        self._retry_at[job.id] = time.monotonic() + pause
        log.error("%s failed, again in %.0f s: %s %s", job.id, pause, problem, problem.help)
