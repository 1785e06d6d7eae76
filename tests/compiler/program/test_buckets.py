"""Where stores say that they are, and what stores of one bucket can't have each for itself."""

from __future__ import annotations

import pytest

from bkpc_compiler.diagnostics.diagnostic import Severity
from tests.compiler.one_file import SMALL, changed, check

SERVICE = 'endpoint "https://oss-cn-hangzhou.aliyuncs.com"'
KEY = "credentials env A, B"
ONE = f'store one at hangzhou {{ oss "acme/shop" {SERVICE} {KEY} }}'
TWO = f'store two at hangzhou {{ oss "acme/tape" {SERVICE} {KEY} }}'
SITES = 'site hangzhou { region "cn-hangzhou" }\nsite beijing { region "cn-beijing" }'


def told(one: str = ONE, two: str = TWO, more: str = "") -> list[tuple[str, str]]:
    text = changed(("edition 1\n", 'edition 1\nimport "std/oss"\n'))
    return [(found.code, found.message) for found in check("\n".join((text, SITES, one, two, more))).diagnostics]


def test_neighbours_in_a_bucket_that_agree_are_fine() -> None:
    assert told() == []
    standard = TWO.replace(KEY, f"{KEY} class standard redundancy lrs")
    assert told(two=standard) == []
    assert told(two=TWO.replace("hangzhou.aliyuncs", "hangzhou-internal.aliyuncs")) == []
    assert told(two=TWO.replace("acme/tape", "acme/shopping")) == []


ONE_SERVICE = [
    "https://oss-cn-hangzhou.aliyuncs.com",
    "https://oss-cn-hangzhou.aliyuncs.com:443",
    "oss-cn-hangzhou.aliyuncs.com",
    "https://OSS-cn-hangzhou-internal.aliyuncs.com",
    "https://cn-hangzhou.oss.aliyuncs.com",
    "https://vpc100-oss-cn-hangzhou.aliyuncs.com",
    "https://oss.aliyuncs.com",
    "https://oss-accelerate.aliyuncs.com",
    "https://oss-accelerate-overseas.aliyuncs.com",
    "https://cn-hangzhou-internal.oss-data-acc.aliyuncs.com",
]


@pytest.mark.parametrize("spelling", ONE_SERVICE)
def test_a_region_has_one_service_however_it_is_reached(spelling: str) -> None:
    endpoint = f'endpoint "{spelling}"'
    for one, two in ((ONE.replace(SERVICE, endpoint), TWO), (ONE, TWO.replace(SERVICE, endpoint))):
        assert told(one, two) == []
        ((code, message),) = told(one, two.replace("acme/tape", "acme/shop/tape"))
        assert (code, "`two` has objects of `one`" in message) == ("BKP1014", True)
    other = 'endpoint "https://oss.example:8443"'
    ((code, message),) = told(ONE.replace(SERVICE, endpoint), TWO.replace(SERVICE, other))
    assert (code, "https://oss.example:8443, `one` OSS in cn-hangzhou" in message) == ("BKP1014", True)


def test_a_service_of_ones_own_has_one_spelling() -> None:
    one = ONE.replace(SERVICE, 'endpoint "https://OSS.example:443"')
    assert told(one, TWO.replace(SERVICE, 'endpoint "oss.example"')) == []
    ((code, _),) = told(one, TWO.replace(SERVICE, 'endpoint "oss.example:444"'))
    assert code == "BKP1014"


def test_acceleration_of_two_regions_is_told_as_two_regions() -> None:
    fast = 'endpoint "https://oss-accelerate.aliyuncs.com"'
    one, two = ONE.replace(SERVICE, fast), TWO.replace(SERVICE, fast).replace("at hangzhou", "at beijing")
    assert any("has one region: `two` says cn-beijing, `one` cn-hangzhou" in message for _, message in told(one, two))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (KEY, f"{KEY} class cold_archive", "bucket `acme` has one class: `two` says cold_archive, `one` standard"),
        (KEY, f"{KEY} redundancy zrs", "bucket `acme` has one redundancy: `two` says zrs, `one` lrs"),
        (
            "https://oss-cn-hangzhou.aliyuncs.com",
            "oss.example:8443",
            "bucket `acme` has one endpoint: `two` says https://oss.example:8443, `one` OSS in cn-hangzhou",
        ),
        ("acme/tape", "acme/shop/inner", "`two` has objects of `one`: one would list, expire and be given keys"),
        ("acme/tape", "acme/shop/", "`two` has the same objects as `one`"),
        ("acme/tape", "acme", "`one` has objects of `two`"),
    ],
)
def test_what_a_bucket_has_once(before: str, after: str, says: str) -> None:
    assert before in TWO
    ((code, message),) = told(two=TWO.replace(before, after))
    assert code == "BKP1014"
    assert says in message


