"""Notes of until when a log is complete, of which only the newest of each binlog says anything."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from bkpc_runtime.repository.holdings import Holding
from bkpc_runtime.repository.known_until import superseded
from bkpc_runtime.stores.store import Store

_AT_ONCE = 1000


def drop_superseded(store: Store, holding: Holding, before: datetime) -> tuple[int, int]:
    """Of what a store holds those that were written before an instant: how many have gone, and how many are locked."""
    gone = locked = 0
    for prefix, epochs in holding.logs:
        for epoch in epochs:
            for binlog in (one for one in epoch.binlogs if one.notes > 1):
                old = (one for one in superseded(store, prefix, epoch.number, binlog.file) if one.until < before)
                keys = (one.key(prefix, epoch.number) for one in old)
                while batch := list(islice(keys, _AT_ONCE)):
                    kept = store.delete_many(batch)
                    gone, locked = gone + len(batch) - kept, locked + kept
    return gone, locked
