"""Objects of OSS in a class that must thaw: how one stands, and asking for it."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.stores.oss_calls import OssCalls, thaw_request
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject, Tier

LONGEST = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}
"""Days that what has thawed can stay so, by class; those that can be read at once are not here."""
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
    except StoreFailed as problem:
        cause: Any = problem.__cause__
        if getattr(cause, "code", "") not in _NOTHING_TO_DO:
            raise
