"""Uploads by a form: allowed by a signed policy, and by nothing that it doesn't say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

BODY = b"\r\n--not the boundary\r\n" * 9000  # longer than what is read at once


def form(*conditions: Any, lasts: timedelta = timedelta(minutes=5), **more: str) -> dict[str, str]:
    """The fields, their policy signed with V4."""
    now = datetime.now(UTC)
    scope = f"{now:%Y%m%d}/{REGION}/oss/aliyun_v4_request"
    rules: list[Any] = [{"bucket": "backup"}, ["starts-with", "$key", "in/"], *conditions]
    text = json.dumps({"expiration": f"{now + lasts:%Y-%m-%dT%H:%M:%S.000Z}", "conditions": rules})
    policy = base64.b64encode(text.encode()).decode()
    key = f"aliyun_v4{KEY_SECRET}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signed = {
        "key": "in/${filename}",
        "policy": policy,
        "x-oss-signature-version": "OSS4-HMAC-SHA256",
        "x-oss-credential": f"{KEY_ID}/{scope}",
        "x-oss-date": f"{now:%Y%m%dT%H%M%SZ}",
        "x-oss-signature": hmac.new(key, policy.encode(), hashlib.sha256).hexdigest(),
    }
    return signed | {name.replace("_", "-"): value for name, value in more.items()}


def post(server: OssServer, fields: dict[str, str], body: bytes = BODY, url: str = "") -> requests.Response:
    files = {"file": ("a b.bin", body, "application/x-test")}
    return requests.post(
        url or f"{server.endpoint}/backup", data=fields, files=files, allow_redirects=False, timeout=10
    )


def test_a_file_arrives_with_what_the_form_says(server: OssServer, bucket: Any) -> None:
    answer = post(server, form(x_oss_meta_who="me", x_oss_storage_class="IA"))
    assert (answer.status_code, answer.text) == (204, "")
    found = bucket.get_object("in/a b.bin")
    assert found.read() == BODY
    assert found.headers["Content-Type"] == "application/x-test"
    assert (found.headers["x-oss-meta-who"], found.headers["x-oss-storage-class"]) == ("me", "IA")
    assert answer.headers["x-oss-hash-crc64ecma"] == found.headers["x-oss-hash-crc64ecma"]
    assert post(server, form(), b"").status_code == 204
    assert bucket.get_object("in/a b.bin").read() == b""


def test_the_answer_is_what_the_form_asks_for(server: OssServer) -> None:
    assert post(server, form(success_action_status="200") | {"success_action_status": "200"}).status_code == 200
    made = post(server, form() | {"success_action_status": "201"})
    assert made.status_code == 201
    assert "<Key>in/a b.bin</Key>" in made.text
    sent_on = post(server, form() | {"success_action_redirect": "http://example.com/?x=1"})
    assert sent_on.status_code == 303
    assert sent_on.headers["Location"].startswith("http://example.com/?x=1&bucket=backup&key=in%2Fa+b.bin&etag=")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"key": "out/a"}, 403, "Policy Condition failed"),
        ({"x-oss-signature": "0" * 64}, 403, "SignatureDoesNotMatch"),
        ({"x-oss-credential": f"{KEY_ID}/20260101/cn-beijing/oss/aliyun_v4_request"}, 400, "InvalidArgument"),
        ({"policy": "e30="}, 403, "SignatureDoesNotMatch"),
        ({"key": ""}, 400, "InvalidArgument"),
    ],
)
def test_what_the_policy_does_not_allow(server: OssServer, fields: dict[str, str], status: int, code: str) -> None:
    answer = post(server, form() | fields)
    assert answer.status_code == status
    assert code in answer.text
    assert not server.buckets["backup"].keys


def test_time_and_size_and_other_conditions(server: OssServer) -> None:
    assert "Policy expired" in post(server, form(lasts=timedelta(seconds=-1))).text
    assert "EntityTooLarge" in post(server, form(["content-length-range", 1, 10])).text
    assert "EntityTooSmall" in post(server, form(["content-length-range", 1, 10]), b"").text
    assert "Condition failed" in post(server, form(["eq", "$x-oss-meta-who", "you"], x_oss_meta_who="me")).text
    assert post(server, form(["in", "$content-type", ["a/b", "c/d"]]) | {"content-type": "c/d"}).status_code == 204
    assert "InvalidPolicyDocument" in post(server, form(["like", "$key", "x"])).text
    assert list((server.buckets["backup"].folder / "pieces").iterdir()).__len__() == 1, "what is refused is dropped"


def test_old_signatures_only_where_they_are_open_and_nobody_without_one(server: OssServer) -> None:
    fields = {name: value for name, value in form().items() if not name.startswith("x-oss")}
    mac = hmac.new(KEY_SECRET.encode(), fields["policy"].encode(), hashlib.sha1)
    old = fields | {"OSSAccessKeyId": KEY_ID, "Signature": base64.b64encode(mac.digest()).decode()}
    assert "Please use Signature Version 4" in post(server, old).text
    server.service.options.signatures = frozenset({"V1", "V4"})
    assert post(server, old).status_code == 204
    assert post(server, fields).status_code == 403


def test_a_body_that_breaks_off_or_is_no_form(server: OssServer) -> None:
    plain = requests.post(f"{server.endpoint}/backup", data=b"x", headers={"Content-Type": "text/plain"}, timeout=10)
    assert (plain.status_code, "PreconditionFailed" in plain.text) == (412, True)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    cut = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nin/a'
    answer = requests.post(f"{server.endpoint}/backup", data=cut, headers=kind, timeout=10)
    assert (answer.status_code, "MalformedPOSTRequest" in answer.text) == (400, True)
