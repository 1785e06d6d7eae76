"""What can go wrong between us and a bucket."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.errors import StoreDenied, StoreFailed, StoreFull, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_upload import LARGEST_PART, MOST_PARTS, SMALLEST_PART, part_size
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

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
    chunks = store.read("a")
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
    assert sum(part_size(expected, number) for number in range(1, MOST_PARTS + 1)) >= expected
    assert part_size(expected, 5_000) == steady
    assert part_size(expected, 5_001) == min(LARGEST_PART, 2 * steady)
