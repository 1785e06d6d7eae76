"""Objects of OSS in a class that must thaw: how one stands, and asking for it."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bkpc_runtime.errors import StoreFailed, StoreFull, StoreUnreachable
from bkpc_runtime.stores.oss_calls import OssCalls, thaw_request
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject, Tier
from bkpc_runtime.stores.thawing import LONGEST

_EXPIRY = re.compile(r'expiry-date="([^"]+)"')
_PATIENCE = Patience(total=600.0)
"""Many are asked for at once: a service that is busy with them is given the time."""
_NOTHING_TO_DO = {"RestoreAlreadyInProgress", "OperationNotSupported"}
"""It is asked for already, and no sooner by this; or it is no longer in a class that must thaw."""


def as_stored(key: str, size: int, storage_class: str, restore: str) -> StoredObject:
    """`restore` as `x-oss-restore` and listings have it: empty where no thaw was asked for, or it has frozen again."""
    if storage_class not in LONGEST:
        return StoredObject(key, size)
    if 'ongoing-request="true"' in restore:
        return StoredObject(key, size, "thawing", None, storage_class)
    if 'ongoing-request="false"' in restore:
        return StoredObject(key, size, "", _until(restore), storage_class)
    return StoredObject(key, size, "frozen", None, storage_class)


def _until(restore: str) -> datetime | None:
    found = _EXPIRY.search(restore)
    try:
        return parsedate_to_datetime(found[1]) if found else None
    except ValueError:
        return None


def thaw(calls: OssCalls, one: StoredObject, name: str, days: int, tier: Tier) -> None:
    """As `Store.thaw`; `name` is the object's in the bucket."""
    days = max(1, min(days, LONGEST.get(one.storage_class, days)))
    # Class Archive knows one tier, and refuses a request that names it; the coldest knows none cheaper than Standard.
    known: str = "Standard" if (one.storage_class, tier) == ("DeepColdArchive", "Bulk") else tier
    request = thaw_request(days, "" if one.storage_class == "Archive" else known)
    try:
        calls.do(one.key, lambda bucket: bucket.restore_object(name, input=request), _PATIENCE)
    except StoreUnreachable:
        raise
    except StoreFailed as problem:
        cause: Any = problem.__cause__
        if getattr(cause, "code", "") in _NOTHING_TO_DO:
            return
        if not _frozen(calls, one, name):  # whatever it is called: what thaws has been asked for, only not so soon
            return
        if isinstance(problem, StoreFull):
            raise StoreFailed(
                f"store {calls.described} at {one.key}: its quota of thaws is used up (OSS {cause.code})",
                help="ask again in some hours, or at a slower tier (--thaw-tier); the provider can raise the quota",
                retryable=True,
            ) from problem
        raise


def _frozen(calls: OssCalls, one: StoredObject, name: str) -> bool:
    """Whether nobody has asked for its thaw, as far as can be seen."""
    try:
        told = calls.do(one.key, lambda bucket: bucket.head_object(name), _PATIENCE).headers
    except StoreFailed:
        return True
    found = as_stored(one.key, one.size, told.get("x-oss-storage-class", ""), told.get("x-oss-restore", ""))
    return found.cold == "frozen"
