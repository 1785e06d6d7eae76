"""What an agent says over HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bkpc_runtime import listening as server
from bkpc_runtime.errors import BadUsage, StoreFailed
from bkpc_runtime.listening import listening

LOOPBACK = ("127.0.0.1", 0)


def get(where: str, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(where.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_and_health_and_nothing_else() -> None:
    made, ails = [], [""]

    def metrics() -> Callable[[], str]:
        made.append(1)
        return lambda: f"bkpc_status_ok 1 {ails[0]}\n"

    with listening(LOOPBACK, metrics, lambda: ails[0]) as where:
        assert get(where, "/metrics") == (200, "bkpc_status_ok 1 \n")
        assert get(where, "/metrics?name[]=x") == (200, "bkpc_status_ok 1 \n")
        assert get(where, "/metrics", "HEAD") == (200, "")
        assert made == [1]  # stores are not asked for each scrape
        assert get(where, "/healthz") == (200, "ok\n")
        ails[0] = "ended: shop/hot"
        assert get(where, "/healthz") == (503, "ended: shop/hot\n")
        assert get(where, "/metrics") == (200, "bkpc_status_ok 1 ended: shop/hot\n")  # as it is now
        for path in ("/", "/metrics/", "/../etc/passwd", "/%2e%2e/plan.json", "/metrics/../key.txt"):
            assert get(where, path) == (404, "there are /metrics and /healthz\n")
        assert get(where, "/metrics", "POST")[0] == 501
        assert get(where, "/metrics", "DELETE")[0] == 501


def test_what_fails_is_not_told_to_who_asks() -> None:
    def metrics() -> Callable[[], str]:
        raise StoreFailed("where the key lies")

    with listening(LOOPBACK, metrics, str) as where:
        assert get(where, "/metrics") == (500, "the agent's log says why\n")


def test_who_says_nothing_keeps_nobody_out() -> None:
    with listening(LOOPBACK, lambda: lambda: "x 1\n", str) as where:
        host, _, port = where.removeprefix("http://").partition(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(3)]
        assert get(where, "/metrics") == (200, "x 1\n")
        crowd = [socket.create_connection((host, int(port))) for _ in range(20)]
        crowd[-1].settimeout(5)
        assert crowd[-1].recv(1) == b""  # hung up on, unanswered: the first have all the room there is
        for one in (*silent, *crowd):
            one.close()
        for _ in range(100):
            try:
                assert get(where, "/healthz") == (200, "ok\n")
                break
            except OSError:  # the crowd has not left yet
                time.sleep(0.05)
        else:
            raise AssertionError("nobody is let in any more")


def test_who_waits_for_metrics_keeps_nobody_from_asking_for_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that do not answer make a scrape last; those that gave up and come again must not pile up."""
    monkeypatch.setattr(server, "_PATIENCE", 0.2)
    going, done = threading.Event(), threading.Event()

    def metrics() -> Callable[[], str]:
        going.set()
        done.wait(20)
        return lambda: "x 1\n"

    with listening(LOOPBACK, metrics, str) as where, ThreadPoolExecutor(20) as scrapers:
        first = scrapers.submit(get, where, "/metrics")
        assert going.wait(5)
        for _ in range(6):
            crowd = [scrapers.submit(get, where, "/metrics") for _ in range(3)]
            assert get(where, "/healthz") == (200, "ok\n")
            assert {one.result()[0] for one in crowd} == {503}
        done.set()
        assert first.result() == (200, "x 1\n")
        assert get(where, "/metrics") == (200, "x 1\n")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = ("127.0.0.1", other.getsockname()[1])
        with pytest.raises(BadUsage, match="can't listen on"), listening(taken, lambda: str, str):
            pass
