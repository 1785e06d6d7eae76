"""Directories that hold nothing of bkpc: a store that is new, or the mountpoint of a disk that is away.

`apply` makes a store of one, unless another store knows that it was one before; nothing else ever does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bkpc_runtime.errors import Refused, StoreFailed
from bkpc_runtime.repository import plans
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.world import World


def new_stores(world: World, names: Iterable[str]) -> Mapping[str, Refused | None]:
    """Of the stores `names` those that hold nothing, and why one must not be taken for a new one."""
    found: dict[str, Refused | None] = {}
    for name in sorted(names):
        store = world.store(name)
        if isinstance(store, DirectoryStore) and not store.holds_something(plans.CURRENT):
            other = next(_knowing(world, name, str(store.root)), "")
            found[name] = _refused(store, other) if other else None
    return found


def _refused(store: DirectoryStore, other: str) -> Refused:
    return Refused(
        f"store `{store.name}` holds nothing, and store `{other}` knows that a plan was applied to it: "
        f"the disk of {store.root} is not mounted, or was replaced",
        help=f"mount it: findmnt --target {store.root}; where nothing was kept in it yet, or all is lost, "
        f"say --new-store {store.name}",
    )


def _knowing(world: World, name: str, root: str) -> Iterator[str]:
    """Other stores with a plan in force that keeps something in this one, at the same place."""
    for database in world.databases(None):
        for other in world.stores_of(database.name):
            try:
                force = plans.in_force(world.store(other), database.name) if other != name else None
            except StoreFailed:
                continue
            there = force.plan.estate.stores if force and force.plan else ()
            if any(one.name == name and str(world.folder / one.location) == root for one in there):
                yield other
