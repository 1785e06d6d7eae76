"""The server: a service, a port or two of the loopback, and what a test may do to it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.oss_server.accounts import Key
from tests.oss_server.ageing import age
from tests.oss_server.clock import millis
from tests.oss_server.connection import Handler
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.faults import Fault, Faults, Kind
from tests.oss_server.pace import Sequences, Turnstile
from tests.oss_server.replicating import replicate
from tests.oss_server.service import REGION, Service

KEY_ID, KEY_SECRET = "LTAI5tTestKeyForLoopback", "a-secret-of-a-throwaway-server"


class OssServer:
    """Serves buckets kept below `root` on a port of 127.0.0.1, until closed; also a context manager.

    `requests` holds a line per request, as `PUT bucket/key?partNumber=1&uploadId=…`; `ahead` sets the clock that
    signatures are judged by; `advance` lets stored things age. With `tls` (a context) it listens there, too.
    `problems` holds the server's own mistakes, as tracebacks: none, or a test's result says nothing.
    """

    def __init__(
        self,
        root: Path,
        port: int = 0,
        secrets_of: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        region: str = REGION,
    ) -> None:
        self.service = Service(root, region)
        self.faults, self.requests, self.turnstile = Faults(), list[str](), Turnstile()
        self.sequences = Sequences()
        self.problems = list[str]()
        for key_id, secret in ({KEY_ID: KEY_SECRET} if secrets_of is None else secrets_of).items():
            self.service.keys.add(key_id, secret, self.service.owner)
        self._listeners = [Listener(("127.0.0.1", port), Handler)]
        if tls:
            self._listeners.append(TlsListener(("127.0.0.1", 0), Handler))
            self._listeners[1].tls = tls
        self._threads = []
        for listener in self._listeners:
            listener.oss = self
            thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def port(self) -> int:
        return int(self._listeners[0].server_address[1])

    @property
    def tls_port(self) -> int:
        return int(self._listeners[1].server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def region(self) -> str:
        return self.service.region

    @property
    def buckets(self) -> dict[str, BucketOnDisk]:
        return self.service.buckets

    @property
    def ahead(self) -> timedelta:
        """How far the server's clock is ahead of the machine's, where signatures are judged."""
        return self.service.clock.skew

    @ahead.setter
    def ahead(self, value: timedelta) -> None:
        self.service.clock.skew = value

    def advance(self, by: timedelta) -> list[str]:
        """Moves the virtual time on, running lifecycle rules at each midnight UTC passed, then replication.

        A line per action. A neighbour's clock moves on its own.
        """
        done = []
        for midnight in self.service.clock.advance(by):
            for bucket in list(self.buckets.values()):
                lines = age(bucket, millis(midnight), self.service.options.lifecycle_loads)
                done += [f"{bucket.name}: {line}" for line in lines]
        for bucket in list(self.buckets.values()):
            done += [f"{bucket.name}: {line}" for line in replicate(self.service, bucket)]
        return done

    def neighbours(self, other: OssServer) -> None:
        """Makes buckets of either server, each a region, able to replicate to the other's."""
        self.service.elsewhere[other.region] = other.service
        other.service.elsewhere[self.region] = self.service

    def bucket(self, name: str = "backup") -> str:
        """Makes the bucket when it isn't there; gives its name."""
        return self.service.make(name).name

    def lend(self, lasts: timedelta = timedelta(hours=1)) -> Key:
        """A temporary key of the owner's account, with its token."""
        return self.service.keys.lend(self.service.owner, self.service.clock.wall(), lasts)

    def fault(self, kind: Kind, **settings: object) -> Fault:
        """Adds a rule; see `Fault`."""
        rule = Fault(kind, **settings)  # type: ignore[arg-type]
        with self.faults.lock:
            self.faults.rules.append(rule)
        return rule

    def fail_next(self, count: int, status: int, code: str = "InternalError", **headers: str) -> None:
        """Refuse the next `count` requests; headers with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.fault("status", times=count, status=status, code=code, headers=named)

    def break_body_after(self, *sizes: int) -> None:
        """Close the connection of the next object read after so many bytes, and of the ones that follow it."""
        self.faults.breaks += sizes

    def lose_answer(self, method: str) -> None:
        """Do what the next request with `method` asks, then close the connection instead of answering."""
        self.fault("lost", method=method, times=1)

    @property
    def full(self) -> bool:
        """Whether puts are refused for want of space."""
        return self.faults.full

    @full.setter
    def full(self, value: bool) -> None:
        self.faults.full = value

    def secure(self, connection: object) -> bool:
        return isinstance(connection, ssl.SSLSocket)

    def close(self) -> None:
        for listener, thread in zip(self._listeners, self._threads, strict=True):
            listener.shutdown()
            thread.join()
            listener.server_close()

    def __enter__(self) -> OssServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Listener(ThreadingHTTPServer):
    """A port."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    oss: OssServer
    tls: ssl.SSLContext

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the library calls it so)
        """Clients that hang up are part of the tests; anything else is a mistake of this server."""
        problem = sys.exception()
        if not isinstance(problem, ConnectionError | TimeoutError | ssl.SSLError):
            self.oss.problems.append(traceback.format_exc())


class TlsListener(Listener):
    """A port with TLS; the handshake is made in the connection's own thread."""

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)


@contextlib.contextmanager
def serving(root: Path, port: int) -> Iterator[OssServer]:
    """A server with one bucket, for the command line."""
    with OssServer(root, port) as server:
        server.bucket()
        yield server


__all__ = ["KEY_ID", "KEY_SECRET", "REGION", "OssServer", "serving"]
