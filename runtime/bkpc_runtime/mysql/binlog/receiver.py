"""Receives a server's binlog as a replica would, and passes the bytes on verbatim.

The bytes of a file come out exactly as the server wrote them (but for the in-use flag, which a server
clears when it sends); `stream_parser.py` checks them.
"""

from __future__ import annotations

import secrets
import select
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.binlog.stream_parser import (
    SEMI_SYNC,
    Chunk,
    Idle,
    LogUnreadable,
    LogVanished,
    Received,
    Rotated,
    StreamParser,
)
from bkpc_runtime.mysql.connection import query, server_errors
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.mysql.other_readers import reads_here

__all__ = [
    "Chunk", "Idle", "LogUnreadable", "LogVanished", "Received", "Receiver", "ReplicaIdentity", "Rotated",
    "first_event",
]  # fmt: skip

HEARTBEAT_SECONDS = 0.5
SILENCE_SECONDS = 15.0
HOST = "bkpc"
"""What a replica that only archives calls itself in SHOW REPLICAS."""
SYNC_HOST = "bkpc-sync"
"""The same, of one that commits wait for."""
_SEND_ANNOTATIONS = 2
_COM_BINLOG_DUMP, _COM_REGISTER_REPLICA = 0x12, 0x15


def _new_server_id() -> int:
    return secrets.randbelow(1 << 31) + (1 << 31)


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """Who a replica says it is. One that comes back under the same takes the place of its own dead connection."""

    server_id: int = field(default_factory=_new_server_id)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


class Receiver:
    """The binlog from `start` on, for ever; offset 0 includes the 4 magic bytes. The connection belongs to it.

    `semi_sync`: commits wait for `acknowledge`, if the server is set up so: `semi_synchronous` tells, after the first
    `wait`. The server counts `start` itself as acknowledged.

    Raises:
        LogVanished: the server says that it can't send what is there.
        LogUnreadable: what it sends is damaged.
        ServerFailed: the connection is lost.
    """

    def __init__(
        self,
        connection: Connection[Any],
        facts: ServerFacts,
        start: Position,
        *,
        identity: ReplicaIdentity | None = None,
        semi_sync: bool = False,
    ) -> None:
        identity = identity or ReplicaIdentity()
        with server_errors("the server's binlog stream"):
            _become_replica(connection, facts, identity, semi_sync=semi_sync)
            reads_here(connection, facts.identity)
            asked = start.offset if 4 <= start.offset < 1 << 32 else 4
            _ask(connection, start.file, asked, identity.server_id, SYNC_HOST if semi_sync else HOST)
        self._socket: Any = connection._sock  # type: ignore[attr-defined]
        self._parser = StreamParser(self._socket, start, asked, semi_sync=semi_sync)
        self._heard = time.monotonic()
        # select.select knows no descriptors above 1023.
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    @property
    def semi_synchronous(self) -> bool | None:
        """Whether commits wait for us; None until the server has shown it."""
        return self._parser.semi_synchronous

    def wake_by(self, descriptor: int) -> None:
        """`wait` returns when this can be read, too."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, patience: float) -> list[Received]:
        """What has arrived, for up to `patience` seconds. A server sends something at least every heartbeat."""
        if self._parser.failure:
            raise self._parser.failure
        with server_errors("the server's binlog stream"):
            if not self._readable(patience):
                if time.monotonic() - self._heard > SILENCE_SECONDS:
                    text = f"the server has sent nothing for {SILENCE_SECONDS:.0f} s"
                    raise ServerFailed(text, retryable=True)
                return []
            self._heard = time.monotonic()
            return self._parser.read()

    def pause(self) -> None:
        """Nothing is read for a while, and that is no silence of the server."""
        self._heard = time.monotonic()

    def acknowledge(self, position: Position) -> None:
        """Lets all commits up to `position` return. Only for where a chunk was `awaited`."""
        body = struct.pack("<BQ", SEMI_SYNC, position.offset) + position.file.encode()
        with server_errors("the server's binlog stream"):
            self._socket.sendall(len(body).to_bytes(3, "little") + b"\0" + body)

    def _readable(self, patience: float) -> bool:
        pending = getattr(self._socket, "pending", None)  # of TLS: bytes that are here already
        if pending and pending():
            return True
        ready = self._poll.poll(max(0.0, patience) * 1000)
        return any(descriptor == self._socket.fileno() for descriptor, _ in ready)


def receive(connection: Connection[Any], facts: ServerFacts, start: Position) -> Iterator[Received]:
    """What a `Receiver` receives, one by one."""
    receiver = Receiver(connection, facts, start)
    while True:
        yield from receiver.wait(SILENCE_SECONDS + 1)


def first_event(connection: Connection[Any], facts: ServerFacts, file: str) -> bytes:
    """The first event of a binlog: its format description, whose timestamp tells files of one name apart."""
    for received in receive(connection, facts, Position(file, 4)):
        if isinstance(received, Chunk):
            (size,) = struct.unpack_from("<I", received.data, 9)
            return received.data[:size]
        if isinstance(received, Rotated):
            break
    raise LogVanished(f"the server sent no beginning of {file}")


def _become_replica(
    connection: Connection[Any], facts: ServerFacts, identity: ReplicaIdentity, *, semi_sync: bool
) -> None:
    nanoseconds = int(HEARTBEAT_SECONDS * 1e9)
    # CRC32 is announced even to a server that writes none: one that announces less gets events stripped.
    settings = [
        "@master_binlog_checksum='CRC32'", "@source_binlog_checksum='CRC32'",
        f"@master_heartbeat_period={nanoseconds}", f"@source_heartbeat_period={nanoseconds}",
        f"@slave_uuid='{identity.uuid}'", f"@replica_uuid='{identity.uuid}'",
    ]  # fmt: skip
    if semi_sync:
        settings += ["@rpl_semi_sync_slave=1", "@rpl_semi_sync_replica=1"]
    if facts.flavour == "mariadb":
        settings.append("@mariadb_slave_capability=4")
    query(connection, "SET " + ", ".join(settings))


def _ask(connection: Connection[Any], file: str, offset: int, server_id: int, host: str) -> None:
    name = host.encode()
    registration = struct.pack("<IB", server_id, len(name)) + name + struct.pack("<BBHII", 0, 0, 0, 0, 0)
    connection._execute_command(_COM_REGISTER_REPLICA, registration)  # type: ignore[attr-defined]
    connection._read_packet()  # type: ignore[no-untyped-call]
    # MariaDB leaves the statements' texts out unless asked, and the file would have holes; MySQL ignores it.
    dump = struct.pack("<IHI", offset, _SEND_ANNOTATIONS, server_id) + file.encode()
    connection._execute_command(_COM_BINLOG_DUMP, dump)  # type: ignore[attr-defined]
    connection._sock.settimeout(SILENCE_SECONDS)  # type: ignore[attr-defined]
