"""What says what is there (manifests, marks, plans) and froze all the same: thawed once, and written in class Standard.

A rule of the bucket moved it, or an earlier version wrote it in the class of the bucket. Until it is mended nothing of
the store can be listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bkpc_runtime.commands.outcome import complain, say
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.repository import layout
from bkpc_runtime.steps.thaw import Wish, ask
from bkpc_runtime.stores.keys import is_data
from bkpc_runtime.stores.store import Store, StoredObject
from bkpc_runtime.world import World

_DAYS = 3


def mend_cold_records(world: World, only: str | None) -> int:
    """Says what it does; how many can't be read yet."""
    left = 0
    for name in sorted({name for one in world.databases(only) for name in world.stores_of(one.name)}):
        if world.thaws(name):
            try:
                left += _mend(world, name, only)
            except StoreFailed as problem:
                complain(problem)
    return left


def _mend(world: World, name: str, only: str | None) -> int:
    store = world.store(name)
    found = list(_records(world, store, only))
    cold = [one for one in found if one.cold]
    thawed = [one for one in found if not one.cold]
    for one in thawed:
        store.put(one.key, store.get(one.key))
    if thawed:
        say(f"store {name}: {len(thawed)} manifests, marks and plans that had frozen are in class Standard again")
    if cold:
        usual = next(timedelta(milliseconds=one.thaw_ms) for one in world.plan.estate.stores if one.name == name)
        ask(store, cold, Wish(_DAYS, usual))
        say(f"store {name}: {len(cold)} manifests, marks and plans are frozen: their thaw is asked for")
        say(f"  it usually takes {usual}; run bkpc apply again then")
    return len(cold)


def _records(world: World, store: Store, only: str | None) -> Iterator[StoredObject]:
    """Those in a class that must thaw."""
    folders = [f"{layout.database_folder(one.name)}/" for one in world.databases(only)]
    for folder in (*folders, layout.PLANS):
        yield from (one for one in store.list(folder) if one.storage_class and not is_data(one.key))
