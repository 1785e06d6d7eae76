"""One job of a plan, done: the only place that knows all kinds of steps."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime import events
from bkpc_runtime.copying import is_copy_due, requests_of, run_copy
from bkpc_runtime.drilling import hold
from bkpc_runtime.errors import BadUsage, RuntimeFailure, ServerFailed, StoreFailed
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.recovery.where_from import with_its_log
from bkpc_runtime.repository import catalogue, layout, marks
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.joins import Join
from bkpc_runtime.repository.log_names import remembered
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.repository.segments import epochs, gap, sequence
from bkpc_runtime.schedule import is_due
from bkpc_runtime.steps.image import IMAGES, run_image
from bkpc_runtime.steps.log_acknowledging import SyncWish
from bkpc_runtime.steps.log_join import find_join
from bkpc_runtime.steps.log_spool import LIMIT
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import ImagesAndLog
from bkpc_runtime.transfer.outbound import packing
from bkpc_runtime.turns import fulls_beside, last_taken
from bkpc_runtime.upkeep import judge_database, run_expiry, run_verification
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
GRACE = timedelta(days=3)
"""What a try that was broken off left in a store stays at least this long, and twice as long as any job may take."""
RUNNABLE = IMAGES | {"copy", "expire", "verify", "drill"}
"""The kinds of jobs this version runs; `compile` warns of policies that need more."""
_PATIENCE = 5.0
"""Seconds that a stream waits at its first start for what all stores hold."""
LOOK = timedelta(minutes=5)
"""So often it is looked whether an image is there that was not verified."""


def run_job(world: World, job: contract.Job, *, waits: bool = False) -> str:
    """Do one job; returns a sentence for the log. `waits`: what must thaw is waited for; else a later run goes on.

    Raises:
        StepFailed: it failed; the repository is consistent, run it again.
    """
    if job.kind not in RUNNABLE:
        raise BadUsage(f"job `{job.id}` is of kind {job.kind}, which this version does not run")
    if job.kind == "verify":
        return run_verification(world, job)
    with events.step(job.id, job.kind, job.database) as step:
        step.text = _done(world, job, step, waits=waits)
        return step.text


def _done(world: World, job: contract.Job, step: events.Step, *, waits: bool) -> str:
    if job.kind == "expire":
        return run_expiry(world, job)
    if job.kind == "drill":
        return hold(world, job)
    told = _image(world, job, step) if job.kind in IMAGES else run_copy(world, job, step, waits=waits)
    _sweep(world, job)
    return told


def _sweep(world: World, job: contract.Job) -> None:
    """What broken-off tries left in the job's stores costs money: it goes when nobody can be at it any more."""
    longest = max(timedelta(milliseconds=one.timeout_ms) for one in world.plan.jobs)
    before = (world.clock() - max(GRACE, 2 * longest)).timestamp()
    for name in job.stores:
        try:
            dropped = world.store(name).sweep(before)
        except StoreFailed as problem:  # the key may write, but not list or drop: the next job's may
            log.info("what unfinished uploads left in store `%s` stays: %s", name, problem)
            continue
        if dropped:
            log.info("%s unfinished uploads dropped from store `%s`", dropped, name)


def _image(world: World, job: contract.Job, step: events.Step) -> str:
    stores = [world.store(name) for name in job.stores]
    manifest = run_image(world, job, stores, step.moved)
    since = f", what changed since {manifest.parent}" if manifest.parent else ""
    told = f"image {manifest.id} of `{job.database}`{since}: {len(manifest.parts)} parts, "
    told += f"{manifest.stored_size:,} bytes stored{requests_of(stores)}"
    try:
        return "; ".join((told, *judge_database(world, job.database)))
    except RuntimeFailure as problem:  # the image is there: the next expiry compares it
        log.warning("image %s is not compared with its predecessors yet: %s", manifest.id, problem)
        return told


def newest_image(world: World, job: contract.Job, now: datetime) -> Image | None:
    """The newest image that every store of a job holds, and none of the future; of a full level a full one as it takes
    them."""
    newest: Image | None = None
    for name in job.stores:
        found = catalogue.newest_by(world.store(name), job.database, now, lambda one: _is_of(one, job))
        if found is None:
            return None
        if newest is None or found.manifest.id < newest.manifest.id:
            newest = found
    return newest


def _is_of(manifest: Manifest, job: contract.Job) -> bool:
    if job.kind == "backup.full":
        return manifest.kind == "full" and manifest.physical == (job.engine == "physical")
    return job.kind != "backup.incremental" or manifest.physical


