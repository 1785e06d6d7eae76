"""Signatures: Alibaba's SDK signs, the server judges; any change to what is signed is found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import oss2
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from oss2.http import Request

from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import Account, Keys
from tests.oss_server.asked import Asked
from tests.oss_server.authentication import signer
from tests.oss_server.refusal import Refusal

AUTHS = {"V1": oss2.Auth, "V2": oss2.AuthV2, "V4": oss2.AuthV4}
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc", "Z"]), min_size=1)
NAMES = st.sampled_from(["prefix", "versionId", "uploadId", "x-oss-process", "acl", "tagging", "中"])


def judged(version: str, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Account | None:
    keys = Keys()
    keys.add("ak", "sk", Account("1"))
    asked = Asked(method, "bucket", key, query, {name.lower(): str(value) for name, value in headers.items()})
    return signer(asked, keys, REGION, {version}, datetime.now(UTC))


@pytest.mark.parametrize("version", ["V1", "V2", "V4"])
@given(key=TEXT, query=st.dictionaries(NAMES, TEXT | st.just("")), meta=TEXT)
def test_what_the_sdk_signs_is_accepted_and_nothing_else(
    version: str, key: str, query: dict[str, str], meta: str
) -> None:
    request = Request("PUT", "http://bucket.oss", params=dict(query), region=REGION, product="oss")
    request.headers["x-oss-meta-text"] = meta
    request.headers["content-type"] = "text/plain"
    AUTHS[version]("ak", "sk")._sign_request(request, "bucket", key)
    assert judged(version, "PUT", key, query, request.headers) == Account("1")
    for changed in (
        ("GET", key, query, request.headers),
        ("PUT", key + "x", query, request.headers),
        ("PUT", key, query, {**request.headers, "x-oss-meta-text": meta + "x"}),
        ("PUT", key, {**query, "acl": "x" + query.get("acl", "")}, request.headers),
        ("PUT", key, query, {**request.headers, "content-type": "text/html"}),
    ):
        with pytest.raises(Refusal, match="SignatureDoesNotMatch"):
            judged(version, *changed)


@pytest.mark.parametrize("version", ["V1", "V2", "V4"])
@given(key=TEXT)
def test_what_the_sdk_signs_as_a_url_is_accepted(version: str, key: str) -> None:
    request = Request("GET", "http://bucket.oss/x", params={"versionId": "null"}, region=REGION, product="oss")
    url = AUTHS[version]("ak", "sk")._sign_url(request, "bucket", key, 60)
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    assert judged(version, "GET", key, query, {}) == Account("1")
    with pytest.raises(Refusal, match="SignatureDoesNotMatch"):
        judged(version, "GET", key, {**query, "versionId": "x"}, {})


def code(answer: requests.Response) -> str:
    return answer.text.split("<Code>")[1].split("</Code>")[0]


def test_a_url_expires_and_none_lasts_longer_than_a_week(server: OssServer, bucket: Any) -> None:
    bucket.put_object("a", b"x")
    url = bucket.sign_url("GET", "a", 60)
    assert requests.get(url, timeout=5).content == b"x"
    server.ahead = timedelta(seconds=61)
    answer = requests.get(url, timeout=5)
    assert (answer.status_code, code(answer)) == (403, "AccessDenied")
    server.ahead = timedelta()
    assert requests.get(bucket.sign_url("GET", "a", 604_800), timeout=5).status_code == 200
    assert requests.get(bucket.sign_url("GET", "a", 604_801), timeout=5).status_code == 400


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_differs_by_over_fifteen_minutes_is_refused(server: OssServer, bucket: Any, minutes: int) -> None:
    server.ahead = timedelta(minutes=minutes)
    with pytest.raises(oss2.exceptions.ServerError, match="RequestTimeTooSkewed"):
        bucket.put_object("a", b"x")
    server.ahead = timedelta(minutes=14 if minutes > 0 else -14)
    bucket.put_object("a", b"x")


def test_a_temporary_key_needs_its_token_and_dies(server: OssServer) -> None:
    key = server.lend(timedelta(minutes=10))

    def open_bucket(token: str) -> Any:
        auth = oss2.StsAuth(key.id, key.secret, token, auth_version="v4")
        return oss2.Bucket(auth, server.endpoint, "backup", region=REGION)

    open_bucket(key.token).put_object("a", b"x")
    assert requests.get(open_bucket(key.token).sign_url("GET", "a", 60), timeout=5).content == b"x"
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidSecurityToken"):
        open_bucket("another").put_object("a", b"x")
    server.ahead = timedelta(minutes=11)
    with pytest.raises(oss2.exceptions.ServerError, match=r"RequestTimeTooSkewed|SecurityTokenExpired"):
        open_bucket(key.token).put_object("a", b"x")


def test_an_expired_token_is_called_expired(server: OssServer) -> None:
    key = server.lend(timedelta(seconds=-1))
    auth = oss2.StsAuth(key.id, key.secret, key.token, auth_version="v4")
    with pytest.raises(oss2.exceptions.ServerError, match="SecurityTokenExpired"):
        oss2.Bucket(auth, server.endpoint, "backup", region=REGION).put_object("a", b"x")


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_signatures_before_v4_are_closed_unless_opened(server: OssServer, version: str) -> None:
    old = oss2.Bucket(AUTHS[version](KEY_ID, KEY_SECRET), server.endpoint, "backup")
    with pytest.raises(oss2.exceptions.ServerError, match="Signature Version 4"):
        old.put_object("a", b"x")
    server.service.options.signatures = frozenset({"V1", "V2", "V4"})
    old.put_object("a", b"x")
    assert old.get_object("a").read() == b"x"


def test_nobody_reads_what_is_private(server: OssServer, bucket: Any) -> None:
    bucket.put_object("a", b"x")
    answer = requests.get(f"{server.endpoint}/backup/a", timeout=5)
    assert (answer.status_code, code(answer)) == (403, "AccessDenied")
    bucket.put_object_acl("a", oss2.OBJECT_ACL_PUBLIC_READ)
    assert requests.get(f"{server.endpoint}/backup/a", timeout=5).content == b"x"
