"""A link before a server that all connections share, with little room in it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.oss_server.pace import Pace

_PIECE = 4096
_ROOM = 16 * 1024


@contextlib.contextmanager
def slow_link(endpoint: str, rate: int, *, proxy: bool = False) -> Iterator[str]:
    """The endpoint to use instead: `rate` bytes per second there, and as many back; or a `proxy` that leads there."""
    there, back = Pace(rate), Pace(rate)
    host, port = urlsplit(endpoint).hostname or "", urlsplit(endpoint).port or 0

    def carry(source: socket.socket, into: socket.socket, pace: Pace) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                pace.take(len(piece))
                into.sendall(piece)
        for one in (source, into):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def both(near: socket.socket) -> None:
        with near, socket.socket() as far:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            far.connect((host, port))
            if proxy:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += near.recv(1)
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            returning = threading.Thread(target=carry, args=(far, near, back), daemon=True)
            returning.start()
            carry(near, far, there)
            returning.join()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=both, args=(listener.accept()[0],), daemon=True).start()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
