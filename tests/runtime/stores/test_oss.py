"""What can go wrong between us and a bucket."""

from __future__ import annotations

import contextlib
import gc
import secrets
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import oss2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.errors import StoreDenied, StoreFailed, StoreFull, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores import oss_answers, oss_upload
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_upload import LARGEST_PART, MOST_PARTS, ONE_REQUEST, SMALLEST_PART, limit_header, part_size
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.faults import Fault

MIB = 1024 * 1024
HASTY = Patience(total=5.0, first=0.001, longest=0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server


def open_bucket(
    server: OssServer,
    *,
    bucket: str = "backup",
    key: str = KEY_ID,
    secret: str = KEY_SECRET,
    region: str = REGION,
    patience: Patience = HASTY,
) -> OssStore:
    access = AccessKey(key, Secret(secret))
    return OssStore("far", bucket, server.endpoint, region, "", lambda: access, patience)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_service_that_stumbles_is_asked_again(server: OssServer, status: int) -> None:
    store = open_bucket(server)
    for ask in (lambda: store.put("a", b"x"), lambda: store.get("a"), lambda: store.head("a"), lambda: store.list("")):
        server.fail_next(2, status)
        ask()
    assert store.get("a") == b"x"


def test_a_service_that_stays_down_is_given_up_and_named(server: OssServer) -> None:
    server.fail_next(1000, 503, "ServiceUnavailable")
    with pytest.raises(StoreUnreachable, match=r"far.*backup.*ServiceUnavailable") as raised:
        open_bucket(server, patience=Patience(total=0.2, first=0.01, longest=0.05)).put("a", b"x")
    assert raised.value.retryable


def test_the_pause_a_throttling_service_asks_for_is_kept(server: OssServer) -> None:
    server.fail_next(1, 503, "QpsLimitExceeded", x_oss_qos_delay_time="60000")
    with pytest.raises(StoreUnreachable):
        open_bucket(server).put("a", b"x")
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["refuse", "lost"])
def test_a_try_that_failed_leaves_no_socket_to_the_collector(server: OssServer, kind: Any) -> None:
    store = open_bucket(server)
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        server.faults.rotation = (Fault(kind),)
        store.put("a", bytes(9 * MIB))
        assert len(b"".join(store.read("a"))) == 9 * MIB
        assert [one.key for one in store.list("")] == ["a"]
        gc.collect()
    assert [str(one.message) for one in told] == []


def test_a_read_that_breaks_off_goes_on_where_it_stopped(server: OssServer) -> None:
    store, body = open_bucket(server), bytes(range(256)) * 12_000
    store.put("a", body)
    server.break_body_after(1_500_000, 1, 700_000)
    assert b"".join(store.read("a", 10, 3_000_000)) == body[10:3_000_000]
    assert sum(line.startswith("GET") for line in server.requests) == 4


def test_an_object_replaced_while_it_is_read_is_not_mixed(server: OssServer) -> None:
    store = open_bucket(server)
    store.put("a", b"a" * 2_000_000)
    server.break_body_after(1_500_000)
    chunks = store.read("a", 0, 1_900_000)
    next(chunks)
    store.put("a", b"b" * 2_000_000)
    with pytest.raises(StoreFailed, match="PreconditionFailed"):
        list(chunks)


def test_a_part_that_fails_is_sent_again(server: OssServer) -> None:
    store, body = open_bucket(server), bytes(20 * MIB)
    with store.writer("a", len(body)) as writer:
        writer.write(body[: 9 * MIB])
        server.fail_next(3, 500)
        writer.write(body[9 * MIB :])
        writer.commit()
    assert store.get("a") == body


@pytest.mark.parametrize("size", [10, 10 * MIB])
def test_a_lost_answer_to_the_last_request_is_not_a_failure(server: OssServer, size: int) -> None:
    store = open_bucket(server)
    with store.writer("a", size) as writer:
        writer.write(bytes(size - 1))
        writer.write(b"x")
        server.lose_answer("POST" if size > MIB else "PUT")
        writer.commit()
    assert store.get("a") == bytes(size - 1) + b"x"


