"""What each bucket of a plan must look like: from the policies that write to it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Keep, Policy, Store
from bkpc_compiler.timetable.calendar import DAY
from bkpc_grammar import plan

GRACE_DAYS = 3
"""What a try that was broken off left stays at least this long, and twice as long as any job may take."""
UNDO_DAYS = 30
"""Where a bucket keeps versions, a deletion can be undone at least this long: until people are back from a holiday."""
_WEEK, _MONTH, _YEAR = 7, 31, 366


def settings_of(analysis: Analysis, jobs: Sequence[plan.Job]) -> tuple[plan.StoreSettings, ...]:
    """One for each bucket that a job or stream writes to, by the name of its store."""
    policies = {one.database: one.policy for one in analysis.program.protections}
    writers: dict[str, list[Policy]] = {}
    for flow in analysis.demand.flows:
        writers.setdefault(flow.store, []).append(policies[flow.database])
    stores = {store.name: store for store in analysis.program.stores}
    for store in analysis.program.stores:
        if store.replica and store.name in writers:  # what arrives there must be kept as long as here
            writers[store.replica.value] = writers[store.name]
    replicas = {store.replica.value for store in analysis.program.stores if store.replica}
    grace = grace_days(jobs)
    return tuple(
        _settings(stores[name], writing, grace, locked=name not in replicas)
        for name, writing in sorted(writers.items())
        if stores[name].kind == "oss"
    )


def _settings(store: Store, writing: Iterable[Policy], grace: int, *, locked: bool) -> plan.StoreSettings:
    """`locked`: whether a `lock` of the policies is for this bucket; a copy that OSS makes has none of theirs."""
    policies = list(writing)
    locks = [policy.lock.value.milliseconds_up() for policy in policies if policy.lock and locked]
    lock = max(locks, default=0)
    needed = [_needed_days(policy) for policy in policies]
    known = [days for days in needed if days is not None]
    return plan.StoreSettings(
        store=store.name,
        worm_ms=lock or None,
        versioning="not-suspended" if lock else "any",
        server_side_encryption=True,
        block_public_access=True,
        # A bucket that refuses plain HTTP would refuse this store, too.
        https_only=urlsplit(store.endpoint or "").scheme != "http",
        unfinished_uploads_days=grace,
        noncurrent_days=max(UNDO_DAYS, grace, _days(lock)),
        needed_days=max(known) if len(known) == len(needed) else None,
        replicates_to=store.replica.value if store.replica else None,
        replication_role=store.replica_role,
    )


def grace_days(jobs: Sequence[plan.Job]) -> int:
    longest = max((job.timeout_ms for job in jobs), default=0)
    return max(GRACE_DAYS, _days(2 * longest))


def _needed_days(policy: Policy) -> int | None:
    """Days after which nothing that `policy` keeps or locks needs an object any more; None: it keeps for ever.

    The oldest point kept may rest on an image one period older, which was whole a window later.
    """
    if policy.keep is None:
        return None
    lock = policy.lock.value.milliseconds_up() if policy.lock else 0
    schedules = [one.schedule for one in policy.images] + [one.schedule for one in policy.cold]
    before = max((one.period.milliseconds_up() for one in schedules), default=0)
    return max(_kept_days(policy.keep), _days(lock)) + _days(2 * before)


def _kept_days(keep: Keep) -> int:
    days = _days(keep.days.value.milliseconds_up()) if keep.days else 0
    return max(days, keep.daily, keep.weekly * _WEEK, keep.monthly * _MONTH, keep.yearly * _YEAR)


def _days(milliseconds: int) -> int:
    return -(-milliseconds // DAY)