def _serves(full: contract.Job, job: contract.Job) -> bool:
    """Whether an incremental image could begin from the full one of another job."""
    same = full.database == job.database and set(job.stores) <= set(full.stores)
    return same and full.kind == "backup.full" and full.engine == "physical"


_ORDER = {"backup.full": 0, "backup.incremental": 1, "copy": 2}


Unknown = Callable[[contract.Job, RuntimeFailure], None]
"""Told of a job that can't be looked at, because a store does not answer."""


def due_jobs(
    world: World, jobs: Sequence[contract.Job], now: datetime, unknown: Unknown | None = None, *, logs: bool = True
) -> list[contract.Job]:
    """The jobs whose newest output is older than their last release, or of no use to the log: full images, incremental
    ones, then copies. `logs`: whether logs are looked through for that.

    Without `unknown` the first that can't be looked at raises.
    """
    due: list[contract.Job] = []
    for job in sorted((one for one in jobs if one.kind in _ORDER), key=lambda one: (_ORDER[one.kind], one.id)):
        try:
            if _is_due(world, job, due, now, logs=logs):
                due.append(job)
        except RuntimeFailure as problem:
            if unknown is None:
                raise
            unknown(job, problem)
    return due


def _is_due(world: World, job: contract.Job, due: Sequence[contract.Job], now: datetime, *, logs: bool) -> bool:
    """Beside those that are `due`. No log is looked through where the schedule says so: the job would begin later."""
    if job.thaw_ms:
        return is_copy_due(world, job, now)
    newest = newest_image(world, job, now)
    if job.kind == "backup.incremental" and any(_serves(one, job) for one in due):
        return False  # the full image that is due is all that changed
    if newest is None:
        return job.kind != "copy" or not _copied_all(world, job, now)
    began = datetime.fromisoformat(newest.manifest.began).astimezone(UTC)
    if job.kind == "backup.incremental":
        return began < last_taken(job, fulls_beside(world.plan, job), now)
    if is_due(job.schedule, began, now):
        return not _nothing_newer(world, job, newest, due, now)
    return logs and job.kind == "backup.full" and bool(_useless(world, job, newest))


def can_begin(world: World, job: contract.Job) -> bool:
    """Whether a job that is due has what it reads: a copy waits for the first image in its source."""
    return job.source_store is None or catalogue.newest(world.store(job.source_store), job.database) is not None


def _nothing_newer(world: World, job: contract.Job, copied: Image, due: Sequence[contract.Job], now: datetime) -> bool:
    """Whether a copy has brought all there is: what it copied began before it, and would be due for ever."""
    if job.source_store is None or any(one.id in job.requires for one in due):
        return False
    there = catalogue.newest_by(world.store(job.source_store), job.database, now)
    return there is not None and there.manifest.id <= copied.manifest.id


def _copied_all(world: World, job: contract.Job, now: datetime) -> bool:
    """Whether all that a copy could bring is of the future, and there."""
    source = world.store(job.source_store or "")
    if catalogue.newest_by(source, job.database, now):
        return False
    newest = catalogue.newest(source, job.database)
    held = [catalogue.newest(world.store(name), job.database) for name in job.stores]
    return newest is not None and all(one and one.manifest.id >= newest.manifest.id for one in held)


def due_upkeep(jobs: Sequence[contract.Job], done: Mapping[str, datetime], now: datetime) -> list[contract.Job]:
    """The expiries whose last run, by id in `done`, began before their last release, and the verifications that have
    not looked for long whether there is a new image."""
    looks = [job for job in jobs if job.kind == "verify" and now - done.get(job.id, now - LOOK) >= LOOK]
    return looks + [job for job in jobs if job.kind == "expire" and is_due(job.schedule, done.get(job.id), now)]


def keep_up(world: World, job: contract.Job) -> str:
    """Does what is due of such a job; empty where nothing was."""
    return run_verification(world, job, due_only=True) if job.kind == "verify" else run_job(world, job)


def _useless(world: World, job: contract.Job, image: Image) -> str:
    """Why no log that comes now can continue an image: then a new one is due, whatever the schedule."""
    (database,) = world.databases(job.database)
    try:
        facts = _facts(world, database)
    except RuntimeFailure:
        return ""  # a server that does not answer can't be backed up either
    prefix = layout.prefix_of(database.name, facts.identity)
    if prefix != image.prefix and not _goes_on(world, job, image, facts):
        reason = f"image {image.manifest.id} is of another server{_why_not(world, job.database, prefix)}"
    elif any(_damaged(world.store(name), image) for name in job.stores):
        reason = f"image {image.manifest.id} was found damaged"
    else:
        streamed = {name for one in world.plan.streams if one.database == job.database for name in one.stores}
        reasons = (_severed(world, job.database, name, image) for name in job.stores if streamed)
        reason = next(filter(None, reasons), "")
    if reason:
        log.warning("a new image of `%s` is due: %s", database.name, reason)
    return reason