def test_a_bucket_lies_in_one_region() -> None:
    own = "https://oss.example:8443"
    one, two = (store.replace("https://oss-cn-hangzhou.aliyuncs.com", own) for store in (ONE, TWO))
    says = "bucket `acme` has one region: `two` says cn-beijing, `one` cn-hangzhou"
    ((code, message),) = told(one, two.replace("at hangzhou", "at beijing"))
    assert code == "BKP1014"
    assert says in message


def test_the_endpoint_leads_to_where_the_store_is_said_to_be() -> None:
    moved = ONE.replace("at hangzhou", "at beijing")
    text = "\n".join((changed(("edition 1\n", 'edition 1\nimport "std/oss"\n')), SITES, moved))
    (found,) = check(text).diagnostics
    message = "`one` is said to be in region `cn-beijing`, and its endpoint leads to `cn-hangzhou`"
    assert (found.code, found.message) == ("BKP1015", message)
    assert found.primary.text == "at `beijing`"
    (site,) = found.secondary
    assert text[site.span.start : site.span.end] == "beijing"
    for agrees in (
        "https://oss-cn-beijing-internal.aliyuncs.com",
        "https://oss.example:8443",
        "OSS-CN-BEIJING.aliyuncs.com",
    ):
        assert told(moved.replace("https://oss-cn-hangzhou.aliyuncs.com", agrees), "") == []


def test_both_clauses_are_shown_and_all_stores_are_looked_at() -> None:
    cold = TWO.replace(KEY, f"{KEY} class cold_archive")
    third = cold.replace("store two", "store three").replace("acme/tape", "acme/shop/inner")
    text = "\n".join((changed(("edition 1\n", 'edition 1\nimport "std/oss"\n')), SITES, ONE, cold, third))
    found = check(text).diagnostics
    assert [text[one.primary.span.start : one.primary.span.end] for one in found] == [
        "class cold_archive",
        "three",
        "class cold_archive",
    ]
    for one in found:
        (other,) = one.secondary
        assert text[other.span.start : other.span.end] == "one"
        assert one.severity is Severity.ERROR


def test_a_nest_in_a_nest_is_told_once_each() -> None:
    stores = [TWO.replace("two", f"s{n}").replace("acme/tape", "acme/" + "/".join("abc"[:n])) for n in (1, 2, 3)]
    beside = TWO.replace("two", "s4").replace("acme/tape", "acme/a/c")
    assert [message.partition(":")[0] for _, message in told("", "", "\n".join((*stores, beside)))] == [
        "`s2` has objects of `s1`",
        "`s3` has objects of `s2`",
        "`s4` has objects of `s1`",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("acme/tape", "backup/*", "the prefix `*` has `*` in it"),
        ("acme/tape", "backup/${x}", "the prefix `${x}` has `${` in it"),
        ("acme/tape", "NewBucket", "`NewBucket` is not the name of a bucket"),
        ("acme/tape", "newbucket?acl", "`newbucket?acl` is not the name of a bucket"),
        ("acme/tape", "backup//x", "a part that is empty"),
        ("oss-cn-hangzhou.aliyuncs.com", "oss.example:99999", "has port 99999"),
        ("https://oss-cn-hangzhou.aliyuncs.com", "http://oss.example", "over plain HTTP"),
        ("https://oss-cn-hangzhou.aliyuncs.com", "https://me:pw@oss.example", "no user and no password"),
        ("https://oss-cn-hangzhou.aliyuncs.com", "abc", "not the full name"),
    ],
)
def test_places_that_oss_does_not_have(before: str, after: str, says: str) -> None:
    assert before in TWO
    text = "\n".join((SMALL, SITES, TWO.replace(before, after)))
    (found,) = check(text).diagnostics
    assert found.code == "BKP1013"
    assert says in found.message
    assert found.help
    assert after in text[found.primary.span.start : found.primary.span.end]
