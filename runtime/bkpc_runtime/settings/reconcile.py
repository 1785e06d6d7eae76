"""From what the plan asks of buckets to what must change, and the change: read, merge, write, read again.

OSS has no conditional write of a bucket's settings. Each is read right before it is written and again after:
a change that others make in the instant between is lost where both are one document (lifecycle, bucket policy);
one that undoes ours is seen, and ours is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bkpc_runtime.errors import PolicyBroken, Refused, StepFailed, StoreDenied, StoreFailed
from bkpc_runtime.settings import (
    encryption,
    existence,
    https_only,
    lifecycle,
    public_access,
    replication,
    retention_lock,
    versioning,
)
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView, NewBucket
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Setting:
    """`look` tells how a bucket differs; `mend` writes what is wanted over what it reads at that moment."""

    name: str
    look: Callable[[BucketView, Wanted], Iterator[Difference]]
    mend: Callable[[BucketSettings, Wanted], None]


SETTINGS = tuple(
    Setting(one.NAME, one.look, one.mend)
    for one in (existence, versioning, public_access, encryption, https_only, lifecycle, replication, retention_lock)
)
"""In the order they are mended: what can't be undone comes last."""


def look(bucket: BucketSettings, wanted: Wanted) -> tuple[Difference, ...]:
    """How the bucket differs from what is wanted; of one that isn't right itself, that alone.

    Raises:
        StoreFailed: the bucket can't be looked at.
    """
    first, *others = SETTINGS
    found = list(first.look(bucket, wanted))
    if any(one.sign == "!" for one in found):
        return tuple(found)
    view: BucketView = NewBucket(existence.to_make(wanted)) if any(one.changes for one in found) else bucket
    for setting in others:
        found += setting.look(view, wanted)
    return tuple(found)


def mend(bucket: BucketSettings, wanted: Wanted, agreed: Collection[Difference]) -> Iterator[Difference]:
    """Makes the changes that were agreed to, and gives each when it is made.

    Raises:
        PolicyBroken: a problem has come up that people must solve.
        Refused: something has changed since that needs another agreement.
        StoreFailed: a change can't be made.
    """
    agreed = [one for one in agreed if one.changes]
    names = {one.setting for one in agreed}
    for setting in SETTINGS:
        if setting.name in names:
            yield from _mended(bucket, wanted, setting, [one for one in agreed if one.setting == setting.name])


def _mended(
    bucket: BucketSettings, wanted: Wanted, setting: Setting, agreed: Collection[Difference]
) -> Iterator[Difference]:
    made: list[Difference] = []
    problem: StoreFailed | None = None
    for attempt in range(_TRIES + 1):
        found = list(setting.look(bucket, wanted))
        left = [one for one in found if one.changes]
        _refuse_what_is_new(wanted, found, agreed)
        if not left:
            yield from made
            return
        if attempt == _TRIES or isinstance(problem, StoreDenied):
            break
        made = left
        try:
            setting.mend(bucket, wanted)
            problem = None
        except StoreFailed as failed:  # its answer may have been lost alone: what is there now tells
            problem = failed
    if problem:
        raise problem
    raise StepFailed(
        f"bucket `{wanted.bucket}`: {setting.name} does not stay as it is set: somebody else changes it",
        help="find out who, then run it again",
    )


def _refuse_what_is_new(wanted: Wanted, found: Collection[Difference], agreed: Collection[Difference]) -> None:
    for one in found:
        if one.sign == "!":
            raise PolicyBroken(f"bucket `{wanted.bucket}`: {one.text.removeprefix('! ')}")
        if one.changes and one not in agreed:
            raise Refused(
                f"bucket `{wanted.bucket}` has changed since it was looked at: {one.text}",
                help="run it again, to see and agree to what is to be done now",
            )
