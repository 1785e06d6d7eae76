"""The bucket itself: it exists, is ours, and lies where and as the plan's proofs say."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_grammar.bucket import region_of
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketInfo, BucketSettings

NAME = "bucket"
THAWS = ("Archive", "ColdArchive", "DeepColdArchive")
"""Classes that can't be read at once, the slower later."""


def slower(first: str, second: str) -> bool:
    """Whether the first byte of class `first` comes later than that of `second`."""
    return _rank(first) > _rank(second)


def _rank(storage_class: str) -> int:
    return THAWS.index(storage_class) + 1 if storage_class in THAWS else 0


def to_make(wanted: Wanted) -> BucketInfo:
    """The bucket that a plan asks for."""
    storage_class = next((one.storage_class for one in wanted.places if one.storage_class), "Standard")
    redundant = any(one.redundancy == "zrs" for one in wanted.places)
    return BucketInfo(wanted.region, storage_class, "ZRS" if redundant else "LRS")


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    found = bucket.info()
    if found is None:
        made = to_make(wanted)
        words = f"made in {made.region}, {made.redundancy}, class {made.storage_class}"
        yield Difference(NAME, words, "+", "it does not exist")
        return
    region = found.region or _region_of(found.elsewhere)
    if region != wanted.region:
        where = region or found.elsewhere
        why = f"the plan counts on {wanted.region}: choose another bucket, or correct site and endpoint of the store"
        yield Difference(NAME, f"it lies in {where}", "!", why)
        return
    for place in wanted.places:
        if place.redundancy == "zrs" and found.redundancy != "ZRS":
            why = f"store `{place.store}` counts on ZRS, which outlives a zone: convert it, or write `redundancy lrs`"
            yield Difference(NAME, f"its redundancy is {found.redundancy}", "!", why)
        elif place.redundancy == "lrs" and found.redundancy == "ZRS":
            yield Difference(
                NAME, "its redundancy is ZRS", "i", f"store `{place.store}` asks for LRS, which costs less"
            )
        yield from _class(found.storage_class, place.storage_class, place.store)


def _class(found: str, wanted: str, store: str) -> Iterator[Difference]:
    if slower(found, wanted):
        proved = f"class {wanted}" if wanted else "a class that is read at once"
        why = f"store `{store}` counts on {proved}: choose another bucket, or write the class it has"
        yield Difference(NAME, f"its class is {found}, which thaws for longer", "!", why)
    elif wanted and found != wanted:
        yield Difference(
            NAME, f"its class is {found}", "i", f"store `{store}` asks for {wanted}: what it keeps costs so"
        )


def _region_of(endpoint: str) -> str:
    return region_of(f"https://{endpoint}") or ""


def mend(bucket: BucketSettings, wanted: Wanted) -> None:
    made = to_make(wanted)
    bucket.create(made.storage_class, made.redundancy)
