"""A link that is slow and lives is waited for; a connection on which next to nothing moves is given up, soon."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bkpc_runtime.errors import StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.moving import Link, Moving, Trickling
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.certificate import tls_context
from tests.runtime.stores.slow_link import slow_link

MIB = 1024 * 1024
HASTY = Patience(total=1.0, first=0.001, longest=0.01, tries=2, connect=0.2, answer=0.8, quick=0.4, trickle=0.6)
"""A fiftieth of the usual: what is carried takes several times as long as any of them."""


UNHURRIED = replace(HASTY, connect=2.0)
"""For the exchange of certificates."""


def bucket(endpoint: str, patience: Patience = HASTY) -> OssStore:
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    return OssStore("far", "backup", endpoint, REGION, "", lambda: access, patience)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server


def test_uploads_that_share_a_slow_link_come_through_in_one_try(server: OssServer) -> None:
    """What is sent is far more than the kernel takes at once, and what is little waits behind it."""
    with slow_link(server.endpoint, 2_000_000) as endpoint, ThreadPoolExecutor(3) as threads:
        store = bucket(endpoint)
        bodies = [secrets.token_bytes(size) for size in (3 * MIB, 3 * MIB, 200_000)]
        list(threads.map(store.put, "abc", bodies))
    assert len(server.requests) == len(bodies)
    direct = bucket(server.endpoint)
    assert [direct.get(key) for key in "abc"] == bodies


def test_a_download_over_a_slow_link_comes_through_in_one_try(server: OssServer) -> None:
    body = secrets.token_bytes(MIB)
    bucket(server.endpoint).put("a", body)
    with slow_link(server.endpoint, 400_000) as endpoint:
        assert bucket(endpoint).get("a") == body
    assert sum(one.startswith("GET") for one in server.requests) == 1


@pytest.mark.parametrize("proxy", [False, True])
def test_so_it_is_with_tls_and_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: bool) -> None:
    """Of a record of 16 KiB TLS gives nothing out before all of it is there."""
    context, trusted = tls_context(tmp_path / "tls", ["localhost"])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    body = secrets.token_bytes(100_000)
    with OssServer(tmp_path / "oss", tls=context) as server:
        server.bucket()
        secured = f"https://localhost:{server.tls_port}"
        with slow_link(secured, 60_000, proxy=proxy) as near:
            if proxy:
                monkeypatch.setenv("HTTPS_PROXY", near)
            store = bucket(secured if proxy else near.replace("http://127.0.0.1", "https://localhost"), UNHURRIED)
            store.put("a", body)
            assert store.get("a") == body
        assert len(server.requests) == 2


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[float]]]:
    """Has a service do nothing but that on each connection; when each was begun."""
    begun: list[float] = []

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            begun.append(time.monotonic())
            threading.Thread(target=one, args=(near,), daemon=True).start()

    def one(near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            talk(near)

    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", begun
        listener.shutdown(socket.SHUT_RDWR)


def test_one_that_takes_nothing_in_is_given_up(server: OssServer) -> None:
    with talking(lambda _: time.sleep(20)) as (endpoint, begun):
        with pytest.raises(StoreUnreachable, match=r"too slow: in 1 s .* fewer than 1,024 bytes a second went out"):
            bucket(endpoint).put("a", bytes(7 * MIB))
        assert len(begun) == 2
        assert begun[1] - begun[0] < 2


HEAD = (
    b"HTTP/1.1 206 OK\r\nx-oss-request-id: 1\r\nContent-Length: 1048576\r\nContent-Range: bytes 0-1048575/1048576\r\n"
)


@pytest.mark.parametrize("at_once", [0, len(HEAD) - 60, len(HEAD) + 300_000], ids=["never", "headers", "body"])
def test_one_that_trickles_is_given_up_however_fast_it_was_before(at_once: int) -> None:
    """Each byte is a sign of life to a time-out. Headers that trickle had been waited for without end."""

    def talk(near: socket.socket) -> None:
        near.recv(65536)
        whole = HEAD + b"\r\n" + bytes(MIB)
        near.sendall(whole[:at_once])
        for byte in whole[at_once:]:
            near.sendall(bytes([byte]))
            time.sleep(0.05)

    with talking(talk) as (endpoint, begun):
        with pytest.raises(StoreUnreachable, match=r"too slow: in 1 s .* fewer than 1,024 bytes a second came"):
            bucket(endpoint).get("a")
        assert len(begun) == 2
        assert begun[1] - begun[0] < 1.15, "what came fast before counts for one span of waiting, not for two"


def test_what_moves_fast_enough_is_never_given_up() -> None:
    moving = Moving(30.0, Link("came"))
    for _ in range(1000):
        moving.moved(20 * 1024, 19.0)
    moving.moved(60 * 1024, 59.0)


def test_what_stops_is_given_up_in_its_time() -> None:
    now = 0.0
    moving = Moving(30.0, Link("came", lambda: now))
    moving.moved(100_000_000, 10.0)
    for _ in range(2):
        now += 10.0
        moving.moved(1, 10.0)
    now += 10.1
    with pytest.raises(Trickling):
        moving.moved(1, 10.1)


def test_a_slow_link_is_shared_by_however_many() -> None:
    """A restore asks for many small objects at once: each may get less than what lets the link count as living."""
    now = 0.0
    link = Link("came", lambda: now)
    many = [Moving(30.0, link) for _ in range(128)]
    for _ in range(600):
        now += 1.0
        for one in many:
            one.moved(400, 1.0)


@pytest.mark.parametrize(("others", "own"), [(0, 1), (400, 1), (1_000_000, 100)])
def test_one_that_gets_next_to_nothing_of_it_is_given_up(others: int, own: int) -> None:
    now = 0.0
    link = Link("came", lambda: now)
    starved, *rest = (Moving(30.0, link) for _ in range(9))

    def wait() -> None:
        nonlocal now
        while now < 600:
            now += 1.0
            for one in rest if others else ():
                one.moved(others, 1.0)
            starved.moved(own, 1.0)

    with pytest.raises(Trickling):
        wait()
    assert now < 62
