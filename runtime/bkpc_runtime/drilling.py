"""Drills that a plan asks for: when one is due, from which store, and whether they can be held here at all."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_grammar.canonical import read_plan
from bkpc_runtime import events
from bkpc_runtime.errors import PolicyBroken, RuntimeFailure
from bkpc_runtime.leaving import listen
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.drills import Drill, drills
from bkpc_runtime.schedule import is_due, last_start
from bkpc_runtime.steps.drill import Asked, drawn_seed, run_drill
from bkpc_runtime.stores.throttled import throttled
from bkpc_runtime.temporary_folder import temporary_folder
from bkpc_runtime.transfer.identity import IDENTITY, identities_here, identity_file
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
PATIENCE = 300.0
"""Seconds that the log of the moment the source was asked may take to arrive."""
_LOOK = 5.0
_STOP_LOOK = 1.0
_RETRY = 3600.0


def can_be_held(job: contract.Job) -> bool:
    """Whether this machine has a key, if one is needed: a machine that takes backups need not be able to open them."""
    return not job.recipients or identity_file(os.environ) is not None


def is_drill_due(world: World, job: contract.Job, now: datetime) -> bool:
    """Whether no drill was held since its last release; the first is due at the first release after the first image."""
    held = _newest(world, job)
    since = held.began if held else _first_image(world, job)
    return bool(since) and is_due(job.schedule, datetime.fromisoformat(since).astimezone(UTC), now)


def hold(world: World, job: contract.Job, *, work: Path | None = None) -> str:
    """Hold the drill of a job: from the store that was drilled longest ago, no faster than the plan allows.

    Raises:
        PolicyBroken: what was there did not come back; or no image is there.
        Refused: it is encrypted, and no key is here.
    """
    (database,) = world.databases(job.database)
    store = throttled(world.store(_turn(world, job)), job.limit)
    asked = Asked(None, work or temporary_folder(), PATIENCE, identities_here(os.environ), drawn_seed())
    found = run_drill(world, database, store, asked, log.info)
    events.tell(events.Drilled(passed=found.passed, drill=found))
    if not found.passed:
        raise PolicyBroken(f"the drill of `{found.database}` from `{found.store}` failed: {'; '.join(found.problems)}")
    how = f"{found.compared} tables compared with the source" if found.compared else f"{found.tables} tables counted"
    return f"drill of `{found.database}` from `{found.store}` passed in {found.milliseconds / 1000:.0f} s: {how}"


def newest_drills(world: World, job: contract.Job) -> dict[str, Drill | None]:
    """The newest drill from each store of a job."""
    return {name: next(iter(drills(world.store(name), job.database)), None) for name in job.stores}


def _newest(world: World, job: contract.Job) -> Drill | None:
    found = [one for one in newest_drills(world, job).values() if one]
    return max(found, key=lambda one: one.id, default=None)


def _first_image(world: World, job: contract.Job) -> str:
    found = [one.manifest.began for name in job.stores for one in catalogue.all_images(world.store(name), job.database)]
    return min(found, default="")


def _turn(world: World, job: contract.Job) -> str:
    """The store drilled longest ago; those that thaw only where there is no other."""
    thaw = {one.name: one.thaw_ms for one in world.plan.estate.stores}
    last = newest_drills(world, job)
    quick = [name for name in job.stores if not thaw.get(name)] or list(job.stores)
    return min(quick, key=lambda name: (one.id if (one := last[name]) else "", name))


class DrillWatch:
    """Holds the drills of a plan when they are due, beside the agent's jobs: a drill may take longer than a backup may
    wait. One at a time, each in a process of its own, which ends in good order when the agent stops; one that failed
    is held again after an hour."""

    def __init__(self, world: World, work: Path) -> None:
        self._world, self._work = world, work
        self._retry_at: dict[str, float] = {}
        self._looked: dict[str, datetime] = {}
        asked = [job for job in world.plan.jobs if job.kind == "drill"]
        self._jobs = [job for job in asked if can_be_held(job)]
        for job in asked:
            if job not in self._jobs:
                log.info("%s is not held here: %s names no key that opens backups", job.id, IDENTITY)

    def run(self, stop: threading.Event) -> None:
        """Until stopped."""
        while self._jobs and not stop.wait(_LOOK):
            for job in self._due():
                if not stop.is_set() and not self._held(job, stop):
                    self._retry_at[job.id] = time.monotonic() + _RETRY
                    del self._looked[job.id]

    def _due(self) -> list[contract.Job]:
        """Stores are asked once after each release, and after a failure: they charge for being asked."""
        due = []
        now = self._world.clock()
        for job in self._jobs:
            looked = self._looked.get(job.id)
            if (looked and last_start(job.schedule, now) <= looked) or time.monotonic() < self._retry_at.get(job.id, 0):
                continue
            try:
                if is_drill_due(self._world, job, now):
                    due.append(job)
                self._looked[job.id] = now
            except RuntimeFailure as problem:
                log.error("can't look whether %s is due: %s %s", job.id, problem, problem.help)
                self._retry_at[job.id] = time.monotonic() + _RETRY
        return due

    def _held(self, job: contract.Job, stop: threading.Event) -> bool:
        context = multiprocessing.get_context("spawn")
        hears, tells = context.Pipe(duplex=False)
        asked = (self._world.document, str(self._world.folder), job.id, str(self._work), tells)
        process = context.Process(target=_hold_in_a_process, args=asked, name=job.id)
        process.start()
        tells.close()
        hearing = threading.Thread(target=_tell_all, args=(hears,), name=f"hearing {job.id}", daemon=True)
        hearing.start()
        while process.is_alive() and not stop.wait(_STOP_LOOK):
            pass
        process.terminate()
        process.join()
        hearing.join()
        return process.exitcode == 0


def _tell_all(hears: Connection) -> None:
    """What a process tells, told here, until it has ended."""
    with hears, contextlib.suppress(EOFError, OSError):
        while True:
            events.tell(hears.recv())


def _send(tells: Connection, event: events.Event) -> None:
    with contextlib.suppress(OSError):  # the agent has gone: the drill is held all the same
        tells.send(event)


def _hold_in_a_process(document: bytes, folder: str, id_: str, work: str, tells: Connection) -> None:
    """What the process of a drill does: its exit code tells whether it passed, its log why not."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    listen(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent's to obey
    world = World(read_plan(document, "the agent's plan"), Path(folder), os.environ)
    (job,) = (one for one in world.plan.jobs if one.id == id_)
    try:
        with events.listening(partial(_send, tells)), events.step(job.id, job.kind, job.database) as step:
            step.text = hold(world, job, work=Path(work))
            log.info("%s", step.text)
    except RuntimeFailure as problem:
        log.error("%s: %s %s", id_, problem, problem.help)
        sys.exit(1)
