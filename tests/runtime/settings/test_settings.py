"""Each setting from absent, from wrong and from right; a second run has nothing to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import oss2
import pytest

from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.settings import https_only
from bkpc_runtime.settings.wanted import Place
from bkpc_runtime.stores.oss_settings import BucketInfo
from tests.oss_server import REGION, OssServer
from tests.runtime.settings.wishes import ALL, NOTHING, looked, mended, settings, told

AES, KMS = "AES256", "KMS"


def writes(server: OssServer) -> list[str]:
    return [line for line in server.requests if not line.startswith("GET")]


def test_a_bucket_without_settings_gets_them_all_and_then_nothing_more(server: OssServer, bucket: Any) -> None:
    assert [(one.sign, one.setting) for one in looked(server, ALL)] == [
        ("+", "public access"),
        ("+", "encryption by the service"),
        ("+", "https only"),
        ("+", "lifecycle"),
        ("+", "retention lock"),
    ]
    assert writes(server) == []
    # Over plain HTTP, which the policy is to deny from there on: here it is of another bucket.
    wanted = replace(ALL, https_only=False)
    assert len(mended(server, wanted)) == 4
    assert bucket.get_bucket_info().bucket_encryption_rule.sse_algorithm == AES
    assert bucket.get_bucket_public_access_block().block_public_access
    worm = bucket.get_bucket_worm()
    assert (worm.state, worm.retention_period_days) == ("Locked", 30)
    server.requests.clear()
    assert looked(server, wanted) == []
    assert mended(server, wanted) == []
    assert writes(server) == []


def test_a_bucket_that_is_missing_is_made(server: OssServer) -> None:
    places = (replace(NOTHING.places[0], storage_class="IA", redundancy="zrs"),)
    wanted = replace(ALL, bucket="new-one", places=places, https_only=False)
    assert told(server, wanted)[0] == "+ bucket: made in cn-hangzhou, ZRS, class IA (it does not exist)"
    assert "new-one" not in server.buckets
    done = mended(server, wanted)
    # New buckets block public access by themselves.
    assert [line.split(":")[0] for line in done] == [
        "+ bucket",
        "+ encryption by the service",
        "+ lifecycle",
        "+ retention lock",
    ]
    made = server.buckets["new-one"].settings
    assert (made.storage_class, made.redundancy, made.acl) == ("IA", "ZRS", "private")
    assert looked(server, wanted) == []


def test_a_bucket_is_made_in_zones_only_where_the_plan_counts_on_it(server: OssServer) -> None:
    wanted = replace(NOTHING, bucket="new-one", places=(Place("far", "", ("orders/",), "", ""),))
    mended(server, wanted)
    made = server.buckets["new-one"].settings
    assert (made.storage_class, made.redundancy) == ("Standard", "LRS")


@pytest.mark.parametrize(
    ("storage_class", "redundancy", "asked", "says"),
    [
        ("Standard", "LRS", ("", "zrs"), "! bucket: its redundancy is LRS"),
        ("Standard", "ZRS", ("", "lrs"), "note: bucket: its redundancy is ZRS"),
        ("Archive", "LRS", ("Standard", ""), "! bucket: its class is Archive, which thaws for longer"),
        ("Archive", "LRS", ("", ""), "! bucket: its class is Archive, which thaws for longer"),
        ("DeepColdArchive", "LRS", ("ColdArchive", ""), "! bucket: its class is DeepColdArchive"),
        ("IA", "LRS", ("Archive", ""), "note: bucket: its class is IA (store `far` asks for Archive"),
        ("IA", "LRS", ("Standard", ""), "note: bucket: its class is IA"),
    ],
)
def test_a_bucket_that_is_not_as_the_proofs_say(
    server: OssServer, storage_class: str, redundancy: str, asked: tuple[str, str], says: str
) -> None:
    found = server.buckets["backup"].settings
    found.storage_class, found.redundancy = storage_class, redundancy
    wanted = replace(ALL, places=(replace(NOTHING.places[0], storage_class=asked[0], redundancy=asked[1]),))
    lines = told(server, wanted)
    assert lines[0].startswith(says)
    # What is wrong in itself isn't made to look right.
    assert (len(lines) == 1) == says.startswith("!")


@pytest.mark.parametrize(("storage_class", "asked"), [("Standard", "Standard"), ("Archive", "Archive"), ("IA", "")])
def test_a_bucket_as_the_plan_asks(server: OssServer, storage_class: str, asked: str) -> None:
    server.buckets["backup"].settings.storage_class = storage_class
    wanted = replace(NOTHING, places=(replace(NOTHING.places[0], storage_class=asked),))
    assert told(server, wanted, "bucket") == []


def test_a_bucket_in_another_region_than_the_plan_counts_on(server: OssServer) -> None:
    (line,) = told(server, replace(ALL, region="cn-beijing"))
    assert line.startswith("! bucket: it lies in cn-hangzhou (the plan counts on cn-beijing")


@pytest.mark.parametrize(
    ("found", "says"), [("", []), ("Enabled", []), ("Suspended", ["~ versioning: Suspended → Enabled"])]
)
def test_versioning_is_not_suspended_under_a_lock(server: OssServer, bucket: Any, found: str, says: list[str]) -> None:
    if found:
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig(found))
    assert [line.split(" (")[0] for line in told(server, ALL, "versioning")] == says
    assert told(server, NOTHING, "versioning") == []
    mended(server, replace(ALL, https_only=False))
    assert bucket.get_bucket_versioning().status == ("Enabled" if found else None)
    assert bucket.get_bucket_worm().state == "Locked"


@pytest.mark.parametrize("method", [AES, KMS, "SM4"])
def test_any_encryption_of_the_service_is_right(server: OssServer, bucket: Any, method: str) -> None:
    rule = oss2.models.ServerSideEncryptionRule()
    rule.sse_algorithm = method
    bucket.put_bucket_encryption(rule)
    assert told(server, ALL, "encryption by the service") == []


def test_public_access_opened_is_blocked_again(server: OssServer, bucket: Any) -> None:
    wanted = replace(NOTHING, public_blocked=True)
    mended(server, wanted)
    bucket.put_bucket_public_access_block(False)
    assert len(told(server, wanted, "public access")) == 1
    mended(server, wanted)
    assert bucket.get_bucket_public_access_block().block_public_access


HTTPS = replace(NOTHING, https_only=True)
OURS = {
    "Effect": "Deny",
    "Principal": ["*"],
    "Action": ["oss:*"],
    "Resource": ["acs:oss:*:*:backup/shop/*"],
    "Condition": {"Bool": {"acs:SecureTransport": ["false"]}},
}
OWNER = "1234567890123456"
THEIRS = {
    "Effect": "Allow",
    "Principal": ["27384********"],
    "Action": ["oss:GetObject", "oss:ListObjects"],
    "Resource": ["acs:oss:*:*:backup/其他/*"],
    "Condition": {"StringLike": {"oss:Prefix": ["其他/*"]}},
}


@dataclass
class Held:
    """A bucket with this policy: on a server it would keep the test from asking over plain HTTP."""

    text: str
    owner: str = OWNER

    def policy(self) -> str:
        return self.text

    def info(self) -> BucketInfo:
        return BucketInfo(REGION, "Standard", "LRS", owner=self.owner)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements)})


def test_https_only_is_added_to_what_others_say(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_policy(policy(THEIRS))
    assert told(server, HTTPS, "https only") == [
        "+ https only: plain HTTP denied on backup/shop/* (a bucket policy that denies it is missing)"
    ]
    mended(server, HTTPS)
    assert json.loads(bucket.get_bucket_policy().policy) == {"Version": "1", "Statement": [THEIRS, OURS]}
    assert looked(server, HTTPS) == []
    bucket.put_object("elsewhere", b"x")
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.put_object("shop/a", b"x")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Principal": "*"},
        {"Action": "oss:*"},
        {"Resource": ["acs:oss:oss-cn-hangzhou:1234567890123456:backup/*", "acs:oss:*:*:backup"]},
        {"Resource": "acs:oss:*:*:*"},
        {"Condition": {"Bool": {"acs:SecureTransport": "false"}}},
        {"Condition": {"Bool": {"acs:SecureTransport": False}}},
    ],
)
def test_a_denial_of_anybody_is_enough(change: dict[str, Any]) -> None:
    held = Held(policy(THEIRS, {**OURS, **change}))
    assert list(https_only.look(held, HTTPS)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Allow"},
        {"Principal": ["27384********"]},
        {"Action": ["oss:PutObject"]},
        {"Resource": ["acs:oss:*:*:backup/other/*"]},
        {"Resource": ["acs:oss:*:*:backup/shop/orders/*"]},
        {"Resource": ["acs:oss:*:*:backup/shop/?"]},
        {"Resource": ["acs:oss:*:*:backup/[s]hop/*"]},
        {"Resource": ["acs:oss:*:999:backup/shop/*"]},
        {"Resource": ["acs:oss:oss-cn-beijing:*:backup/shop/*"]},
        {"Resource": ["acs:ots:*:*:backup/shop/*"]},
        {"Resource": ["*"]},
        {"Condition": {"Bool": {"acs:SecureTransport": ["true"]}}},
        {"Condition": {"Bool": {"acs:SecureTransport": ["false"]}, "IpAddress": {"acs:SourceIp": ["10.0.0.0/8"]}}},
        {"Condition": {}},
    ],
)
def test_what_looks_like_a_denial_and_is_none(change: dict[str, Any]) -> None:
    held = Held(policy({**OURS, **change}))
    assert len(list(https_only.look(held, HTTPS))) == 1  # type: ignore[arg-type]


def test_the_number_of_an_account_says_nothing_where_the_owner_is_unknown() -> None:
    held = Held(policy({**OURS, "Resource": [f"acs:oss:*:{OWNER}:backup/shop/*"]}), owner="")
    assert len(list(https_only.look(held, HTTPS))) == 1  # type: ignore[arg-type]


def test_the_owner_of_a_bucket_is_known(server: OssServer, bucket: Any) -> None:
    info = settings(server).info()
    assert info is not None
    assert info.owner == bucket.get_bucket_info().owner.id != ""


@pytest.mark.parametrize("prefix", ["*/", "sho?/", "${oss:Prefix}/", "../"])
def test_a_denial_is_never_of_more_than_ours(prefix: str) -> None:
    wanted = replace(HTTPS, places=(replace(HTTPS.places[0], prefix=prefix),))
    with pytest.raises(ValueError, match="prefix"):
        https_only.mend(Held(""), wanted)  # type: ignore[arg-type]


def test_a_store_without_a_prefix_closes_the_bucket_itself_too(server: OssServer, bucket: Any) -> None:
    wanted = replace(HTTPS, places=(replace(HTTPS.places[0], prefix=""),))
    assert "plain HTTP denied on backup, backup/* (" in told(server, wanted, "https only")[0]


def test_two_stores_of_one_bucket(server: OssServer, bucket: Any) -> None:
    both = replace(HTTPS, places=(*HTTPS.places, replace(HTTPS.places[0], store="near", prefix="wiki/")))
    assert "backup/shop/*, backup/wiki/*" in told(server, both, "https only")[0]
    mended(server, both)
    (statement,) = json.loads(bucket.get_bucket_policy().policy)["Statement"]
    assert statement["Resource"] == ["acs:oss:*:*:backup/shop/*", "acs:oss:*:*:backup/wiki/*"]


@pytest.mark.parametrize("text", ['{"Statement": "all of it"}', "[]", "{", '{"Statement": ["x"]}'])
def test_a_policy_that_is_not_understood_is_left_alone(text: str) -> None:
    with pytest.raises(PolicyBroken, match="not understood"):
        https_only.mend(Held(text), HTTPS)  # type: ignore[arg-type]
    (found,) = https_only.look(Held(text), HTTPS)  # type: ignore[arg-type]
    assert found.sign == "!"