def test_leaving_a_multipart_upload_leaves_no_parts(server: OssServer) -> None:
    with open_bucket(server).writer("a", 1) as writer:
        writer.write(bytes(30 * MIB))
    bucket = server.buckets["backup"]
    assert not bucket.uploads
    assert not list((bucket.folder / "pieces").iterdir())


@pytest.mark.parametrize("size", [10, 40 * MIB])
def test_a_full_bucket_is_named_at_once_and_nothing_stays(server: OssServer, size: int) -> None:
    server.full = True
    store = open_bucket(server)
    with pytest.raises(StoreFull, match="far"):
        store.put("a", bytes(size))
    assert not server.buckets["backup"].uploads
    assert store.head("a") is None


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"secret": "wrong-secret"}, StoreDenied, "key secret"),
        ({"key": "nobody"}, StoreDenied, "key id"),
        ({"bucket": "elsewhere"}, StoreUnreachable, "bucket"),
        ({"region": "cn-beijing"}, StoreFailed, "region"),
    ],
)
def test_wrong_settings_are_told_at_once_without_the_secret(
    server: OssServer, wrong: dict[str, str], kind: type[StoreFailed], says: str
) -> None:
    store = open_bucket(server, **wrong)  # type: ignore[arg-type]
    for ask in (store.probe, lambda: store.head("a"), lambda: store.get("a"), lambda: list(store.list(""))):
        with pytest.raises(kind, match=says) as raised:
            ask()
        told = f"{raised.value}{raised.value.help}"
        assert KEY_SECRET not in told
        assert "wrong-secret" not in told
    assert len(server.requests) == 4


def test_a_bucket_of_another_region_is_told_with_its_endpoint(server: OssServer) -> None:
    server.buckets["backup"].settings.region = "cn-beijing"
    for ask in (open_bucket(server).probe, lambda: open_bucket(server).get("a")):
        with pytest.raises(StoreUnreachable, match="another region") as raised:
            ask()
        assert "oss-cn-beijing.aliyuncs.com" in raised.value.help
    assert len(server.requests) == 2


def test_a_clock_that_differs_is_told(server: OssServer) -> None:
    server.ahead = timedelta(hours=1)
    with pytest.raises(StoreDenied, match="clock"):
        open_bucket(server).probe()


