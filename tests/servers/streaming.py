"""A log stream beside a test, and what is compared when it has run."""

from __future__ import annotations

import secrets
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.events import CHECKPOINT
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Position, current_position, list_binlogs, read_facts
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.log_group import AnotherServer
from bkpc_runtime.steps.log_stream import LogStream
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import segment_opener
from bkpc_runtime.transfer.outbound import packing
from tests.database_server import ThrowawayServer

_IN_USE = 4 + 17
"""Where a binlog says that it is being written; a server clears it when it sends."""


class Streaming:
    """Streams while its block runs; `prefix` is where in the store."""

    def __init__(
        self,
        server: ThrowawayServer,
        store: Store | Sequence[Store],
        recipient: str = "",
        flush_seconds: float = 0.2,
        reach: Callable[[], ThrowawayServer] | None = None,
        work: Path | None = None,
        **options: Any,
    ) -> None:
        address = parse_address(server.url)
        connection = connect(address)
        facts = read_facts(connection)
        connection.close()
        recipients = [recipient] if recipient else []
        self.work = work or Path(tempfile.gettempdir()) / f"bkpc-work-{secrets.token_hex(8)}"
        self.prefix = layout.prefix_of("shop", facts.identity)

        def reached() -> Connection[Any]:
            return connect(parse_address(reach().url) if reach else address)

        self.stream = LogStream(
            reached, facts, [*store] if isinstance(store, Sequence) else [store],
            work=self.work, flush_seconds=flush_seconds,
            pack=packing(recipients), prefix=self.prefix, encrypted=bool(recipients), **options,
        )  # fmt: skip
        self.all_stored: bool | None = None
        self.moved = threading.Event()
        """The address leads to another server."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.all_stored = self.stream.run(self._stop)
        except AnotherServer:
            self.moved.set()

    def __enter__(self) -> LogStream:
        self._thread.start()
        return self.stream

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if not self.moved.is_set():
            shutil.rmtree(self.work, ignore_errors=True)


def position(server: ThrowawayServer) -> Position:
    """Where the server writes."""
    connection = connect(parse_address(server.url))
    try:
        return current_position(connection, read_facts(connection))
    finally:
        connection.close()


def wait_for(stream: LogStream, end: Position, patience: float = 60) -> None:
    """Until the log is durable up to `end`."""

    def there() -> bool:
        durable = stream.state().durable
        return durable is not None and (durable.file, durable.offset) >= (end.file, end.offset)

    wait_until(there, patience, lambda: f"not durable up to {end.text}: {stream.state()}")


def wait_until(true: Callable[[], bool], patience: float = 60, why: Callable[[], str] = str) -> None:
    """By the clock, not by tries: neither a fast machine nor a slow one must matter."""
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until, why()
        time.sleep(0.05)


def binlogs(server: ThrowawayServer) -> dict[str, bytes]:
    """The server's own files."""
    with server.connect() as connection:
        names = [one.name for one in list_binlogs(connection)]
    return {name: cleared((server.datadir / name).read_bytes()) for name in names}


def cleared(body: bytes) -> bytes:
    """A binlog without the flag that says it is being written, and without checkpoints at its end: MariaDB writes one
    whenever it likes, also between two looks."""
    ends, at = [], 4
    while at + 13 <= len(body):
        kind, length = struct.unpack_from("<4xB4xI", body, at)
        at += length
        ends.append((kind, at))
    while ends and ends[-1][0] == CHECKPOINT:
        ends.pop()
    body = body[: ends[-1][1]] if ends else body
    return body[:_IN_USE] + bytes([body[_IN_USE] & 0xFE]) + body[_IN_USE + 1 :]


def archived(store: Store, prefix: str, epoch: int, start: Position, key: Secret | None = None) -> dict[str, bytes]:
    """The files as the archive gives them back, from `start`'s file on."""
    found: dict[str, bytes] = {}
    keys = [key] if key else []
    for file, offset, body in segments.read_log(store, prefix, epoch, start, None, unpack=segment_opener(keys)):
        assert offset == len(found.get(file, b""))
        found[file] = found.get(file, b"") + body
    return {name: cleared(body) for name, body in found.items()}
