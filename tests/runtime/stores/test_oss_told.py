"""What is told, and what is tried again, where a bucket is not what it should be or the way to it is bad."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from bkpc_runtime.errors import BadUsage, StoreDenied, StoreFailed, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores import oss_calls
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_upload import ONE_REQUEST, SMALLEST_PART
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.runtime.stores.test_oss import open_bucket


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server


def test_a_part_that_took_longer_than_patience_is_sent_again(server: OssServer) -> None:
    """A slow link: its first try alone takes longer than anybody waits for a service that says nothing."""
    server.fault("late", method="PUT", seconds=0.5, times=1)
    server.fault("lost", method="PUT", times=1)
    store = open_bucket(server, patience=Patience(total=0.2, first=0.001, longest=0.01, answer=10.0))
    assert store.put("a", b"x").size == 1
    assert store.get("a") == b"x"
    assert sum(line.startswith("PUT") for line in server.requests) == 2


def test_a_try_that_nobody_answers_is_told_before_the_last_one(
    server: OssServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(oss_calls, "_LONG", 0.1)
    server.fault("late", method="PUT", seconds=0.6, times=1)
    store = open_bucket(server, patience=Patience(total=2.0, first=0.001, longest=0.01, answer=0.3))
    store.put("a", b"x")
    (line,) = [one.getMessage() for one in caplog.records if one.name == oss_calls.__name__]
    assert "at a: no answer in time (0 s) (after 0 s; it is tried again)" in line


@pytest.mark.parametrize("asked", ["\u00b2", "-5", "1e3", "", "99999999999999999999"])
def test_a_pause_that_makes_no_sense_is_none(server: OssServer, asked: str) -> None:
    server.fail_next(1, 503, "QpsLimitExceeded", x_oss_qos_delay_time=asked)
    open_bucket(server).put("a", b"x")


@pytest.mark.parametrize("bucket", ["Backup_1", "ab", "-x-", "\u65e5\u672c"])
def test_a_name_that_no_bucket_has_is_told(server: OssServer, bucket: str) -> None:
    with pytest.raises(BadUsage, match=f"far.*{bucket}.*no bucket of that name") as raised:
        open_bucket(server, bucket=bucket)
    assert "correct the policy" in raised.value.help


def test_an_upload_that_others_drop_is_told_with_the_way_out(server: OssServer) -> None:
    store = open_bucket(server)
    with store.writer("a", 1) as writer:
        writer.write(bytes(ONE_REQUEST + 1))
        store.sweep(time.time() + 86_400)
        with pytest.raises(StoreFailed, match="dropped while it was under way") as raised:
            writer.commit()
    assert "lifecycle rule" in raised.value.help
    assert raised.value.retryable


def test_a_probe_that_freezes_is_told_as_what_it_is(server: OssServer) -> None:
    server.buckets["backup"].settings.storage_class = "Archive"
    with pytest.raises(StoreFailed, match="freezes, which the plan does not count on") as raised:
        open_bucket(server).probe()
    assert "class archive" in raised.value.help


def test_a_key_signed_for_another_region_is_told_as_that(server: OssServer) -> None:
    """As with an endpoint that tells no region, and a site of another."""
    with pytest.raises(StoreUnreachable, match="signed for region `cn-beijing`, which is not the") as raised:
        open_bucket(server, region="cn-beijing").put("a", b"x")
    assert "region" in raised.value.help
    assert "site" in raised.value.help


WORK: dict[str, Callable[[OssStore], object]] = {
    "oss:PutObject": lambda store: store.put("a", b"x"),
    "oss:GetObject": lambda store: store.get("there"),
    "oss:ListObjects": lambda store: list(store.list("")),
    "oss:DeleteObject": lambda store: store.delete_many(["there"]),
    "oss:ListMultipartUploads": lambda store: store.sweep(0),
    "oss:ListParts": lambda store: store.probe(),
    "oss:AbortMultipartUpload": lambda store: store.sweep(time.time() + 86_400),
}


@pytest.mark.parametrize("action", WORK)
def test_what_a_key_lacks_is_named_and_nothing_else_is_advised(server: OssServer, action: str) -> None:
    bucket = open_bucket(server)
    bucket.put("there", b"x")
    bucket._calls._bucket.init_multipart_upload("unfinished")
    server.service.keys.add("narrow", "narrow-secret", Account(UID, (without(action),)))
    access = AccessKey("narrow", Secret("narrow-secret"))
    store = OssStore("far", "backup", server.endpoint, REGION, "", lambda: access)
    with pytest.raises(StoreDenied, match=f"the key may not do {action} ") as raised:
        WORK[action](store)
    assert f"`{action}`" in raised.value.help
    assert raised.value.help.count("oss:") == 1


@pytest.mark.parametrize("action", [one for one in WORK if one != "oss:DeleteObject"])
def test_a_probe_finds_what_a_writer_lacks(server: OssServer, action: str) -> None:
    server.service.keys.add("narrow", "narrow-secret", Account(UID, (without(action),)))
    access = AccessKey("narrow", Secret("narrow-secret"))
    with pytest.raises(StoreDenied, match=f"the key may not do {action} "):
        OssStore("far", "backup", server.endpoint, REGION, "", lambda: access).probe()


def without(action: str) -> str:
    return json.dumps(
        {
            "Version": "1",
            "Statement": [
                {"Effect": "Allow", "Action": "oss:*", "Resource": "acs:oss:*:*:*"},
                {"Effect": "Deny", "Action": action, "Resource": "acs:oss:*:*:*"},
            ],
        }
    )


def test_a_bundle_of_certificates_that_is_not_there_is_told(server: OssServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    store = OssStore("far", "backup", "https://localhost:9", REGION, "", lambda: access)
    with pytest.raises(StoreFailed, match=r"this machine can't send a request: .*/nonexistent/bundle.pem") as raised:
        store.put("a", b"x")
    assert "REQUESTS_CA_BUNDLE" in raised.value.help
    assert not raised.value.retryable


@pytest.mark.parametrize("fails", [OSError(28, "No space left on device"), FileNotFoundError("No usable folder")])
def test_parts_that_find_no_room_are_told(server: OssServer, monkeypatch: pytest.MonkeyPatch, fails: OSError) -> None:
    def full() -> object:
        raise fails

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with open_bucket(server).writer("a", 3 << 40) as writer:
        writer.write(bytes(17 << 20))
        with pytest.raises(StoreFailed, match=r"far.* at a: .*folder for temporary files: No (space|usable)") as raised:
            writer.write(b"x")
    assert raised.value.help == "make room for 1,575 MiB there, or name another folder in TMPDIR"


LEAVING = """
import sys
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
import bkpc_compiler.main as main

