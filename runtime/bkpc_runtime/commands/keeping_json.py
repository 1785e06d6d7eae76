"""What `plan --format json` says of expiry and history: docs/retention.md has its fields."""

from __future__ import annotations

from typing import Any

from bkpc_runtime.forecast import Forecast, History
from bkpc_runtime.repository.holdings import KnownImage
from bkpc_runtime.repository.restorable import Restorable


def store_row(one: Forecast) -> dict[str, Any]:
    """What goes from one store, and what of it the plan in force keeps."""
    return {
        "database": one.database,
        "store": one.store,
        "gone": [{"image": image.id, "stored_bytes": image.stored_size} for image in one.gone],
        "binlogs": len(one.going),
        "binlog_bytes": sum(it.stored_size for it in one.going),
        "in_force": one.against,
        "lost": [_lost(one, image) for image in one.lost],
        "binlogs_lost": one.log_lost,
        "rests": one.rests,
        "lock_days": one.lock.days,
        "lock_unknown": one.lock.unknown,
    }


def _lost(one: Forecast, image: KnownImage) -> dict[str, Any]:
    until = one.lock.until.get(image.id)
    return {
        "image": image.id,
        "in_other_stores": image in one.elsewhere,
        "locked_until": until.isoformat() if until else None,
    }


def history_row(one: History) -> dict[str, Any]:
    """What of a database can be restored by the plan in force, by this one, and what of the first no longer."""
    return {
        "database": one.database,
        "in_force": _restorable(one.before),
        "this_plan": _restorable(one.after),
        "lost": _restorable(one.lost),
        "not_looked_at": list(one.unknown),
    }


def _restorable(one: Restorable) -> dict[str, Any]:
    return {
        "points": [{"from": since.isoformat(), "until": until.isoformat()} for since, until in one.spans],
        "moments": [{"image": image.id, "at": image.finished.isoformat()} for image in one.alone],
    }
