"""Where a store of OSS may be, and that nothing else passes for it."""

from __future__ import annotations

import pytest

from bkpc_grammar.bucket import NoPlace, Place, endpoint_of, place_of, region_of

LONGEST = "a" * 63


@pytest.mark.parametrize(
    ("location", "bucket", "folder"),
    [
        ("acme", "acme", ""),
        ("acme/", "acme", ""),
        ("0-9", "0-9", ""),
        (LONGEST, LONGEST, ""),
        ("acme/shop", "acme", "shop/"),
        ("acme/shop/", "acme", "shop/"),
        ("acme/team/备份/shop.2", "acme", "team/备份/shop.2/"),
        ("acme/...", "acme", ".../"),
        ("acme/a b+c%$[x]", "acme", "a b+c%$[x]/"),
        ("acme/" + "x" * 512, "acme", "x" * 512 + "/"),
    ],
)
def test_places(location: str, bucket: str, folder: str) -> None:
    place = place_of(location)
    assert (place.bucket, place.folder) == (bucket, folder)
    assert place.objects == f"{bucket}/{folder}*"


BUCKETS = [
    "",
    "ab",
    "NewBucket",
    "new_bucket",
    "-ab",
    "ab-",
    "192.168.1.1",
    "a.b",
    "acme?acl",
    "a*e",
    "ä-ö",
    LONGEST + "a",
]
PREFIXES = [
    "*", "shop/*", "sho?", "${oss:Prefix}", "a\\b", "/shop", "a//b", "/", "shop//", ".", "..", "a/../b", "a/./b",
    "a\nb", "a\x00b", "a\u202eb", "\ud800", "x" * 513, "备" * 171,
]  # fmt: skip


@pytest.mark.parametrize("location", [*BUCKETS, *(f"acme/{one}" for one in PREFIXES)])
def test_no_places(location: str) -> None:
    with pytest.raises(NoPlace) as refused:
        place_of(location)
    assert refused.value.help


@pytest.mark.parametrize("folder", ["*/", "a?/", "${x}/", "/", "../", "a//"])
def test_no_value_means_more_than_itself(folder: str) -> None:
    with pytest.raises(NoPlace):
        Place("acme", folder)


def test_who_shares_objects() -> None:
    shop = place_of("acme/shop")
    assert all(shop.shares_with(place_of(one)) for one in ("acme", "acme/shop", "acme/shop/", "acme/shop/inner"))
    assert not any(shop.shares_with(place_of(one)) for one in ("acme/shopping", "acme/sho", "acne/shop", "acne"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com"),
        ("oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com"),
        ("https://OSS.example:8443/", "https://OSS.example:8443/"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://127.0.0.1:65535", "http://127.0.0.1:65535"),
        ("localhost:9000", "https://localhost:9000"),
    ],
)
def test_endpoints(text: str, url: str) -> None:
    assert endpoint_of(text).geturl() == url


@pytest.mark.parametrize(
    "text",
    [
        "", "abc", "https://abc", "https://", "ftp://oss.example", "https://oss.example:99999", "https://oss.example:0",
        "https://oss.example:x", "https://oss.example:", "https://[::1]", "[::1]:80", "https://[", "https://oss.example/b",
        "https://oss.example?acl", "https://oss.example#x", "https://oss..example", "https://-oss.example",
        "https://o s.x", "https://oss.example\n", "https://*.example", "https://\u00f6ss.example", "oss.example\\x",
    ],
)  # fmt: skip
def test_no_endpoints(text: str) -> None:
    with pytest.raises(NoPlace, match="endpoint"):
        endpoint_of(text)


@pytest.mark.parametrize(
    "text", ["https://me:hunter2@oss.example", "me:hunter2@oss.example:1", "https://oss.example/@hunter2"]
)
def test_what_may_be_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(NoPlace, match="no password") as refused:
        endpoint_of(text)
    assert "hunter2" not in f"{refused.value} {refused.value.help}"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("oss", "cn-hangzhou"),
        ("oss-internal", "cn-hangzhou"),
        ("vpc100-oss-cn-hangzhou", "cn-hangzhou"),
        ("cn-hangzhou-internal.oss-data-acc", None),
        ("oss-cn-hangzhou", "cn-hangzhou"),
        ("oss-cn-hangzhou-internal", "cn-hangzhou"),
        ("cn-hangzhou.oss", "cn-hangzhou"),
        ("oss-cn-wuhan-lr", "cn-wuhan-lr"),
        ("oss-us-east-1-internal", "us-east-1"),
        ("oss-cn-shenzhen-finance-1-pub", "cn-shenzhen-finance-1"),
        ("oss-cn-shenzhen-finance-1-internal", "cn-shenzhen-finance-1"),
        ("oss-cn-szfinance-internal", "cn-shenzhen-finance-1"),
        ("oss-cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"),
        ("oss-cn-shanghai-finance-1-pub-internal", "cn-shanghai-finance-1"),
        ("cn-shanghai-finance.oss", "cn-shanghai-finance-1"),
        ("oss-cn-beijing-finance-1-pub", "cn-beijing-finance-1"),
        ("oss-cn-hzfinance", "cn-hangzhou-finance"),
        ("oss-cn-hzfinance-internal", "cn-hangzhou-finance"),
        ("oss-cn-north-2-gov-1-internal", "cn-north-2-gov-1"),
        ("oss-accelerate", None),
        ("oss-accelerate-overseas", None),
        ("oss-cn-hzjbp-a-internal", None),
        ("sts.cn-hangzhou", None),
    ],
)
def test_regions(host: str, region: str | None) -> None:
    """As the provider's table of endpoints has them; an endpoint of no region leaves it to the site."""
    assert region_of(f"https://{host}.aliyuncs.com:443/") == region
    assert region_of(f"https://{host}.example") is None


@pytest.mark.parametrize("host", ["oss-cn-hangzhou-internal", "oss-accelerate", "cn-hangzhou.oss"])
def test_an_endpoint_of_a_bucket_is_refused_with_what_to_write(host: str) -> None:
    assert endpoint_of(f"https://{host}.aliyuncs.com")
    with pytest.raises(NoPlace, match=r"begins with a bucket \(`acme`\)") as refused:
        endpoint_of(f"https://acme.{host}.aliyuncs.com")
    assert refused.value.help == f"write `https://{host}.aliyuncs.com`"
