"""A large object on its way out of a bucket: ranges side by side, each with its own troubles."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime.errors import StoreFailed, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores import oss_download
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_download import CONNECTIONS
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

MIB = 1024 * 1024
RANGE = 512 * 1024
"""Shorter than in earnest: as many ranges of a shorter object."""
BODY = secrets.token_bytes(4 * RANGE + 12_345)
HASTY = Patience(total=5.0, first=0.001, longest=0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server
        assert server.problems == []


def open_bucket(server: OssServer, patience: Patience = HASTY) -> OssStore:
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    return OssStore("far", "backup", server.endpoint, REGION, "", lambda: access, patience)


@pytest.fixture
def store(server: OssServer, monkeypatch: pytest.MonkeyPatch) -> OssStore:
    monkeypatch.setattr(oss_download, "RANGE", RANGE)
    store = open_bucket(server)
    with store.writer("a", len(BODY)) as writer:
        writer.write(BODY)
        writer.commit()
    server.requests.clear()
    return store


def test_each_byte_is_asked_for_once(server: OssServer, store: OssStore) -> None:
    assert b"".join(store.read("a")) == BODY
    assert [line.split()[0] for line in server.requests] == ["GET"] * 5
    server.requests.clear()
    start, end = RANGE - 7, 3 * RANGE + 9
    assert b"".join(store.read("a", start, end)) == BODY[start:end]
    assert len(server.requests) == 3
    assert b"".join(store.read("a", 3 * RANGE, 99 * RANGE)) == BODY[3 * RANGE :]
    assert b"".join(store.read("a", len(BODY))) == b""


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "truncate", "after": RANGE // 3, "nth": 1, "times": 12},
        {"kind": "reset", "after": 0, "nth": 2, "times": 4},
        {"kind": "reset", "after": RANGE // 2, "nth": 1, "times": 9},
        {"kind": "status", "status": 503, "code": "QpsLimitExceeded", "nth": 2, "times": 4},
        {"kind": "refuse", "nth": 3, "times": 2},
        {"kind": "lost", "nth": 2, "times": 3},
    ],
    ids=lambda one: f"{one['kind']} {one.get('after', '')}",
)
def test_a_range_that_breaks_off_goes_on_by_itself(server: OssServer, store: OssStore, trouble: dict[str, Any]) -> None:
    server.fault(method="GET", **trouble)
    assert b"".join(store.read("a")) == BODY
    assert server.faults.rules == []


@pytest.mark.parametrize("number", range(1, 6))
def test_bytes_spoiled_in_any_range_are_noticed(server: OssServer, store: OssStore, number: int) -> None:
    """What is given for the whole object is compared with what the service keeps of it."""
    server.fault("corrupt", method="GET", nth=number, times=1, after=1_000)
    with pytest.raises(StoreFailed, match="spoiled on the way") as raised:
        list(store.read("a"))
    assert raised.value.retryable
    server.fault("corrupt", method="GET", nth=number, times=1, after=1_000)
    assert store.get("a") == BODY  # nothing has gone out: it is asked for again


def test_an_object_replaced_between_ranges_is_not_mixed(server: OssServer, store: OssStore) -> None:
    chunks = store.read("a")
    next(chunks)
    with open_bucket(server).writer("a", len(BODY)) as writer:
        writer.write(bytes(len(BODY)))
        writer.commit()
    with pytest.raises(StoreFailed, match="PreconditionFailed"):
        list(chunks)


def test_a_reader_that_goes_away_leaves_no_thread_and_asks_no_more(server: OssServer, store: OssStore) -> None:
    before = threading.active_count()
    server.fault("status", method="GET", match="backup/a", status=500, nth=3)
    chunks = store.read("a")
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if one.name.startswith("oss-range")]
    asked = len(server.requests)
    time.sleep(0.1)
    assert len(server.requests) == asked
    assert asked <= CONNECTIONS + 2
    assert threading.active_count() <= before + 8  # the server's own, one a connection


def test_a_slow_reader_holds_four_ranges_and_no_more(server: OssServer) -> None:
    store = open_bucket(server)
    with store.writer("a", 12 * oss_download.RANGE) as writer:
        for _ in range(12 * oss_download.RANGE // MIB):
            writer.write(bytes(MIB))
        writer.commit()
    server.requests.clear()
    tracemalloc.start()
    size = 0
    for chunk in store.read("a"):
        size += len(chunk)
        if size in (MIB, 4 * oss_download.RANGE):
            time.sleep(0.5)
            assert len(server.requests) <= size // oss_download.RANGE + CONNECTIONS
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 12 * oss_download.RANGE
    # Four ranges, what requests holds of each connection, and the blocks of the server, which is in this process.
    assert peak < (CONNECTIONS + 2) * oss_download.RANGE


def test_a_service_that_says_nothing_is_given_up_sooner_than_one_that_is_not_there(server: OssServer) -> None:
    silent = Patience(total=0.5, first=0.01, longest=0.01, connect=30.0, answer=0.2)
    open_bucket(server).put("a", b"x")
    server.fault("delay", seconds=1.0, method="GET", times=1)
    assert open_bucket(server, Patience(total=5.0, first=0.01, longest=0.01, answer=0.2)).get("a") == b"x"
    server.fault("delay", seconds=1.0)
    began = time.monotonic()
    with pytest.raises(StoreUnreachable, match="no answer in time"):
        open_bucket(server, silent).get("a")
    assert time.monotonic() - began < 3


def test_each_connection_of_a_read_is_kept_below_the_reservation(server: OssServer) -> None:
    store = open_bucket(server)
    store.put("a", bytes(600_000))
    began = time.monotonic()
    assert len(b"".join(store.read("a", limit=300_000))) == 600_000
    assert time.monotonic() - began > 1


def test_a_busy_service_is_left_alone_for_longer_and_no_two_come_back_at_once() -> None:
    most: list[float] = []

    def top(_: float, high: float) -> float:
        most.append(high)
        return 0.0

    patience = Patience(total=60, first=0.2, longest=10, jitter=top, clock=lambda: 0.0)
    asked, told = patience.began(), patience.began()
    stop = threading.Event()
    stop.set()
    for _ in range(3):
        asked.wait(0.0, stop)
        told.wait(0.0, stop, busy=True)
    assert most == [0.4, 2.0, 0.8, 4.0, 1.6, 8.0]


def test_a_connection_that_trickles_is_given_up() -> None:
    """Each byte is a sign of life to a time-out: all that was read so would last for ever."""
    began: list[int] = []

    class Trickles(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers["Range"].partition("=")[2].partition("-")[0])
            began.append(start)
            self.send_response(206)
            told = {"x-oss-request-id": "1", "ETag": '"e"', "Content-Length": str(MIB - start)}
            for name, value in {**told, "Content-Range": f"bytes {start}-{MIB - 1}/{MIB}"}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.02)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Trickles) as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        access = AccessKey(KEY_ID, Secret(KEY_SECRET))
        place = f"http://127.0.0.1:{other.server_port}"
        patience = Patience(total=1.0, first=0.001, longest=0.01, tries=3, trickle=0.3)
        store = OssStore("far", "backup", place, REGION, "", lambda: access, patience)
        with pytest.raises(StoreUnreachable, match=r"far.* at a: the connection is too slow: in 0 s .* 1,024 bytes"):
            store.get("a")
        other.shutdown()
    assert 2 < len(began) < 6
    assert began == sorted(set(began)), "each goes on where the one before it broke off"
