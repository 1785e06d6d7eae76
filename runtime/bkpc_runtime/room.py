"""Which images and copies run side by side: those whose slots the plan lets overlap, and others where there is room."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from bkpc_grammar import plan as contract
from bkpc_runtime.schedule import last_start
from bkpc_runtime.turns import servers_of

log = logging.getLogger(__name__)
MOST = 8
"""Images and copies beside which none that is late begins: each holds memory of its own."""
MEMORY = 20
"""MiB that each holds, at most."""
_LOOK = 0.5


class Room:
    """What the jobs that run hold of the plan's resources. `jobs`: all of the plan.

    A job in its slot begins at once, however many run: the plan has reserved for it. One that is late has no
    reservation any more; it begins where few run, and it takes no more, together with all of them, than the plan is
    known to reserve at some moment.
    """

    def __init__(self, jobs: Sequence[contract.Job], clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known = most_reserved(jobs, clock())
        self._held: dict[str, int] = {}
        self._running: set[str] = set()
        self._changed = threading.Condition()

    @property
    def running(self) -> Sequence[str]:
        """The ids of the jobs that run."""
        with self._changed:
            return sorted(self._running)

    @contextmanager
    def taken(self, job: contract.Job, give_up: threading.Event) -> Iterator[bool]:
        """Waits for room, and holds it while the block runs; False where `give_up` was set first."""
        if not self._enter(job, give_up):
            yield False
            return
        try:
            yield True
        finally:
            with self._changed:
                self._running.discard(job.id)
                self._hold(job, -1)
                self._changed.notify_all()

    def _enter(self, job: contract.Job, give_up: threading.Event) -> bool:
        told = False
        with self._changed:
            while not give_up.is_set():
                reason = self._lacking(job)
                if not reason:
                    self._running.add(job.id)
                    self._hold(job, 1)
                    return True
                if not told:
                    log.warning("%s waits: %s", job.id, reason)
                    told = True
                self._changed.wait(_LOOK)
        return False

    def _hold(self, job: contract.Job, sign: int) -> None:
        for one in job.reserve:
            self._held[one.resource] = self._held.get(one.resource, 0) + sign * one.rate

    def _lacking(self, job: contract.Job) -> str:
        """Why a job can't begin; empty where it can."""
        if in_slot(job, self._clock()):
            return ""
        if len(self._running) >= MOST:
            return f"it is late, and {len(self._running)} others run"
        full = [one.resource for one in job.reserve if self._is_full(one)]
        return f"it is late, and others use {', '.join(full)}" if full else ""

    def _is_full(self, wanted: contract.Reservation) -> bool:
        return self._held.get(wanted.resource, 0) + wanted.rate > self._known.get(wanted.resource, wanted.rate)


def most_reserved(jobs: Sequence[contract.Job], now: datetime) -> Mapping[str, int]:
    """The most that jobs hold of each resource at once, in their last slots before `now` and those before."""
    held: dict[str, int] = {}
    most: dict[str, int] = {}
    for sign, job in _steps(jobs, now):
        for one in job.reserve:
            held[one.resource] = held.get(one.resource, 0) + sign * one.rate
            most[one.resource] = max(most.get(one.resource, 0), held[one.resource])
    return most


def most_at_once(jobs: Sequence[contract.Job], now: datetime) -> int:
    """How many images and copies the plan has at once, in the same slots."""
    running = most = 0
    for sign, job in _steps(jobs, now):
        running += sign if job.kind not in contract.UPKEEP else 0
        most = max(most, running)
    return most


def _steps(jobs: Sequence[contract.Job], now: datetime) -> Iterator[tuple[int, contract.Job]]:
    """1 and a job as its slot begins, -1 as it ends, in order; an end comes before a start at the same instant."""
    steps: list[tuple[datetime, int, contract.Job]] = []
    for job in jobs:
        last = last_start(job.schedule, now)
        for start in (last, last_start(job.schedule, last - timedelta(milliseconds=1))):
            steps += [(start, 1, job), (start + timedelta(milliseconds=job.schedule.slot_ms), -1, job)]
    yield from ((sign, job) for _, sign, job in sorted(steps, key=lambda one: one[:2]))


def in_slot(job: contract.Job, now: datetime) -> bool:
    """Whether the plan holds its reservation for a job now."""
    return now <= last_start(job.schedule, now) + timedelta(milliseconds=job.schedule.slot_ms)


def lanes_of(plan: contract.Plan, jobs: Sequence[contract.Job]) -> Mapping[str, tuple[contract.Job, ...]]:
    """The images and copies that never run at the same time, by a name for the log.

    Of one server one image is taken at a time, for its tools lock each other out; a copy depends on stores alone.
    """
    servers = {one.name: f"{one.address} at {one.site}" for one in plan.estate.databases}
    lanes: dict[tuple[str, str], str] = {}  # by server, however its address is spelled
    for name, server in sorted(servers_of(plan).items()):
        servers[name] = lanes.setdefault(server, servers[name])
    found: dict[str, tuple[contract.Job, ...]] = {}
    for job in jobs:
        if job.kind not in contract.UPKEEP:
            name = job.id if job.kind == "copy" else f"images of {servers[job.database]}"
            found[name] = (*found.get(name, ()), job)
    return found


def by_database(jobs: Sequence[contract.Job]) -> Mapping[str, tuple[contract.Job, ...]]:
    """Jobs in their order, by the name of their database."""
    found: dict[str, tuple[contract.Job, ...]] = {}
    for job in jobs:
        found[job.database] = (*found.get(job.database, ()), job)
    return found
