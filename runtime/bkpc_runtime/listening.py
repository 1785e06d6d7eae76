"""What an agent says of itself over HTTP: `/metrics` and `/healthz`, and nothing else.

Plain and without login, as Prometheus asks: what is told holds no secret, and nothing can be done by it.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bkpc_runtime.errors import BadUsage, RuntimeFailure

log = logging.getLogger(__name__)
_MOST = 8
"""Connections at once; more are closed unanswered."""
_WAITING = 4
"""Of them, that may wait for metrics."""
_PATIENCE = 10.0
_KEPT = 60.0
"""Seconds for which metrics are told again: making them asks stores, which charge for it."""
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Busy(Exception):
    """Metrics are being made, which takes long where stores do not answer."""


Tell = Callable[[], str]


class Kept:
    """What `make` has found, by one thread at a time: it is told for a while, as it is at that moment."""

    def __init__(self, make: Callable[[], Tell]) -> None:
        self._make = make
        self._lock, self._waiting = threading.Lock(), threading.Semaphore(_WAITING)
        self._tell: Tell = str
        self._until = 0.0

    def text(self) -> str:
        """Raises Busy: others must have room, above all those who ask for `/healthz`."""
        if not self._waiting.acquire(blocking=False):
            raise Busy
        try:
            if not self._lock.acquire(timeout=_PATIENCE / 2):
                raise Busy
            try:
                if time.monotonic() >= self._until:
                    self._tell = self._make()
                    self._until = time.monotonic() + _KEPT
                tell = self._tell
            finally:
                self._lock.release()
            return tell()
        finally:
            self._waiting.release()


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server_version, sys_version = "bkpc", ""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, "there are /metrics and /healthz\n")
            return
        try:
            self._send(*answer())
        except Busy:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "stores are being asked\n")
        except RuntimeFailure as problem:
            log.error("%s can't be told: %s %s", self.path.partition("?")[0], problem, problem.help)
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "the agent's log says why\n")

    do_HEAD = do_GET  # noqa: N815 - as http.server calls it

    def _send(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", _TEXT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server calls it
        """Scrapes are no news."""


Answer = Callable[[], tuple[HTTPStatus, str]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = _MOST

    def __init__(self, host: str, port: int, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self._room = threading.Semaphore(_MOST)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as socketserver calls it
        """Who asks may hang up."""
        log.debug("a request broke off", exc_info=True)


@contextmanager
def listening(place: tuple[str, int], metrics: Callable[[], Tell], ailing: Callable[[], str]) -> Iterator[str]:
    """Answers while the block runs; gives the address. `metrics` asks stores, and gives what tells of it; `ailing`: why
    the agent does not do its work, empty if it does.

    Raises:
        BadUsage: the address can't be listened on.
    """

    def health() -> tuple[HTTPStatus, str]:
        why = ailing()
        return (HTTPStatus.SERVICE_UNAVAILABLE, f"{why}\n") if why else (HTTPStatus.OK, "ok\n")

    host, port = place
    kept = Kept(metrics)
    answers: dict[str, Answer] = {"/metrics": lambda: (HTTPStatus.OK, kept.text()), "/healthz": health}
    try:
        server = _Server(host, port, answers)
    except OSError as problem:
        raise BadUsage(
            f"can't listen on {host}:{port}: {problem.strerror or problem}",
            help="name an address of this machine and a free port: --listen 127.0.0.1:9123",
        ) from problem
    thread = threading.Thread(target=server.serve_forever, name="listening", daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
