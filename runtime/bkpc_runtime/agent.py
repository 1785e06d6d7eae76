"""The agent: every stream of a plan on a thread of its own, and jobs when they are due, until told to stop."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime.drilling import DrillWatch
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import due_jobs, due_upkeep, keep_up, run_job, stream_of
from bkpc_runtime.settings.unlocked import unlocked
from bkpc_runtime.steps.log_leftover import deliver_leftover
from bkpc_runtime.steps.log_spool import LIMIT
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.stream_watch import StreamWatch
from bkpc_runtime.work_folder import held, stream_folder
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_LOOK = 20.0
_RETRY = 15.0


class Agent:
    """Runs a plan on one machine; `work` is its folder on local disk. `run` returns after `stop` is set and the
    streams have flushed."""

    def __init__(self, world: World, work: Path, spool_limit: int = LIMIT) -> None:
        self._world, self._work, self._spool_limit = world, work, spool_limit
        self._retry_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._undelivered: list[str] = []

    def run(self, stop: threading.Event) -> bool:
        """Returns whether everything that was received is durable in every store.

        Raises:
            BadUsage: another agent is at work in this one's folder.
        """
        streams = self._world.plan.streams
        with contextlib.ExitStack() as folders:
            for stream in streams:
                folders.enter_context(held(stream_folder(self._work, stream.id)))
            threads = [threading.Thread(target=self._stream, args=(one, stop), name=one.id) for one in streams]
            drills = DrillWatch(self._world, self._work)
            threads.append(threading.Thread(target=drills.run, args=(stop,), name="drills"))
            for thread in threads:
                thread.start()
            threading.Thread(target=self._keep_up, args=(stop,), name="upkeep", daemon=True).start()
            while not stop.is_set():
                self._do_due_jobs(stop)
                stop.wait(_LOOK)
            for thread in threads:
                thread.join()
        return not self._undelivered

    def _stream(self, stream: contract.Stream, stop: threading.Event) -> None:
        """Until stopped: a failure of any kind is told and the stream is begun again."""
        folder = stream_folder(self._work, stream.id)
        self._deliver_leftover(stream, folder)
        while not stop.is_set():
            try:
                running = stream_of(self._world, stream, folder, self._spool_limit)
                with _watched(stream, running, folder):
                    stored = running.run(stop)
                if not stored:
                    self._undelivered.append(stream.id)
            except RuntimeFailure as problem:
                log.error("stream %s: %s %s", stream.id, problem, problem.help)
            except Exception:
                log.exception("stream %s", stream.id)
            stop.wait(0 if stop.is_set() else _RETRY)

    def _deliver_leftover(self, stream: contract.Stream, folder: Path) -> None:
        try:
            stores = [self._world.store(name) for name in stream.stores]
            deliver_leftover(folder, stores, stream.database)
        except Exception:
            log.exception("what an earlier agent left")

    def _do_due_jobs(self, stop: threading.Event) -> None:
        try:
            due = due_jobs(self._world, self._world.plan.jobs, self._world.clock())
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

    def _keep_up(self, stop: threading.Event) -> None:
        """Verification and expiry, beside the jobs that have a slot: nothing is lost where they are broken off."""
        for one in self._world.plan.settings:
            try:
                if problem := unlocked(self._world, one.store):
                    log.warning("store %s: %s", one.store, problem)
            except RuntimeFailure as problem:
                log.warning("store %s: %s %s", one.store, problem, problem.help)
        done: dict[str, datetime] = {}
        while not stop.is_set():
            for job in due_upkeep(self._world.plan.jobs, done, self._world.clock()):
                if stop.is_set() or time.monotonic() < self._retry_at.get(job.id, 0):
                    continue
                began = self._world.clock()
                try:
                    told = keep_up(self._world, job)
                    if told:
                        log.info("%s", told)
                    self._failures.pop(job.id, None)
                    done[job.id] = began
                except RuntimeFailure as problem:
                    self._postpone(job, problem)
                except Exception:
                    log.exception("%s", job.id)
                    done[job.id] = began
            stop.wait(_LOOK)

    def _postpone(self, job: contract.Job, problem: RuntimeFailure) -> None:
        failures = self._failures[job.id] = self._failures.get(job.id, 0) + 1
        pause = job.retry.pause_ms / 1000 * 2 ** min(failures - 1, 6)
        self._retry_at[job.id] = time.monotonic() + pause
        log.error("%s failed, again in %.0f s: %s %s", job.id, pause, problem, problem.help)


@contextlib.contextmanager
def _watched(stream: contract.Stream, running: LogStream, folder: Path) -> Iterator[None]:
    """Says how the stream stands, in the log and for `status`, while the block runs."""
    watch = StreamWatch(stream, running, folder)
    watching = threading.Thread(target=watch.run, name=f"watching {stream.id}", daemon=True)
    watching.start()
    try:
        yield
    finally:
        watch.end()
        watching.join()
