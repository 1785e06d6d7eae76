"""A plan that names no place of OSS, or more than one, opens nothing: it may have been written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_compiler.backends.iam.roles import policies_of
from bkpc_grammar.bucket import NoPlace
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.stores.open import open_settings, open_store
from bkpc_runtime.stores.oss import OssStore
from tests.compiler.backends.made import made_plan

PLAN = made_plan()
(NEAR,) = [one for one in PLAN.estate.stores if one.name == "near"]
KEY = dict.fromkeys(NEAR.credentials.names, "x") if NEAR.credentials else {}


@pytest.mark.parametrize("location", ["acme/*", "acme/${oss:Prefix}", "acme/sho?", "acme?acl", "acme/../x", "Acme"])
def test_no_place_is_opened_nor_are_keys_made_for_it(location: str, tmp_path: Path) -> None:
    store = replace(NEAR, location=location)
    for opened in (open_store, open_settings):
        with pytest.raises(BadUsage, match=r"store `near`: .*(the prefix|the name of a bucket)"):
            opened(store, tmp_path, KEY)
    with pytest.raises(NoPlace):
        policies_of(replace(PLAN, estate=replace(PLAN.estate, stores=(store,))))


def test_an_endpoint_with_a_password_is_refused_without_telling_it(tmp_path: Path) -> None:
    with pytest.raises(BadUsage) as refused:
        open_store(replace(NEAR, endpoint="https://me:hunter2@oss.example"), tmp_path, KEY)
    assert "no user and no password" in str(refused.value)
    assert "hunter2" not in f"{refused.value} {refused.value.help}"


@pytest.mark.parametrize(
    ("endpoint", "site", "signed"),
    [
        ("https://oss-accelerate.aliyuncs.com", "cn-hangzhou", "cn-hangzhou"),
        ("https://oss-cn-szfinance.aliyuncs.com", "shenzhen", "cn-shenzhen-finance-1"),
        ("https://oss-cn-shenzhen-finance-1-pub.aliyuncs.com", "shenzhen", "cn-shenzhen-finance-1"),
        ("https://oss.example", "cn-beijing", "cn-beijing"),
    ],
)
def test_which_region_requests_are_signed_for(endpoint: str, site: str, signed: str, tmp_path: Path) -> None:
    """What the endpoint says; that of the site where it is of all regions, or of none."""
    store = open_store(replace(NEAR, endpoint=endpoint, region=site), tmp_path, KEY)
    assert isinstance(store, OssStore)
    assert store._calls._bucket.region == signed


def test_an_endpoint_of_a_bucket_is_refused_with_the_one_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="begins with a bucket") as refused:
        open_store(replace(NEAR, endpoint="https://acme.oss-cn-hangzhou.aliyuncs.com"), tmp_path, KEY)
    assert refused.value.help == "write `https://oss-cn-hangzhou.aliyuncs.com`"
