"""What a plan asks of each bucket: its stores' settings, several stores of one bucket taken together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bkpc_grammar import plan as contract
from bkpc_grammar.bucket import region_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.open import checked_place

DAY = 86_400_000
CLASSES = {
    "standard": "Standard",
    "infrequent_access": "IA",
    "archive": "Archive",
    "cold_archive": "ColdArchive",
    "deep_cold_archive": "DeepColdArchive",
}
"""The classes of `std/oss` in the words of OSS."""
_REGION = re.compile(r"(cn|ap|us|eu|me|na|sa|rg)-[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Replica:
    """Where OSS copies what one store has: the bucket of `store`, in `region`, as the RAM role (empty: its own)."""

    store: str
    bucket: str
    region: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What one store has in its bucket: all below `prefix` (empty, or ends with `/`); live objects below `folders`.

    `storage_class` as OSS calls it, empty where the plan names none or one of its own; `redundancy` lrs, zrs or empty.
    `copied_from`: the store that OSS copies here by itself, empty where none.
    """

    store: str
    prefix: str
    folders: tuple[str, ...]
    storage_class: str
    redundancy: str
    replica: Replica | None = None
    copied_from: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bucket must look like. `lock_days` 0: no lock is asked for; `needed_days` None: objects stay for ever."""

    bucket: str
    region: str
    places: tuple[Place, ...]
    lock_days: int
    unsuspended: bool
    encrypted: bool
    public_blocked: bool
    https_only: bool
    upload_days: int
    noncurrent_days: int
    needed_days: int | None

    @property
    def store(self) -> str:
        """The store whose endpoint and credentials reach the bucket."""
        return self.places[0].store


def wanted_of(plan: contract.Plan, stores: Iterable[str]) -> tuple[Wanted, ...]:
    """One for each bucket of these stores and of those that OSS copies these to, which come first.

    Otherwise in the order of their first store's name.
    """
    named = set(stores)
    copies = {one.replicates_to for one in plan.settings if one.store in named and one.replicates_to}
    named |= copies
    known = {one.name: one for one in plan.estate.stores}
    grouped: dict[str, list[contract.StoreSettings]] = {}
    for one in sorted(plan.settings, key=lambda one: one.store not in copies):
        grouped.setdefault(checked_place(known[one.store]).bucket, []).append(one)
    return tuple(
        _wanted(plan, bucket, settings, known)
        for bucket, settings in grouped.items()
        if named & {one.store for one in settings}
    )


def _wanted(
    plan: contract.Plan, bucket: str, settings: list[contract.StoreSettings], known: dict[str, contract.Store]
) -> Wanted:
    first = known[settings[0].store]
    for one in settings[1:]:
        _agree(bucket, first, known[one.store])
    needed = [one.needed_days for one in settings]
    return Wanted(
        bucket=bucket,
        region=_region(first),
        places=tuple(_place(plan, one, known) for one in settings),
        lock_days=-(-max(one.worm_ms or 0 for one in settings) // DAY),
        unsuspended=any(one.versioning == "not-suspended" for one in settings),
        encrypted=any(one.server_side_encryption for one in settings),
        public_blocked=any(one.block_public_access for one in settings),
        https_only=all(one.https_only for one in settings),
        upload_days=max(one.unfinished_uploads_days for one in settings),
        noncurrent_days=max(one.noncurrent_days for one in settings),
        needed_days=None if None in needed else max(one for one in needed if one is not None),
    )


def _agree(bucket: str, first: contract.Store, other: contract.Store) -> None:
    """`check` proves no such plan: a class or a region of one store would silently be that of the other, too.

    Raises:
        BadUsage: they count on what one bucket can't be, or have objects in common.
    """
    says = (
        ("class", first.storage_class or "standard", other.storage_class or "standard"),
        ("redundancy", first.redundancy or "lrs", other.redundancy or "lrs"),
        ("region", _region(first), _region(other)),
    )
    clash = next((f"one {what}, and the plan names {one} and {two}" for what, one, two in says if one != two), "")
    if not clash and checked_place(first).shares_with(checked_place(other)):
        clash = "objects that are of both"
    if clash:
        message = f"stores `{first.name}` and `{other.name}` are in bucket `{bucket}`, which has {clash}"
        raise BadUsage(message, help="compile the plan again: `check` names the clauses")


def _region(store: contract.Store) -> str:
    told = store.region if _REGION.fullmatch(store.region) else ""
    return told or region_of(store.endpoint or "") or store.region


def _place(plan: contract.Plan, settings: contract.StoreSettings, known: dict[str, contract.Store]) -> Place:
    store = known[settings.store]
    prefix = checked_place(store).folder
    source = next((one.store for one in plan.settings if one.replicates_to == store.name), "")
    wrote = {store.name, source}
    writers = {one.database for one in plan.jobs if wrote & set(one.stores)}
    writers |= {one.database for one in plan.streams if wrote & set(one.stores)}
    folders = [f"{layout.database_folder(one)}/" for one in sorted(writers)] + [layout.PLANS]
    return Place(
        store.name,
        prefix,
        tuple(prefix + folder for folder in folders),
        CLASSES.get(store.storage_class or "", ""),
        store.redundancy or "",
        _replica(settings, known),
        source,
    )


def _replica(settings: contract.StoreSettings, known: dict[str, contract.Store]) -> Replica | None:
    if settings.replicates_to is None:
        return None
    target = known[settings.replicates_to]
    return Replica(target.name, checked_place(target).bucket, _region(target), settings.replication_role or "")
