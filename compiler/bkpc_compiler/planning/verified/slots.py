"""Whether every job moves its bytes, failed attempts included, within its slot, and is done by its deadline."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil

from bkpc_compiler.planning.verified.calendar import Calendar, shortest_month
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.program.model import Cadence, ColdLevel, ImageLevel
from bkpc_grammar.image_objects import JOB_AT_ONCE, JOB_MEMORY, OTHERS, PIECE, SMALL
from bkpc_grammar.plan import UPKEEP, Job, Plan
from bkpc_grammar.thaws import A_SECOND, TURN_MS


def late(plan: Plan, estate: Estate, calendar: Calendar) -> Iterator[str]:
    """Jobs that can't be done in their slots, or whose slots end after their windows."""
    fulls: dict[tuple[str, str], list[Job]] = {}
    for job in plan.jobs:
        if job.kind == "backup.full":
            fulls.setdefault(estate.server(job.database), []).append(job)
    asked = sum(_objects(job, estate) for job in plan.jobs if _thaws(job, estate))
    for job in plan.jobs:
        if job.kind in UPKEEP:
            yield from _holding(job)
            continue
        when = job.schedule
        end, deadline = when.offset_ms + when.slot_ms, _deadline(job, estate)
        if deadline is None:
            yield f"{job.id}: no policy asks for it as it is scheduled"
        elif end > deadline:
            yield f"{job.id} ends after its window: {end} ms after its release, of {deadline} ms"
        left_out = 0
        if job.kind == "backup.incremental":
            left_out = calendar.left_out(job, fulls.get(estate.server(job.database), ()))
        yield from _too_short(job, estate, left_out)
        yield from _too_soon(job, estate, asked)


def _thaws(job: Job, estate: Estate) -> int:
    """Milliseconds that what a copy reads thaws; 0: it is no copy, or reads at once."""
    storage = estate.stores[job.source_store].storage_class if job.source_store else None
    return storage.value.thaw.value.milliseconds_up() if storage and storage.value.thaw else 0


def _too_soon(job: Job, estate: Estate, asked: int) -> Iterator[str]:
    """Copies that begin to read what has not thawed. `asked`: objects that all of them ask for, who may all ask at one
    instant."""
    if job.schedule.offset_ms < job.thaw_ms:
        yield f"{job.id} asks for what it reads {job.thaw_ms - job.schedule.offset_ms} ms before its release"
    thaw = _thaws(job, estate)
    asks = ceil(asked * Fraction(1000, A_SECOND)) + TURN_MS if thaw else 0
    if job.thaw_ms < thaw + asks:
        words = f"what takes {asks} ms to be asked for and {thaw} ms to thaw"
        yield f"{job.id} reads {job.thaw_ms} ms after it asks for {words}"


def _objects(job: Job, estate: Estate) -> int:
    """Those that a copy has to ask for one by one, at most, of a full image."""
    database, policy = estate.databases[job.database], estate.policies.get(job.database)
    engines = {one.engine for one in policy.images if one.kind == "full"} if policy else set()
    if database.tables is None:
        return 0
    pieces = job.expect_bytes // PIECE + 1 if "physical" in engines else 0
    return max(pieces, database.tables.value.number + OTHERS if "logical" in engines else 0)


def _holding(job: Job) -> Iterator[str]:
    """What is done beside the timetable may hold nothing: no proof has counted it."""
    if job.reserve or job.schedule.slot_ms:
        yield f"{job.id} holds what no bound has counted"


def _too_short(job: Job, estate: Estate, left_out: int) -> Iterator[str]:
    size = _held_by(job, estate, left_out)
    if job.expect_bytes < size:
        yield f"{job.id} expects {job.expect_bytes} bytes of an image of {size}"
    if job.kind == "backup.incremental":
        yield from _reads_too_long(job, estate)
    effort = ceil(max(size, job.expect_bytes) * (1 + estate.retries))
    starts = _starting(job, estate)
    slot, again = job.schedule.slot_ms - starts, ceil(starts * estate.retries)
    if slot < again:
        yield f"{job.id} can't start and name its tables in its slot of {job.schedule.slot_ms} ms: {starts + again} ms"
    for one in job.reserve:
        rate = one.rate if job.limit is None else min(one.rate, job.limit)
        if effort * 1000 > rate * (slot - again):
            words = f"can't move {effort} bytes, failed attempts included, through {one.resource}"
            yield f"{job.id} {words} in its slot of {job.schedule.slot_ms} ms at {rate} B/s"
        elif job.expect_bytes * 1000 > rate * (slot - job.retry.budget_ms):
            words = f"can't move {job.expect_bytes} bytes in its slot through {one.resource}"
            yield f"{job.id} {words} when failed attempts take {job.retry.budget_ms} ms of it"


