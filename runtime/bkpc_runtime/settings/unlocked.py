"""Whether what a store keeps is locked as the plan asks: told where people look, not by `plan` alone."""

from __future__ import annotations

from bkpc_runtime.errors import StoreDenied, StoreFailed
from bkpc_runtime.settings.wanted import wanted_of
from bkpc_runtime.world import World


def unlocked(world: World, store: str) -> str:
    """What is wrong with the retention lock of a store's bucket; empty where it is as asked, or none is asked for."""
    for wanted in wanted_of(world.plan, [store]):
        if not wanted.lock_days:
            continue
        if why := world.away.get(store):
            return f"whether bucket `{wanted.bucket}` is locked is not known: {why}"
        try:
            found = world.bucket(store).retention()
        except StoreDenied:
            return (
                f"whether bucket `{wanted.bucket}` is locked is not known: the key may not do oss:GetBucketWorm "
                "(`compile --target iam` has what it needs)"
            )
        except StoreFailed as problem:
            return f"whether bucket `{wanted.bucket}` is locked is not known: {problem}"
        asked = f"bucket `{wanted.bucket}` is not locked for {wanted.lock_days} days, as the plan asks"
        if found is None:
            return f"{asked}: whoever may delete could delete the backups; `bkpc apply --yes-lock-forever` locks it"
        if not found.locked:
            return f"{asked}: a lock is begun, and lapses unless `bkpc apply --yes-lock-forever` completes it"
        if found.days < wanted.lock_days:
            return f"{asked}: it is for {found.days}; `bkpc apply --yes-lock-forever` prolongs it"
    return ""
