"""What a database keeps in each store, and what that costs a month: at most, as if nothing shrank.

Once the retention is reached, a store holds of a database at most
    images:  as many as are released in `keep`, and in the grace and the day until expiry runs; the one that the oldest
             point goes back to; the one being written; and one for each day, week, month and year that is counted
    log:     what the database writes in that time and one period more
An object that goes before its minimum stay is billed until then: `keep` counts as that long. A log segment is billed
as the minimum size at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from bkpc_compiler.cost.prices import ClassPrice, Prices, amount
from bkpc_grammar.plan import Job, Plan, Retention, Store, Stream

GIB = 1 << 30
DAY = 86_400_000
MONTH = 30 * DAY
_IMAGES = frozenset({"backup.full", "backup.incremental", "copy"})


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one database in one store. `price` None: not known, and so is what follows from it. Amounts are exact.

    `images` None: nothing is ever deleted, and `stored` is what a month adds.
    """

    database: str
    store: str
    storage_class: str
    redundancy: str
    images: int | None
    stored: Fraction  # bytes, as billed
    price: ClassPrice | None
    segments: Fraction  # objects of the log in a month, and notes of until when it is complete
    recovered: int  # bytes that the largest recovery reads here

    @property
    def stored_up(self) -> int:
        """In whole bytes."""
        return ceil(self.stored)

    @property
    def storage(self) -> Fraction | None:
        """A month."""
        return self.stored / GIB * amount(self.price.gib_month) if self.price else None

    @property
    def requests(self) -> Fraction | None:
        """Those that write the log, a month. Images are a few requests each."""
        return self.segments / 10_000 * amount(self.price.put_10000) if self.price else None

    @property
    def recovery(self) -> Fraction | None:
        """What it costs to read the largest recovery's bytes, once."""
        fee = self.price.retrieved_gib if self.price else None
        return Fraction(self.recovered, GIB) * amount(fee) if fee is not None else None


def costs_of(plan: Plan, prices: Prices) -> tuple[Cost, ...]:
    """By database, then store: those in OSS."""
    stores = {one.name: one for one in plan.estate.stores}
    found = _Found(plan)
    return tuple(
        _cost(found, kept, stores[kept.store], prices) for kept in plan.retention if stores[kept.store].kind == "oss"
    )


class _Found:
    """What a plan has of a database in a store, looked up: an estate has thousands of both."""

    def __init__(self, plan: Plan) -> None:
        self.databases = {one.name: one for one in plan.estate.databases}
        self.jobs: dict[tuple[str, str], list[Job]] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.recovered: dict[tuple[str, str | None], int] = {}  # bytes that the largest recovery reads
        for job in plan.jobs:
            for name in job.stores if job.kind in _IMAGES else ():
                self.jobs.setdefault((job.database, name), []).append(job)
        for stream in plan.streams:
            for name in stream.stores:
                self.streams.setdefault((stream.database, name), stream)
        for recovery in plan.recoveries:
            read: dict[tuple[str, str | None], int] = {}
            for one in recovery.steps:
                read[one.database, one.store] = read.get((one.database, one.store), 0) + one.bytes
            for key, bytes_ in read.items():
                self.recovered[key] = max(self.recovered.get(key, 0), bytes_)


def _cost(found: _Found, kept: Retention, store: Store, prices: Prices) -> Cost:
    named, redundancy = store.storage_class or "standard", store.redundancy or "lrs"
    price = prices.of(named, redundancy)
    key = (kept.database, store.name)
    jobs = found.jobs.get(key, [])
    streams = [found.streams[key]] if key in found.streams else []
    flushes = [one.flush_ms for one in streams]
    segments = Fraction(MONTH, max(1, flushes[0])) if flushes else Fraction(0)
    segments += sum(Fraction(MONTH, one.known_ms) for one in streams if one.known_ms)
    database = found.databases[kept.database]
    least = price.minimum_size if price else 0
    # Bytes of log in a millisecond, as they are billed: a segment that is smaller is billed as the least.
    rate = max(Fraction(database.log_rate, 1000), Fraction(least, max(1, flushes[0]))) if flushes else Fraction(0)
    held = _held(kept, price)
    count, stored = None, Fraction(0)
    if held is None:
        stored = (
            sum((Fraction(MONTH, job.schedule.period_ms) * job.expect_bytes for job in jobs), stored) + rate * MONTH
        )
    else:
        counts = kept.daily + kept.weekly + kept.monthly + kept.yearly
        numbers = [held // job.schedule.period_ms + 2 + counts for job in jobs]
        count = sum(numbers)
        stored = sum((Fraction(number * job.expect_bytes) for number, job in zip(numbers, jobs, strict=True)), stored)
        stored += rate * (held + max((job.schedule.period_ms for job in jobs), default=0))
    return Cost(
        kept.database, store.name, named, redundancy, count, stored, price, segments, found.recovered.get(key, 0)
    )


def _held(kept: Retention, price: ClassPrice | None) -> int | None:
    """How long what is needed is there, and billed; None: for ever."""
    counts = kept.daily + kept.weekly + kept.monthly + kept.yearly
    if kept.keep_ms is None and not counts:
        return None
    stay = price.minimum_stay_days * DAY if price else 0
    return max((kept.keep_ms or 0) + kept.grace_ms + DAY, kept.lock_ms or 0, stay)