def _reads_too_long(job: Job, estate: Estate) -> Iterator[str]:
    """All of the database is read to find what changed. While what did not change passes its machine nothing is moved;
    what did passes all that it holds, at the rate of the narrowest."""
    machine = [one.rate for one in job.reserve if one.resource.startswith("database:")]
    if not machine:
        return
    whole = max(job.expect_bytes, estate.databases[job.database].size.value.bytes_up())
    narrow = min(
        [one.rate for one in job.reserve] if job.limit is None else [job.limit, *(one.rate for one in job.reserve)]
    )
    lasts = Fraction(whole - job.expect_bytes, min(machine)) + Fraction(job.expect_bytes, narrow)
    words = f"{job.id} can't read {whole} bytes to find the {job.expect_bytes} that changed"
    starts = _starting(job, estate)
    slot = job.schedule.slot_ms - starts
    if lasts * (1 + estate.retries) * 1000 > slot - ceil(starts * estate.retries):
        yield f"{words}, failed attempts included, in its slot of {job.schedule.slot_ms} ms"
    elif lasts * 1000 > slot - job.retry.budget_ms:
        yield f"{words} in its slot when failed attempts take {job.retry.budget_ms} ms of it"


def _starting(job: Job, estate: Estate) -> int:
    """Milliseconds that pass beside its bytes: until it moves any, for each table of a logical image, and while nothing
    but requests is on the way."""
    database, policy = estate.databases[job.database], estate.policies.get(job.database)
    takes = database.starts.value.milliseconds_up() if database.starts else 0
    logical = job.kind == "backup.full" and job.engine == "logical"
    if job.kind == "copy" and policy:
        logical = any(one.kind == "full" and one.engine == "logical" for one in policy.images)
    if logical and database.tables and database.table:
        takes += database.tables.value.number * database.table.value.milliseconds_up()
    latency = sum((estate.latency(one.resource) for one in job.reserve), start=Fraction(0))
    return takes + int(_turns(job, estate) * latency * 1000)


def _turns(job: Job, estate: Estate) -> int:
    """How often a request may have the way for itself: many small objects go at once, each larger one takes three, and
    one more where it has to be read."""
    database, policy = estate.databases[job.database], estate.policies.get(job.database)
    if database.tables is None:
        return 0
    levels = [(job.kind == "backup.full", job.engine)]
    if job.kind == "copy":
        levels = [(one.kind == "full", one.engine) for one in policy.images] if policy else []
    each, held, turns = (4, JOB_MEMORY // 2, [0]) if job.kind == "copy" else (3, JOB_MEMORY, [0])
    if any(full and engine == "logical" for full, engine in levels):
        count = database.tables.value.number + OTHERS
        small = ceil(Fraction(count, JOB_AT_ONCE)) + min(job.expect_bytes, count * SMALL) // (held - SMALL)
        turns.append(small + each * min(count, job.expect_bytes // SMALL))
    if any(engine == "physical" for _, engine in levels):
        turns.append(each * (job.expect_bytes // PIECE + 1))
    return max(turns) + 10


def _held_by(job: Job, estate: Estate, left_out: int) -> int:
    """Bytes of its image at most: all, or what may have changed since the one before an incremental one began.

    `left_out`: so many in a row are not taken.
    """
    database = estate.databases[job.database]
    size = database.size.value.bytes_up()
    if job.kind != "backup.incremental" or database.changes is None:
        return size
    since = job.schedule.period_ms * (1 + left_out) + job.schedule.slot_ms
    return min(size, ceil(database.changes.value.amount * since / 1000))


def _deadline(job: Job, estate: Estate) -> int | None:
    """Milliseconds after its release, as the policy has them; None where no level of it is this job's."""
    policy = estate.policies.get(job.database)
    levels: tuple[ImageLevel | ColdLevel, ...] = (*policy.images, *policy.cold) if policy else ()
    found = [_window(level) for level in levels if _is_of(job, level)]
    return max(found, default=None)


def _window(level: ImageLevel | ColdLevel) -> int:
    """Until it must be done: no later than it is released again, in the shortest month too."""
    schedule = level.schedule
    again = int(schedule.period.amount * 1000)
    if schedule.cadence is Cadence.MONTHLY:
        again = shortest_month(schedule.at or 0, schedule.day or 1, schedule.timezone)
    return min(int(schedule.window.value.amount * 1000), again) if schedule.window else again


def _is_of(job: Job, level: ImageLevel | ColdLevel) -> bool:
    source = level.source.value if isinstance(level, ColdLevel) else None
    incremental = isinstance(level, ImageLevel) and level.kind == "incremental"
    its, when = level.schedule, job.schedule
    stores = {one.value for one in level.stores}
    same = (its.cadence.value, its.at, its.weekday, its.day, its.timezone, its.period.milliseconds_up())
    planned = (when.cadence, when.at_minute, when.weekday, when.day, when.timezone, when.period_ms)
    kind = incremental == (job.kind == "backup.incremental")
    return kind and source == job.source_store and stores.issuperset(job.stores) and same == planned
