"""Connections that bear a slow link: what moves is waited for, what stands still is given up.

The time-out of a socket bounds how long bytes take to fit into the kernel's buffer, which tells of room only when a
third of it is free: at a few KB/s that takes minutes. So the kernel is asked what the other side has taken in
(`TIOCOUTQ`), and an answer is waited for only when nearly all is there. What comes is watched as it arrives, headers
too: each byte is a sign of life to a time-out.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import io
import select
import socket
import struct
import sys
import termios
import time
import weakref
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bkpc_runtime.leaving import cut_short
from bkpc_runtime.stores.moving import Link, Moving, Trickling

_NEARLY = 16 * 1024
"""Bytes on their way that need no watching: an answer's time-out is long enough for them."""
_LOOK = 2.0
_STEP = 0.25
_BYTES_RECEIVED = slice(128, 136)
"""Of Linux' `struct tcp_info`."""
_DROPPED = struct.pack("ii", 1, 0)


class _Arriving(io.RawIOBase):
    """What comes in on a socket; the wait for the first byte is its time-out's affair.

    TLS gives nothing out of a record before all of it is there, 16 KiB: what has come is asked of the kernel.
    """

    def __init__(self, sock: socket.socket, file: io.RawIOBase, moving: Moving) -> None:
        self._sock, self._file, self._moving = sock, file, moving
        self._begun, self._seen = False, _received(sock)
        self._given, self._waited = 0, 0.0
        """Since what moves was last looked at: each byte of a trickle may be waited for but a moment."""

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while True:
            began = time.monotonic()
            try:
                size = self._sock.recv_into(room)
            except TimeoutError:
                if not self._moved(0, began):
                    raise
                continue
            self._moved(size, began)
            return size

    def _moved(self, size: int, began: float) -> int:
        """How many bytes came since; `size` of them were given out."""
        received = _received(self._sock)
        self._given += size
        come = self._given if received is None or self._seen is None else received - self._seen
        self._waited += time.monotonic() - began
        if not self._begun or ((come or size) and self._waited > _STEP / 10):
            if self._begun:
                self._moving.moved(come, self._waited)
            self._seen, self._given, self._waited = received, 0, 0.0
        self._begun = self._begun or bool(come or size)
        return come

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


def _answers(within: float, link: Link) -> type[http.client.HTTPResponse]:
    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
            super().__init__(sock, *given, **named)
            self.fp = io.BufferedReader(_Arriving(sock, self.fp.detach(), Moving(within, link)))

    return Answer


class _Steady(HTTPConnection):
    within: float
    link: Link

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._begin()  # a proxy is asked before there is a request

    def putrequest(self, *given: Any, **named: Any) -> None:
        self._begin()
        super().putrequest(*given, **named)

    def _begin(self) -> None:
        _in_use.add(self)
        self._taken, self._seen, self._moving = 0, 0, Moving(self.within, self.link)

    def send(self, data: Any) -> None:
        """As of http.client, where the time-out bounds how long all of `data` may take."""
        if self.sock is None or not isinstance(data, bytes | bytearray | memoryview):
            super().send(data)
            return
        left, before = memoryview(data).cast("B"), self.sock.gettimeout()
        self.sock.settimeout(min(_LOOK, self.within / 4))
        while left:
            began = time.monotonic()
            try:
                sent = self.sock.send(left)
            except TimeoutError:  # TLS wants the same bytes again
                sent = 0
            left = left[sent:]
            self._taken += sent
            self._look(time.monotonic() - began)
        self.sock.settimeout(before)

    def getresponse(self) -> Any:
        self._until_taken()
        return super().getresponse()

    def _until_taken(self) -> None:
        """Returns when the other side has nearly all, or has answered before."""
        stood = 0.0
        while (waiting := _waiting(self.sock)) > _NEARLY:
            began = time.monotonic()
            if _has_answered(self.sock) and _waiting(self.sock) > _NEARLY:  # or TLS has sent something of its own
                time.sleep(_STEP)
                stood = 0.0 if _waiting(self.sock) < waiting else stood + _STEP
                if stood > _LOOK:
                    return
            self._look(time.monotonic() - began)

    def _look(self, waited: float) -> None:
        if waited < _STEP / 10:
            return
        there = self._taken - _waiting(self.sock)
        try:
            self._moving.moved(max(0, there - self._seen), waited)
        except Trickling:
            # Or the kernel goes on sending what is tried again, on the same slow link.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROPPED)
            raise
        self._seen = max(self._seen, there)


_in_use: weakref.WeakSet[_Steady] = weakref.WeakSet()


def _cut() -> None:
    for one in list(_in_use):
        with contextlib.suppress(OSError, AttributeError):
            one.sock.shutdown(socket.SHUT_RDWR)


cut_short(_cut)


class _SteadyTls(_Steady, HTTPSConnection):
    pass


def _waiting(sock: socket.socket) -> int:
    """Bytes that the other side has not taken in yet; 0 where the kernel does not say."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0


def _received(sock: socket.socket) -> int | None:
    """Bytes that have come in all; None where the kernel does not say."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.stop)
    except (OSError, AttributeError):  # TLS within TLS is no socket
        return None
    return int.from_bytes(told[_BYTES_RECEIVED], sys.byteorder) if len(told) == _BYTES_RECEIVED.stop else None


def _has_answered(sock: socket.socket) -> bool:
    """Whether there is something to read, after a moment at most."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(_STEP * 1000))


class SteadyAdapter(HTTPAdapter):
    """As of requests, with such connections; `within`: see `Moving`."""

    def __init__(self, pool_size: int, within: float) -> None:
        own = {"within": within, "link": Link("went out"), "response_class": _answers(within, Link("came"))}
        plain, tls = type("Plain", (_Steady,), own), type("Tls", (_SteadyTls,), own)
        self._pools = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size)

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *given: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager
