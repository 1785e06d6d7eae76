"""Stores that must thaw before they can be read, and the quota of what thaws in a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.feasibility.demand import Demand, JobDemand
from bkpc_compiler.feasibility.job_objects import Asked as AskedFor
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.program.model import Database, Given, StorageClass, Store
from bkpc_grammar.log_objects import OBJECT
from bkpc_grammar.quantities import Duration

DAY = 86400


@dataclass(frozen=True, slots=True)
class Asked:
    """Bytes of `store` that one recovery thaws, of a class with a quota. `log`: of the log, not the image."""

    store: Store
    storage: StorageClass
    bytes: int
    log: bool


def behind_thaws(jobs: Iterable[JobDemand], stores: Mapping[str, Store]) -> list[JobDemand]:
    """Copies out of a class that must thaw, with the time that takes and how long they wait behind its quota."""
    jobs = list(jobs)
    copied = copied_of(jobs, stores)
    thawing = [job for job in jobs if _thawing(job, stores)]
    asked = _asked_for(thawing)
    found = []
    for job in jobs:
        storage = _thawing(job, stores)
        if storage is None:
            found.append(job)
            continue
        queue = _queue(storage, copied.get(storage.name)) if asked.served else None
        found.append(replace(job, thaw=storage.thaw, queue=queue, others=asked if len(thawing) > 1 else None))
    return found


def _asked_for(copies: Sequence[JobDemand]) -> AskedFor:
    """Objects that all of them ask for."""
    return AskedFor(sum(map(_objects, copies)), min((job.rhythm.least for job in copies), default=DAY * 1000))


def _objects(job: JobDemand) -> int:
    return job.objects.count if job.objects else 0


@dataclass(frozen=True, slots=True)
class Copied:
    """Bytes of a class that all copies out of it ask to thaw: once each; and in a day, on the average."""

    once: Fraction
    daily: Fraction


class Copies(Struct, frozen=True):
    """What copies ask to thaw before a recovery does, and until its turn comes: bytes by class with a quota; `objects`
    of all classes, None where they ask for none, or are never done with it."""

    bytes: Mapping[str, int]
    objects: AskedFor | None


def copies_of(demand: Demand, stores: Mapping[str, Store]) -> Copies:
    """Of all copies out of what must thaw."""
    if not demand.thawing:
        copied = copied_of(demand.jobs, stores).items()
        asked = _asked_for([job for job in demand.jobs if _thawing(job, stores)])
        some = asked if asked.once and asked.served else None
        demand.thawing.append(Copies({name: ceil(of.once + of.daily) for name, of in copied}, some))
    return demand.thawing[0]


def copied_of(jobs: Iterable[JobDemand], stores: Mapping[str, Store]) -> dict[str, Copied]:
    """By class with a quota."""
    found: dict[str, Copied] = {}
    for job in jobs:
        storage = _thawing(job, stores)
        if storage is not None and storage.quota is not None:
            size, daily = job.bytes.amount, job.bytes.amount * DAY * 1000 / job.rhythm.period
            before = found.get(storage.name, Copied(Fraction(0), Fraction(0)))
            found[storage.name] = Copied(before.once + size, before.daily + daily)
    return found


def _thawing(job: JobDemand, stores: Mapping[str, Store]) -> StorageClass | None:
    """The class that a copy reads, where that must thaw."""
    if job.source is None or thaw_of(stores[job.source]) is None:
        return None
    storage = stores[job.source].storage_class
    return storage.value if storage else None


def _queue(storage: StorageClass, copied: Copied | None) -> int | None:
    """Milliseconds: of what is asked once and in one day, each day's quota serves the first."""
    if storage.quota is None or copied is None:
        return 0
    quota = max(1, int(storage.quota.value.amount * DAY))
    if copied.daily > quota:
        return None
    return (ceil((copied.once + copied.daily) / quota) - 1) * DAY * 1000


def thaw_of(store: Store | None) -> Given[Duration] | None:
    """The time before a first byte of `store` can be read; None where it comes at once."""
    return store.storage_class.value.thaw if store and store.storage_class else None


def asked_of(database: Database, line: Line) -> tuple[Asked, ...]:
    """What a recovery on `line` thaws at the worst instant: the image, and the log after it, where a quota counts."""
    if not line.frozen:
        return ()
    found = []
    for log, stores in ((False, line.image.stores), (True, line.log_stores)):
        for store in stores:
            storage = store.storage_class.value if store.storage_class else None
            if storage is not None and storage.quota is not None and storage.thaw is not None:
                bytes_ = thawed_log(database, line) if log else line.image.loaded(database.size.value)
                found.append(Asked(store, storage, bytes_, log))
    return tuple(found)


def thawed_log(database: Database, line: Line) -> int:
    """The log of the oldest image that may be the newest, and the object in which it begins."""
    return log_to_replay(database, line, line.image.oldest if line.image.comes else 0) + OBJECT


def thaw_days(asked: Iterable[Asked], everyone: Mapping[str, int] | None = None) -> tuple[int, Asked | None]:
    """Whole days that the last of what is asked waits behind the quota of its class, and what waits that long.

    `everyone`: the bytes that all recoveries of one failure ask, by class; None: nothing else is asked.
    """
    asked = tuple(asked)
    if not asked:
        return 0, None
    totals = totals_of(asked) if everyone is None else everyone
    longest: tuple[int, Asked | None] = (0, None)
    for one in asked:
        assert one.storage.quota is not None
        daily = max(1, int(one.storage.quota.value.amount * DAY))
        days = -(-totals[one.storage.name] // daily) - 1
        if days > longest[0]:
            longest = (days, one)
    return longest


def totals_of(asked: Iterable[Asked]) -> dict[str, int]:
    """Bytes by class."""
    total: dict[str, int] = {}
    for one in asked:
        total[one.storage.name] = total.get(one.storage.name, 0) + one.bytes
    return total


def log_to_replay(database: Database, line: Line, age: Fraction | int) -> int:
    """The most bytes of log that may follow an image of `age` milliseconds: what is written meanwhile, one burst."""
    return _written(database.writes.value.amount, database.burst.value.amount, age) if line.log else 0


def least_log(database: Database, line: Line, age: Fraction | int) -> int:
    """The same as no plan betters: of a burst that is only assumed nobody knows how small it is."""
    return _written(database.writes.value.amount, database.sure_burst.amount, age) if line.log else 0


def _written(writes: Fraction, burst: Fraction, age: Fraction | int) -> int:
    if burst.denominator == 1 and isinstance(age, int):
        return burst.numerator - (-writes.numerator * age // (writes.denominator * 1000))
    return ceil(writes * age / 1000 + burst)
