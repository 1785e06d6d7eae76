"""The agent: streams of a plan, and jobs when they are due, each on a thread of its own, until told to stop.

What fails or hangs keeps nothing else from running.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime import events
from bkpc_runtime.drilling import DrillWatch
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import stream_of
from bkpc_runtime.lanes import Lane, Retries, Upkeep, break_off
from bkpc_runtime.room import MEMORY, MOST, Room, by_database, lanes_of, most_at_once
from bkpc_runtime.settings.unlocked import unlocked
from bkpc_runtime.steps.log_group import AnotherServer
from bkpc_runtime.steps.log_leftover import deliver_leftover
from bkpc_runtime.steps.log_spool import LIMIT
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.stream_watch import StreamWatch
from bkpc_runtime.work_folder import held, stream_folder
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_RETRY = 15.0
_AT_ONCE = 0.5
_LOOK = 0.5


class Agent:
    """Runs a plan on one machine; `work` is its folder on local disk. `run` returns after `stop` is set, the jobs under
    way are done, and the streams have flushed."""

    def __init__(self, world: World, work: Path, spool_limit: int = LIMIT) -> None:
        self._world, self._work, self._spool_limit = world, work, spool_limit
        self._undelivered: list[str] = []
        self._running: dict[str, LogStream] = {}
        self._working: Sequence[threading.Thread] = ()

    def run(self, stop: threading.Event, over: threading.Event | None = None) -> bool:
        """Returns whether everything that was received is durable in every store. Once `over` is set no job is begun
        any more, and a drill ends; log is taken until those under way are done, and then it sets `stop` itself.

        Raises:
            BadUsage: another agent is at work in this one's folder.
        """
        streams = self._world.plan.streams
        with contextlib.ExitStack() as folders:
            for stream in streams:
                folders.enter_context(held(stream_folder(self._work, stream.id)))
            threads = [threading.Thread(target=self._stream, args=(one, stop), name=one.id) for one in streams]
            no_more = threading.Event()
            drills = DrillWatch(self._world, self._work)
            threads.append(threading.Thread(target=drills.run, args=(no_more,), name="drills"))
            room = Room(self._world.plan.jobs, self._world.clock)
            self._tell_memory()
            lanes = list(self._lanes(room, no_more))
            for thread in (*threads, *lanes, *self._beside(no_more)):
                thread.start()
            self._working = (*threads, *lanes)
            while not stop.wait(_LOOK) and not (over and over.is_set()):
                pass
            no_more.set()
            if not stop.is_set():
                self._working = threads
                _wait_for(room, lanes, stop)
            self._working = ()
            self._finish(room, lanes)
            stop.set()
            for thread in threads:
                thread.join()
        return not self._undelivered

    def _tell_memory(self) -> None:
        """A plan may have more at once than fit into what an agent is said to need."""
        most = most_at_once(self._world.plan.jobs, self._world.clock())
        if most > MOST:
            log.info("up to %d images and copies run at once: some %d MiB of memory each", most, MEMORY)

    def ailing(self) -> str:
        """Why it does not do its work, as a whole; empty if it does."""
        if not self._working:
            return "not begun yet, or stopping"
        dead = [thread.name for thread in self._working if not thread.is_alive() and thread.name != "drills"]
        return f"ended: {', '.join(dead)}" if dead else ""

    def _lanes(self, room: Room, stop: threading.Event) -> Iterator[threading.Thread]:
        retries = Retries()
        for name, jobs in lanes_of(self._world.plan, self._world.plan.jobs).items():
            lane = Lane(self._world, jobs, room, retries, partial(self._epochs, {job.database for job in jobs}))
            yield threading.Thread(target=lane.run, args=(stop,), name=name, daemon=True)

    def _epochs(self, databases: Collection[str]) -> object:
        """What says that their log goes on, or has broken off: then an image may be due at once."""
        found = {}
        for stream in self._world.plan.streams:
            running = self._running.get(stream.id)
            if running and stream.database in databases:
                epochs = tuple((one.store, one.epoch) for one in running.state().stores)
                found[stream.id] = (running.facts.identity, epochs)
        return found

    def _beside(self, stop: threading.Event) -> Iterator[threading.Thread]:
        """What may be broken off at any moment, and nobody waits for."""
        retries = Retries()
        for database, jobs in by_database(self._world.plan.jobs).items():
            upkeep = Upkeep(self._world, jobs, retries)
            yield threading.Thread(target=upkeep.run, args=(stop,), name=f"upkeep of {database}", daemon=True)
        yield threading.Thread(target=self._locks, name="locks", daemon=True)

    def _stream(self, stream: contract.Stream, stop: threading.Event) -> None:
        """Until stopped: a failure of any kind is told and the stream is begun again."""
        folder = stream_folder(self._work, stream.id)
        self._deliver_leftover(stream, folder)
        while not stop.is_set():
            pause = _RETRY
            try:
                running = stream_of(self._world, stream, folder, self._spool_limit)
                self._running[stream.id] = running
                with events.step(stream.id, "stream", stream.database), _watched(stream, running, folder):
                    stored = running.run(stop)
                if not stored:
                    self._undelivered.append(stream.id)
            except AnotherServer as problem:
                log.warning("stream %s: %s; %s", stream.id, problem, problem.help)
                pause = _AT_ONCE
            except RuntimeFailure as problem:
                log.error("stream %s: %s %s", stream.id, problem, problem.help)
            except Exception:
                log.exception("stream %s", stream.id)
            stop.wait(0 if stop.is_set() else pause)

    def _deliver_leftover(self, stream: contract.Stream, folder: Path) -> None:
        try:
            stores = [self._world.store(name) for name in stream.stores]
            deliver_leftover(folder, stores, stream.database)
        except Exception:
            log.exception("what an earlier agent left")

    def _locks(self) -> None:
        """Says once which buckets are not locked as the plan asks."""
        for one in self._world.plan.settings:
            try:
                if problem := unlocked(self._world, one.store):
                    log.warning("store %s: %s", one.store, problem)
            except RuntimeFailure as problem:
                log.warning("store %s: %s %s", one.store, problem, problem.help)

    def _finish(self, room: Room, lanes: Sequence[threading.Thread]) -> None:
        """Jobs under way are done to their end; told to stop again meanwhile, they are broken off."""
        if running := room.running:
            log.info("stopping when these are done: %s; stop again to break them off", ", ".join(running))
        try:
            for lane in lanes:
                lane.join()
        except BaseException:
            break_off(self._world, lanes)
            raise


def _wait_for(room: Room, lanes: Sequence[threading.Thread], stop: threading.Event) -> None:
    """Until they have ended, or the agent is told to stop meanwhile."""
    if running := room.running:
        log.info("going over to the other plan when these are done: %s; log is taken meanwhile", ", ".join(running))
    while any(lane.is_alive() for lane in lanes) and not stop.wait(_LOOK):
        pass


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
