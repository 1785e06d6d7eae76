"""The retention lock (WORM) of a bucket: begun, then completed within 24 hours; from then on it can only grow.

Never shortened, never completed with more days than the plan asks for.
"""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "retention lock"
MOST_DAYS = 70 * 365
"""OSS: 1 day to 70 years."""


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    days, found = wanted.lock_days, bucket.retention()
    if not days or (found and found.locked and found.days >= days):
        if found and found.locked and found.days > days:
            yield Difference(NAME, f"locked for {found.days} days", "i", _more(days))
        return
    if days > MOST_DAYS:
        yield Difference(NAME, f"{days} days are more than OSS takes", "!", f"write `lock` of {MOST_DAYS}d at most")
        return
    goal, forever = f"{days} days, for ever", _warning(wanted)
    if found is None:
        yield Difference(NAME, goal, "+", "whoever may delete could delete the backups", forever=forever)
    elif found.locked:
        yield Difference(NAME, goal, "~", "the plan asks for more", f"{found.days} days", forever)
    elif found.days <= days:
        yield Difference(NAME, goal, "~", "it lapses unless it is completed", f"{found.days} days, begun", forever)
    else:
        why = f"the plan asks for {days}: abort it, complete it yourself, or let it lapse 24 hours after its begin"
        yield Difference(NAME, f"one of {found.days} days is begun and not completed", "!", why)


def _more(days: int) -> str:
    return f"the plan asks for {days}; a lock never becomes shorter" if days else "the plan asks for none; it stays"


def _warning(wanted: Wanted) -> str:
    return (
        f"bucket `{wanted.bucket}` is locked for {wanted.lock_days} days, and this can never be undone: for so long "
        "after it was written nobody, the account's owner and Alibaba Cloud included, can delete or overwrite any "
        "object of the bucket, also those that are there already and those of others; the lock can be prolonged, "
        "never shortened or removed; the bucket can't be deleted before, and what it holds is paid for until then"
    )


def mend(bucket: BucketSettings, wanted: Wanted) -> None:
    """Looks again before the step that can't be undone: the retention must be the plan's."""
    days, found = wanted.lock_days, bucket.retention()
    if found and found.locked:
        if found.days < days:
            bucket.extend_retention(found.id, days)
        return
    if found and found.days < days:
        bucket.abandon_retention()
        found = None
    if found is None:
        bucket.begin_retention(days)
        found = bucket.retention()
    if found is None or found.days != days:
        raise PolicyBroken(
            f"bucket `{wanted.bucket}`: its retention was changed by somebody else meanwhile; it is not locked",
            help="find out by whom, then run it again",
        )
    if not found.locked:
        bucket.lock_retention(found.id)