def _goes_on(world: World, job: contract.Job, image: Image, facts: ServerFacts) -> bool:
    """Whether the log after an image of an earlier server leads on at this one, or will once the stream has begun."""
    (database,) = world.databases(job.database)
    prefix = layout.prefix_of(database.name, facts.identity)
    for name in job.stores:
        pairs = with_its_log(world, job.database, world.store(name))
        found = [catalogue.window(remembered(one), image) for one in pairs]
        if not any(one and one.tip.prefix == prefix for one in found):
            break
    else:
        return True
    streamed = {name for one in world.plan.streams if one.database == job.database for name in one.stores}
    stores = [world.store(name) for name in sorted(streamed)]
    with contextlib.suppress(ServerFailed):
        return any(isinstance(find_join(lambda: world.connect(database), facts, one, prefix), Join) for one in stores)
    return False


def _why_not(world: World, database: str, prefix: str) -> str:
    """What the log of the server that is there now says of the one before."""
    for name in sorted({name for one in world.plan.streams if one.database == database for name in one.stores}):
        store = world.store(name)
        for epoch in epochs(store, prefix)[-1:]:
            reason, _ = gap(store, prefix, epoch)
            return f": {reason}" if reason else ""
    return ""


def _severed(world: World, database: str, store: str, image: Image) -> str:
    """Why log can't be reached from an image; empty where one store has all of it, or none is wanted there."""
    pairs = with_its_log(world, database, world.store(store))
    streamed = {name for one in world.plan.streams if one.database == database for name in one.stores}
    if store not in streamed and not isinstance(pairs[0], ImagesAndLog):
        return ""
    reasons = [catalogue.severed(remembered(one), image) for one in pairs]
    return "" if "" in reasons else reasons[0]


def _damaged(store: Store, image: Image) -> bool:
    last = marks.newest(marks.marks(store, image.prefix), marks.VERIFIED, image.manifest.id)
    return last is not None and last.word == "damaged"


def stream_of(world: World, stream: contract.Stream, work: Path, spool_limit: int = LIMIT) -> LogStream:
    """A stream into its stores, ready to run: the server has been asked what it is. `work` is its own folder.

    Raises:
        ServerFailed: the server can't be reached, or writes no binlog.
    """
    (database,) = world.databases(stream.database)
    facts = _facts(world, database)
    prefix = layout.prefix_of(database.name, facts.identity)

    names = world.stores_of(database.name)

    def oldest() -> str:
        """A first start goes back to the image that is to be continued, whichever store has it. One that is away holds
        the log up for a moment only: its own log begins where its own image stands, once it can be asked."""
        found = _answers([partial(_newest_file, world.store(name), prefix) for name in names])
        return min(filter(None, found), key=sequence, default="")

    return LogStream(
        lambda: world.connect(database),
        facts,
        [world.store(name) for name in stream.stores],
        work=work,
        flush_seconds=stream.flush_ms / 1000,
        pack=packing(stream.recipients),
        prefix=prefix,
        oldest=oldest,
        encrypted=bool(stream.recipients),
        spool_limit=spool_limit,
        sync=_sync_wish(stream),
        known_every=stream.known_ms / 1000 if stream.known_ms else None,
    )


def _answers(questions: Sequence[Callable[[], str]]) -> list[str]:
    """What was answered in time; who answers later is not waited for."""
    answers: list[str] = []
    asking = [threading.Thread(target=lambda one=one: answers.append(one()), daemon=True) for one in questions]
    for one in asking:
        one.start()
    until = time.monotonic() + _PATIENCE
    for one in asking:
        one.join(max(0.0, until - time.monotonic()))
    return list(answers)


def _newest_file(store: Store, prefix: str) -> str:
    """The binlog in which the newest image of a store stands; empty where there is none, or it can't be asked."""
    try:
        newest = next(catalogue.images(store, prefix), None)
    except StoreFailed:
        return ""
    return newest.position.file if newest else ""


def _sync_wish(stream: contract.Stream) -> SyncWish | None:
    """`degrade` gives up waiting; whatever else is said, or not said, commits wait."""
    if not stream.sync:
        return None
    after = stream.degrade_after_ms if stream.on_outage == "degrade" else None
    return SyncWish(stream.quorum, None if after is None else after / 1000)


def _facts(world: World, database: contract.Database) -> ServerFacts:
    connection = world.connect(database)
    try:
        return read_facts(connection)
    finally:
        connection.close()
