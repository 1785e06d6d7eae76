"""What plans ask of a bucket: its stores taken together, the strictest of each."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.settings.wanted import Replica, Wanted, wanted_of
from tests.compiler.backends.made import made_plan

DAY = 86_400_000


def store(name: str, location: str, **more: Any) -> contract.Store:
    (one,) = [found for found in made_plan().estate.stores if found.name == "near"]
    return replace(one, name=name, location=location, **more)


def asked(name: str, **more: Any) -> contract.StoreSettings:
    plain = contract.StoreSettings(
        store=name,
        worm_ms=None,
        versioning="any",
        server_side_encryption=True,
        block_public_access=True,
        https_only=True,
        unfinished_uploads_days=3,
        noncurrent_days=30,
        needed_days=16,
    )
    return replace(plain, **more)


def wanted(stores: list[contract.Store], settings: list[contract.StoreSettings], *names: str) -> list[Wanted]:
    plan = made_plan()
    estate = replace(plan.estate, stores=tuple(stores))
    found = replace(plan, estate=estate, settings=tuple(settings))
    return list(wanted_of(found, names or [one.name for one in stores]))


def test_stores_of_one_bucket_are_asked_for_together() -> None:
    (one,) = wanted(
        [store("a", "acme/shop"), store("b", "acme/wiki/")],
        [
            asked("a", worm_ms=3 * DAY, versioning="not-suspended", noncurrent_days=31),
            asked("b", worm_ms=DAY, https_only=False, unfinished_uploads_days=9, needed_days=20),
        ],
        "b",
    )
    assert (one.bucket, one.store, [place.prefix for place in one.places]) == ("acme", "a", ["shop/", "wiki/"])
    assert (one.lock_days, one.unsuspended, one.https_only) == (3, True, False)
    assert (one.upload_days, one.noncurrent_days, one.needed_days) == (9, 31, 20)


def test_what_one_store_keeps_for_ever_is_needed_for_ever() -> None:
    (one,) = wanted([store("a", "acme/a"), store("b", "acme/b")], [asked("a"), asked("b", needed_days=None)])
    assert one.needed_days is None


def test_only_the_buckets_that_are_named() -> None:
    stores, settings = [store("a", "one"), store("b", "two")], [asked("a"), asked("b")]
    assert [one.bucket for one in wanted(stores, settings)] == ["one", "two"]
    assert [one.bucket for one in wanted(stores, settings, "b")] == ["two"]


def test_a_lock_is_of_whole_days_and_never_shorter_than_asked() -> None:
    for milliseconds, days in ((1, 1), (DAY, 1), (DAY + 1, 2)):
        (one,) = wanted([store("a", "one")], [asked("a", worm_ms=milliseconds)])
        assert one.lock_days == days


def test_live_objects_lie_below_the_databases_folders_and_the_plans() -> None:
    (one,) = wanted([store("near", "one/pre")], [asked("near")])
    assert one.places[0].folders == ("pre/accounts/", "pre/config/", "pre/orders/", "pre/plans/")
    (bare,) = wanted([store("near", "one")], [asked("near")])
    assert (bare.places[0].prefix, bare.places[0].folders[-1]) == ("", "plans/")


def test_the_region_is_the_sites_where_it_names_one_of_oss() -> None:
    beijing = "https://oss-cn-beijing-internal.aliyuncs.com"
    for region, endpoint, says in (
        ("cn-hangzhou", beijing, "cn-hangzhou"),
        ("east", beijing, "cn-beijing"),
        ("east", "https://oss.example", "east"),
    ):
        (one,) = wanted([store("a", "one", region=region, endpoint=endpoint)], [asked("a")])
        assert one.region == says


def test_classes_of_ones_own_are_asked_of_nobody() -> None:
    for name, says in (("infrequent_access", "IA"), ("deep_cold_archive", "DeepColdArchive"), ("mine", ""), (None, "")):
        (one,) = wanted([store("a", "one", storage_class=name)], [asked("a")])
        assert one.places[0].storage_class == says


def test_a_bucket_that_oss_copies_to_comes_before_its_source() -> None:
    stores = [store("near", "one/pre"), store("away", "two/pre", region="cn-beijing")]
    settings = [asked("away"), asked("near", replicates_to="away", replication_role="copier")]
    copy, source = wanted(stores, settings, "near")
    assert (copy.bucket, source.bucket) == ("two", "one")
    assert source.places[0].replica == Replica("away", "two", "cn-beijing", "copier")
    assert (copy.places[0].copied_from, copy.places[0].replica) == ("near", None)
    assert copy.places[0].folders == source.places[0].folders, "what would delete there is told as here"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"storage_class": "cold_archive"}, "one class, and the plan names standard and cold_archive"),
        ({"redundancy": "zrs"}, "one redundancy, and the plan names lrs and zrs"),
        ({"region": "cn-beijing"}, "one region, and the plan names cn-hangzhou and cn-beijing"),
        ({"location": "one/shop/inner"}, "objects that are of both"),
        ({"location": "one"}, "objects that are of both"),
        ({"location": "one/*"}, r"the prefix `\*` has `\*` in it"),
    ],
)
def test_a_bucket_is_never_made_as_one_of_two_stores_that_disagree(other: dict[str, Any], says: str) -> None:
    plain = {"storage_class": None, "redundancy": None, "region": "cn-hangzhou"}
    stores = [store("a", "one/shop", **plain), store("b", **{"location": "one/shopping", **plain, **other})]
    with pytest.raises(BadUsage, match=says):
        wanted(stores, [asked("a"), asked("b")])
    (one,) = wanted([stores[0], store("b", "one/shopping", **plain)], [asked("a"), asked("b")])
    assert [place.prefix for place in one.places] == ["shop/", "shopping/"]