def verify(given):
    access = AccessKey(sys.argv[2], Secret(sys.argv[3]))
    store = OssStore("far", "backup", sys.argv[1], "cn-hangzhou", "", lambda: access)
    print("begun", flush=True)
    if sys.argv[4] == "down":
        list(store.read("large"))
    with store.writer("up", 1) as writer:
        for _ in range(60):
            writer.write(bytes(1 << 20))

main._dispatch = verify
sys.exit(main.main())
"""


@pytest.mark.parametrize("way", ["down", "up"])
def test_an_interruption_waits_for_no_network_that_says_nothing(server: OssServer, way: str) -> None:
    with open_bucket(server).writer("large", 0) as writer:
        for _ in range(40):
            writer.write(bytes(1 << 20))
        writer.commit()
    if way == "down":
        server.fault("delay", seconds=1000.0, match="large", nth=2)
    else:
        server.fault("delay", seconds=1000.0, match="partNumber=[2-9]")
    command = [sys.executable, "-c", LEAVING, server.endpoint, KEY_ID, KEY_SECRET, way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 15
    assert (process.returncode, said) == (130, "bkpc: interrupted\n")


@pytest.mark.parametrize("left", [1, 3])
def test_two_that_go_on_with_one_upload_both_end_well(server: OssServer, left: int) -> None:
    """As two copies of one image that were begun by hand: the first to end takes the upload with it."""
    body = secrets.token_bytes((left + 1) * SMALLEST_PART + 5)
    first, second = open_bucket(server), open_bucket(server)
    with first.writer("a", len(body), resumes=True) as one:
        one.write(body[: SMALLEST_PART + 1])
        with second.writer("a", len(body), resumes=True) as other:
            other.write(body)
            other.commit()
        assert server.buckets["backup"].uploads == {}
        one.write(body[SMALLEST_PART + 1 :])
        assert one.commit().size == len(body)
    assert first.get("a") == body


def test_an_upload_that_another_ended_with_other_bytes_is_told(server: OssServer) -> None:
    body = secrets.token_bytes(3 * SMALLEST_PART)
    store = open_bucket(server)
    with store.writer("a", len(body), resumes=True) as one:
        one.write(body)
        wait(one._parts)
        with open_bucket(server).writer("a", len(body), resumes=True) as other:
            other.write(body[::-1])
            other.commit()
        with pytest.raises(StoreFailed, match="what lies there is not what was sent") as raised:
            one.commit()
    assert raised.value.retryable
    assert store.get("a") == body[::-1]


def test_parts_that_another_replaces_meanwhile_are_told(server: OssServer) -> None:
    body = secrets.token_bytes(2 * SMALLEST_PART)
    store = open_bucket(server)
    with store.writer("a", len(body), resumes=True) as one:
        one.write(body)
        wait(one._parts)
        with open_bucket(server).writer("a", len(body), resumes=True) as other:
            other.write(body[::-1])
            wait(other._parts)
            with pytest.raises(StoreFailed, match="parts of the upload were replaced") as raised:
                one.commit()
    assert raised.value.retryable
    with store.writer("a", len(body), resumes=True) as again:
        again.write(body)
        again.commit()
    assert store.get("a") == body


def test_an_upload_that_was_dropped_before_its_last_request_is_told(server: OssServer) -> None:
    store = open_bucket(server)
    with store.writer("a", 1, resumes=True) as writer:
        writer.write(bytes(SMALLEST_PART + 1))
        server.fault("delay", method="POST", match="uploadId", seconds=0.3)
        sweeper = threading.Timer(0.2, lambda: open_bucket(server).sweep(time.time() + 86_400))
        sweeper.start()
        with pytest.raises(StoreFailed, match="dropped while it was under way") as raised:
            writer.commit()
        sweeper.join()
    assert raised.value.retryable
