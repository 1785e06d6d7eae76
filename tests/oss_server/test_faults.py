"""What goes wrong when a test asks for it, through the control endpoint."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import time
from pathlib import Path
from typing import Any

import oss2
import pytest
import requests

from tests.oss_server import OssServer
from tests.oss_server.faults import Fault

BODY = bytes(range(256)) * 4096


def ask(server: OssServer, method: str, path: str, document: Any = None) -> requests.Response:
    answer = requests.request(method, f"{server.endpoint}/-/{path}", json=document, timeout=5)
    answer.raise_for_status()
    return answer


def read(bucket: Any) -> bytes:
    return bytes(bucket.get_object("a").read())


def test_every_nth_request_fails(server: OssServer, bucket: Any) -> None:
    ask(server, "POST", "faults", {"kind": "status", "method": "PUT", "nth": 3, "status": 503, "code": "Busy"})
    seen = []
    for number in range(9):
        try:
            seen.append(bucket.put_object(f"k{number}", b"x").status)
        except oss2.exceptions.ServerError as refusal:
            seen.append(refusal.status)
    assert seen == [200, 200, 503] * 3
    assert not bucket.object_exists("k2")
    ask(server, "DELETE", "faults")
    assert ask(server, "GET", "faults").json() == []


def test_a_share_of_requests_fails_the_same_in_every_run(server: OssServer, bucket: Any) -> None:
    server.fault("status", match="^PUT", per_mille=200)
    failed = 0
    for _ in range(200):
        try:
            bucket.put_object("a", b"x")
        except oss2.exceptions.ServerError:
            failed += 1
    assert 20 <= failed <= 60
    assert server.faults.rules[0].done == failed


def test_throttling_carries_its_hint(server: OssServer, bucket: Any) -> None:
    server.fail_next(1, 503, "QpsLimitExceeded", x_oss_qos_delay_time="250")
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.put_object("a", b"x")
    assert raised.value.headers["x-oss-qos-delay-time"] == "250"
    assert raised.value.ec


@pytest.mark.parametrize("kind", ["truncate", "reset"])
def test_a_body_breaks_off(server: OssServer, bucket: Any, kind: str) -> None:
    bucket.put_object("a", BODY)
    ask(server, "POST", "faults", {"kind": kind, "method": "GET", "after": 300_000, "times": 1})
    got = b""
    with contextlib.suppress(oss2.exceptions.OssError, requests.RequestException, OSError):
        for chunk in bucket.get_object("a"):
            got += chunk
    assert BODY.startswith(got)
    assert len(got) <= 300_000
    assert read(bucket) == BODY


def test_a_bit_is_turned_and_the_checksum_tells(server: OssServer, bucket: Any, tmp_path: Path) -> None:
    bucket.put_object("a", BODY)
    server.fault("corrupt", method="GET", after=700_000, times=1)
    with pytest.raises(oss2.exceptions.InconsistentError):
        bucket.get_object_to_file("a", str(tmp_path / "a"))
    server.fault("corrupt", method="GET", after=700_000, times=1)
    wrong = read(bucket)
    assert [at for at in range(len(BODY)) if wrong[at] != BODY[at]] == [700_000]


def test_done_but_late_and_done_but_never_told(server: OssServer, bucket: Any) -> None:
    server.fault("late", method="PUT", seconds=0.3, times=1)
    start = time.monotonic()
    bucket.put_object("a", b"1")
    assert time.monotonic() - start >= 0.3
    server.fault("late", method="PUT", seconds=2, times=1)
    bucket.timeout = 0.3
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("a", b"2")
    assert read(bucket) == b"2"
    server.lose_answer("PUT")
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("a", b"3")
    assert read(bucket) == b"3"


def test_the_first_request_for_each_thing_fails_in_turn(server: OssServer, bucket: Any) -> None:
    server.faults.rotation = (Fault("status", status=500), Fault("lost", method="PUT"), Fault("status", status=503))
    for key, status in (("a", 500), ("b", -2), ("c", 503), ("d", 500)):
        with pytest.raises(oss2.exceptions.OssError) as raised:
            bucket.put_object(key, b"1")
        assert raised.value.status == status
        bucket.put_object(key, b"1")
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.get_object("a")  # never `lost`, which is for puts alone
    assert bucket.get_object("a").read() == b"1"


def test_an_upload_is_garbled_and_its_checksum_tells(server: OssServer, bucket: Any) -> None:
    server.fault("garble", method="PUT", times=1)
    with pytest.raises(oss2.exceptions.InconsistentError):
        bucket.put_object("a", b"0123")
    assert bucket.get_object("a").read() == b"1123"


def test_a_refused_connection_did_nothing(server: OssServer, bucket: Any) -> None:
    server.fault("refuse", method="PUT", times=1)
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("a", b"1")
    assert not bucket.object_exists("a")


def test_an_upload_that_breaks_off_leaves_nothing(server: OssServer, bucket: Any) -> None:
    server.fault("interrupt", method="PUT", after=300_000, times=1)
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("a", BODY)
    assert not bucket.object_exists("a")
    assert list((server.buckets["backup"].folder / "pieces").iterdir()) == []


def test_a_reset_is_one_and_a_truncated_body_is_not(server: OssServer, bucket: Any) -> None:
    bucket.put_object("a", BODY)
    for kind, problem in (("reset", ConnectionResetError), ("truncate", http.client.IncompleteRead)):
        server.fault(kind, method="GET", after=300_000, times=1)  # type: ignore[arg-type]
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        url = bucket.sign_url("GET", "a", 60)
        link.request("GET", url.removeprefix(server.endpoint))
        answer = link.getresponse()
        with pytest.raises(problem):
            answer.read()
        link.close()


def test_the_control_endpoint_tells_requests_and_moves_the_clock(server: OssServer, bucket: Any) -> None:
    bucket.put_object("a", b"x")
    assert ask(server, "GET", "requests").text == "PUT backup/a\n"
    ask(server, "DELETE", "requests")
    assert ask(server, "GET", "requests").text == ""
    before = bucket.head_object("a").last_modified
    ask(server, "POST", "clock", {"seconds": 3600})
    bucket.put_object("a", b"x")
    assert 3600 <= bucket.head_object("a").last_modified - before <= 3605
    ask(server, "POST", "buckets", {"name": "another"})
    assert "another" in server.buckets


def test_digests_are_those_of_the_bytes(bucket: Any) -> None:
    answer = bucket.put_object("a", BODY)
    assert answer.etag == hashlib.md5(BODY, usedforsecurity=False).hexdigest().upper()
    with pytest.raises(oss2.exceptions.InvalidDigest):
        bucket.put_object("b", BODY, headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert not bucket.object_exists("b")
