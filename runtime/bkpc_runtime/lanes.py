"""Jobs on threads of their own: until told to stop, as the agent does them, or once, as `apply` does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import can_begin, due_jobs, due_upkeep, keep_up, run_job
from bkpc_runtime.room import Room, by_database, lanes_of
from bkpc_runtime.schedule import first_start, last_start
from bkpc_runtime.turns import fulls_beside, waits_for
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_LOOK = 20.0
_AGAIN = 60.0
_NOW_AND_THEN = 600.0
"""Seconds between looks into stores in which nothing is known to have changed."""
_SOON, _HOUR = timedelta(minutes=10), timedelta(hours=1)
"""The names of a log have been looked through in the first: of a week of objects of a second those are 600 answers."""
_CLEARING = 60.0
"""Seconds in which a job that is broken off clears away what it left."""
Told = Callable[[str | RuntimeFailure], None]


class Retries:
    """When jobs that failed are tried again; shared by all threads."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self.successes = 0

    def may_begin(self, job: contract.Job) -> bool:
        return time.monotonic() >= self._at.get(job.id, 0)

    def next_try(self, job: contract.Job) -> float:
        """On the monotonic clock."""
        return self._at.get(job.id, 0)

    def succeeded(self, job: contract.Job) -> None:
        self._failures.pop(job.id, None)
        self.successes += 1

    def failed(self, job: contract.Job, problem: Exception) -> None:
        failures = self._failures[job.id] = self._failures.get(job.id, 0) + 1
        pause = job.retry.pause_ms / 1000 * 2 ** min(failures - 1, 6)
        self._at[job.id] = time.monotonic() + pause
        if isinstance(problem, RuntimeFailure):
            log.error("%s failed, again in %.0f s: %s %s", job.id, pause, problem, problem.help)
        else:
            log.error("%s failed, again in %.0f s", job.id, pause, exc_info=problem)