def test_nobody_listening_is_told(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        pass
    with pytest.raises(StoreUnreachable, match=r"far.*refused") as raised:
        open_bucket(server, patience=Patience(total=0.1, first=0.01)).probe()
    assert raised.value.retryable


def test_memory_does_not_grow_with_the_object(server: OssServer) -> None:
    # 24 parts of 8 MiB; the server, in this process, keeps blocks of 256 KiB.
    store = open_bucket(server)
    tracemalloc.start()
    with store.writer("a", 192 * MIB) as writer:
        for _ in range(192):
            writer.write(bytes(MIB))
        writer.commit()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MIB
    assert sum("partNumber" in line for line in server.requests) == 24


def test_more_than_a_page_is_listed(server: OssServer) -> None:
    store = open_bucket(server)
    keys = [f"log/{number:05}" for number in range(1_203)]
    for key in keys:
        store.put(key, b"")
    assert [one.key for one in store.list("log/")] == keys
    assert [one.key for one in store.list("log/", after=keys[100])] == keys[101:]


@given(st.integers(0, 48 * 10**12))
def test_ten_thousand_parts_suffice(expected: int) -> None:
    steady = part_size(expected, 1)
    assert SMALLEST_PART <= steady <= LARGEST_PART
    assert sum(part_size(expected, number) for number in range(1, MOST_PARTS + 1)) >= max(expected, 6 << 40)
    assert part_size(expected, 5_000) == steady
    assert part_size(expected, 5_001) == min(LARGEST_PART, 2 * steady)


def test_an_object_of_the_log_takes_one_request(server: OssServer) -> None:
    """Bounds count one latency for it."""
    store, body = open_bucket(server), secrets.token_bytes(16 * 1024 * 1024 + 5_000)
    store.put("log/whole", body)
    with store.writer("log/streamed", len(body)) as writer:
        for start in range(0, len(body), 100_000):
            writer.write(body[start : start + 100_000])
        writer.commit()
    assert [line.split()[0] for line in server.requests] == ["PUT", "PUT"]
    assert part_requests(server) == []
    assert store.get("log/whole") == store.get("log/streamed") == body


def test_one_that_is_larger_than_expected_comes_whole(server: OssServer) -> None:
    store, body = open_bucket(server), secrets.token_bytes(4 * SMALLEST_PART + 5)
    with store.writer("a", 1) as writer:
        writer.write(body)
        writer.commit()
    assert sorted(part_requests(server)) == ["1", "2", "3"]
    assert store.get("a") == body


def part_requests(server: OssServer) -> list[str]:
    """The numbers of the parts sent, in order."""
    return [line.split("partNumber=")[1].split("&")[0] for line in server.requests if "partNumber=" in line]


def broken_off(store: OssStore, body: bytes, whole: int) -> None:
    """A copy that stops after `body`, as one that is killed does."""
    with contextlib.suppress(KeyboardInterrupt), store.writer("a", whole, resumes=True) as writer:
        writer.write(body)
        wait(writer._parts)
        raise KeyboardInterrupt


def test_a_copy_that_was_broken_off_sends_no_part_again(server: OssServer) -> None:
    store, body = open_bucket(server), secrets.token_bytes(3 * SMALLEST_PART + 5)
    broken_off(store, body[: 2 * SMALLEST_PART + 7], len(body))
    assert sorted(part_requests(server)) == ["1", "2"]
    server.requests.clear()
    with open_bucket(server).writer("a", len(body), resumes=True) as writer:
        writer.write(body)
        writer.commit()
    assert sorted(part_requests(server)) == ["3", "4"]
    assert store.get("a") == body


def test_a_part_that_differs_is_sent_again(server: OssServer) -> None:
    store, body = open_bucket(server), secrets.token_bytes(2 * SMALLEST_PART + 5)
    broken_off(store, b"x" + body[1:], len(body))
    server.requests.clear()
    with store.writer("a", len(body), resumes=True) as writer:
        writer.write(body)
        writer.commit()
    assert "1" in part_requests(server)
    assert "2" not in part_requests(server)
    assert store.get("a") == body


def test_what_was_broken_off_goes_after_the_grace_and_nothing_else_does(server: OssServer) -> None:
    store = open_bucket(server)
    store.put("kept", b"x")
    broken_off(store, bytes(2 * SMALLEST_PART), 3 * SMALLEST_PART)
    now = time.time()
    assert store.sweep(now - 3600) == 0
    assert store.sweep(now + 3600) == 1
    assert store.sweep(now + 3600) == 0
    assert [one.key for one in store.list("")] == ["kept"]
    server.requests.clear()
    with store.writer("a", 2 * SMALLEST_PART, resumes=True) as writer:
        writer.write(bytes(2 * SMALLEST_PART))
        writer.commit()
    assert len(part_requests(server)) == 2


@pytest.mark.parametrize("size", [1000, ONE_REQUEST + 1])
def test_bytes_spoiled_on_the_way_there_are_sent_again(
    server: OssServer, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The service's CRC-64 of what it got differs from ours: once, as when a router flips a bit."""
    store, told = open_bucket(server), []
    true = oss_answers.told_crc

    def once(answer: object) -> int | None:
        told.append(answer)
        return 1 if len(told) == 1 else true(answer)

    monkeypatch.setattr(oss_answers, "told_crc", once)
    body = bytes(range(250)) * (size // 250 + 1)
    with store.writer("a", len(body)) as writer:
        writer.write(body)
        writer.commit()
    assert store.get("a") == body
    assert len(told) >= 3


def test_an_object_that_was_put_together_wrongly_does_not_stay(
    server: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_bucket(server)
    monkeypatch.setattr(oss_upload, "combined", lambda _: 1)
    with store.writer("a", ONE_REQUEST + 1) as writer:
        writer.write(bytes(ONE_REQUEST + 1))
        with pytest.raises(StoreFailed, match="not put together"):
            writer.commit()
    assert store.head("a") is None


def test_bytes_spoiled_on_the_way_back_are_noticed(server: OssServer) -> None:
    store = open_bucket(server)
    store.put("a", bytes(100_000))
    server.fault("corrupt", method="GET", times=2)
    assert store.get("a") == b"".join(store.read("a")) == bytes(100_000)
    assert server.faults.rules == []
    server.fault("corrupt", method="GET")
    with pytest.raises(StoreFailed, match="spoiled on the way") as raised:
        open_bucket(server, patience=Patience(total=0.1, first=0.01, longest=0.01)).get("a")
    assert raised.value.retryable


def test_the_service_is_asked_to_keep_each_connection_below_the_reservation(server: OssServer) -> None:
    assert limit_header(None) == {}
    assert limit_header(1) == {"x-oss-traffic-limit": "819200"}
    assert limit_header(1_000_000) == {"x-oss-traffic-limit": "8000000"}
    assert limit_header(1_000_000_000) == {}
    store, began = open_bucket(server), time.monotonic()
    with store.writer("a", 600_000, limit=300_000) as writer:
        writer.write(bytes(600_000))
        writer.commit()
    assert time.monotonic() - began > 1


def lock_bucket(server: OssServer, days: int = 7) -> None:
    auth = oss2.AuthV4(KEY_ID, KEY_SECRET)
    bucket = oss2.Bucket(auth, server.endpoint, "backup", region=REGION)
    bucket.complete_bucket_worm(bucket.init_bucket_worm(days).worm_id)


def test_many_are_deleted_in_one_request_and_what_is_locked_is_counted(server: OssServer) -> None:
    store = open_bucket(server)
    keys = [f"log/{number:05}" for number in range(1_100)]
    for key in keys:
        store.put(key, b"")
    server.requests.clear()
    assert store.delete_many(keys[:1_050]) == 0
    assert len(server.requests) == 2
    lock_bucket(server)
    server.advance(timedelta(days=8))
    store.put("log/new", b"")
    assert store.delete_many([*keys[1_050:], "log/new"]) == 1
    assert [one.key for one in store.list("")] == ["log/new"]
    assert store.delete_many(["log/new"]) == 1


def test_a_locked_bucket_can_be_probed(server: OssServer) -> None:
    lock_bucket(server)
    open_bucket(server).probe()


@pytest.mark.parametrize("size", [0, 10, 10 * MIB])
def test_a_lost_answer_in_a_locked_bucket_is_not_a_failure(server: OssServer, size: int) -> None:
    lock_bucket(server)
    store, body = open_bucket(server), secrets.token_bytes(size)
    with store.writer("a", size) as writer:
        writer.write(body)
        server.lose_answer("POST" if size > MIB else "PUT")
        writer.commit()
    assert store.get("a") == body


@pytest.mark.parametrize("other", [b"other", b"longer than ours"])
def test_what_is_locked_and_not_ours_is_not_taken_for_it(server: OssServer, other: bytes) -> None:
    lock_bucket(server)
    store = open_bucket(server)
    store.put("a", other)
    with pytest.raises(StoreDenied, match="retention policy"):
        store.put("a", b"bytes")
    assert store.get("a") == other


def test_another_denial_is_one_even_if_the_bytes_are_there(server: OssServer) -> None:
    store = open_bucket(server)
    store.put("a", b"x")
    server.fail_next(1, 403, "AccessDenied")
    with pytest.raises(StoreDenied, match="may not do oss:PutObject"):
        store.put("a", b"x")


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_a_listing_that_breaks_off_is_asked_for_again(server: OssServer, kind: Any) -> None:
    store = open_bucket(server)
    store.put("a", b"x")
    server.fault(kind, match="list-type", after=50, times=2)
    assert [one.key for one in store.list("")] == ["a"]
    assert server.faults.rules == []