class Lane:
    """The jobs of one lane when they are due, one at a time, until told to stop.

    Stores charge for being asked: they are, at the start, after each release, when `changed` says something else than
    before, when a job is to be tried again, after one that can't be looked at, and else now and then, since others may
    write to them.
    """

    def __init__(
        self,
        world: World,
        jobs: Sequence[contract.Job],
        room: Room,
        retries: Retries,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        self._world, self._jobs, self._room, self._retries = world, jobs, room, retries
        self._changed = changed
        self._seen: tuple[object, int] | None = None
        self._looked: datetime | None = None
        self._look_at = 0.0
        self._logs_at = world.clock()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.look(stop)
            stop.wait(self._pause())

    def _pause(self) -> float:
        """Seconds until the next look: no longer than until the next planned start, or the next try; none where a start
        has come while a job was done."""
        now = self._world.clock()
        if self._released(now):
            return 0.0
        soon = now + timedelta(seconds=_LOOK)
        starts = (first_start(job.schedule, now, soon) for job in self._jobs)
        waits = [(at - now).total_seconds() for at in starts if at]
        return min(_LOOK, max(0.0, self._look_at - time.monotonic()), *waits)

    def _released(self, now: datetime) -> bool:
        """Whether a planned start has come since the last look."""
        looked = self._looked
        return looked is not None and any(last_start(job.schedule, now) > looked for job in self._jobs)

    def look(self, stop: threading.Event) -> None:
        now, seen = self._world.clock(), (self._changed(), self._retries.successes)
        if not self._has_news(now, seen):
            return
        logs = self._through_logs(now, heard=self._seen is None or seen[0] != self._seen[0])
        self._looked, self._seen, self._look_at = now, seen, time.monotonic() + _NOW_AND_THEN
        for job in self._due(now, logs=logs):
            if stop.is_set():
                return
            if until := self._waits(job):
                log.info("%s waits until %s: a full image of its server comes first", job.id, until)
                self._look_at = min(self._look_at, time.monotonic() + (until - now).total_seconds())
                continue
            if self._retries.may_begin(job):
                with _kept_going(job, self._retries):
                    self._do(job, stop)
            again, soon = self._retries.next_try(job), time.monotonic()
            self._look_at = min(self._look_at, again if again > soon else soon + _LOOK)

    def _waits(self, job: contract.Job) -> datetime | None:
        """Until when an image is not begun for the sake of others of its server."""
        return None if job.kind == "copy" else waits_for(job, fulls_beside(self._world.plan, job), self._world.clock())

    def _has_news(self, now: datetime, seen: object) -> bool:
        if self._looked is None or seen != self._seen or time.monotonic() >= self._look_at:
            return True
        return self._released(now)

    def _do(self, job: contract.Job, stop: threading.Event) -> None:
        if can_begin(self._world, job):
            with self._room.taken(job, stop) as has_room:
                if has_room:
                    log.info("%s", run_job(self._world, job))
                    self._retries.succeeded(job)

    def _due(self, now: datetime, *, logs: bool) -> list[contract.Job]:
        try:
            return due_jobs(self._world, self._jobs, now, self._unknown, logs=logs)
        except Exception:
            log.exception("can't look for due jobs")
            self._look_at = time.monotonic() + _AGAIN
            return []

    def _through_logs(self, now: datetime, *, heard: bool) -> bool:
        """Whether logs are looked through: what starts soon would have to wait for that. Where something always does,
        once an hour all the same, and when something was `heard` of a log."""
        starts = any(first_start(job.schedule, now, now + _SOON) for job in self._jobs)
        found = heard or not starts or now - self._logs_at > _HOUR
        self._logs_at = now if found else self._logs_at
        return found

    def _unknown(self, job: contract.Job, problem: RuntimeFailure) -> None:
        log.error("can't look whether %s is due: %s %s", job.id, problem, problem.help)
        self._look_at = time.monotonic() + _AGAIN


class Upkeep:
    """Verification and expiry of one database, until told to stop: nothing is lost where they are broken off."""

    def __init__(self, world: World, jobs: Sequence[contract.Job], retries: Retries) -> None:
        self._world, self._jobs, self._retries = world, jobs, retries
        self._done: dict[str, datetime] = {}

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for job in due_upkeep(self._jobs, self._done, self._world.clock()):
                if not stop.is_set() and self._retries.may_begin(job):
                    with _kept_going(job, self._retries):
                        self._do(job)
            stop.wait(_LOOK)

    def _do(self, job: contract.Job) -> None:
        began = self._world.clock()
        told = keep_up(self._world, job)
        if told:
            log.info("%s", told)
        self._retries.succeeded(job)
        self._done[job.id] = began


@contextmanager
def _kept_going(job: contract.Job, retries: Retries) -> Iterator[None]:
    """A failure of any kind is told, and keeps nobody else's job from running."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - told with its traceback
        retries.failed(job, problem)


def do_all(world: World, due: Sequence[contract.Job], kept_up: Sequence[contract.Job], told: Told) -> None:
    """Each of `due` once, those of different lanes side by side, a copy after the images it reads; then `kept_up`,
    those of different databases side by side. What each says, or why it failed, is given to `told`.

    Interrupted, the jobs are broken off and clear away what they left.
    """
    room = Room(world.plan.jobs, world.clock)
    ended = {job.id: threading.Event() for job in due}

    def do(job: contract.Job) -> None:
        try:
            for one in job.requires:
                if one in ended:
                    ended[one].wait()
            with room.taken(job, world.broken_off) as has_room:
                if has_room and (text := keep_up(world, job)):
                    told(text)
        except RuntimeFailure as problem:
            told(problem)
        finally:
            if job.id in ended:
                ended[job.id].set()

    _beside(world, [*lanes_of(world.plan, due).values()], do)
    _beside(world, [*by_database(kept_up).values()], do)


def _beside(world: World, lanes: Sequence[Sequence[contract.Job]], do: Callable[[contract.Job], None]) -> None:
    failures: list[Exception] = []

    def run(lane: Sequence[contract.Job]) -> None:
        for job in lane:
            try:
                do(job)
            except Exception as problem:  # noqa: BLE001 - raised again below, when the others are done
                failures.append(problem)

    threads = [threading.Thread(target=run, args=(lane,), name=lane[0].id, daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        break_off(world, threads)
        raise
    if failures:
        raise failures[0]


def break_off(world: World, threads: Sequence[threading.Thread]) -> None:
    """Ends the jobs under way, and waits until they have cleared away what they left."""
    world.broken_off.set()
    until = time.monotonic() + _CLEARING
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
