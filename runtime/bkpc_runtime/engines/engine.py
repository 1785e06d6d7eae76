"""The contract every engine keeps: it turns a server into named streams of bytes, and says where they stand in the log.

`steps/backup.py` drives it and owns all the rest: parts, hashes, encryption, the throttle, the manifest. An engine that
returns from `take` has seen its tool say that all went well; one that raises leaves parts that nothing ever reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pymysql.connections import Connection

from bkpc_runtime.engines.inventory import Contents
from bkpc_runtime.engines.row_counts import Rows
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.repository import manifest

NO_ROWS = Rows()


@dataclass(frozen=True, slots=True)
class Server:
    """What an image is taken of: how programs log in, a connection to ask on, what it said it is."""

    address: Address
    connection: Connection[Any]
    facts: ServerFacts


@dataclass(frozen=True, slots=True)
class Taken:
    """An image that is whole: where it stands in the log, and what it holds.

    `loose`: objects came or went meanwhile; `contents` has those that were there before and after. `lsn`: the stretch
    of InnoDB's log that a physical image covers, the beginning 0 for a full one. `rows`: as many as are known to be.
    `moment`: of the snapshot, by the server's own clock; None where nothing tells.
    """

    position: Position
    gtid: str
    contents: Contents
    not_included: tuple[str, ...] = ()
    loose: bool = False
    lsn: tuple[int, int] = (0, 0)
    rows: Rows = NO_ROWS
    moment: datetime | None = None


class Sink(Protocol):
    """Where the bytes go. Nothing is written before the first `begin`."""

    encrypted: bool
    """Whether what is written is sealed before it leaves this process."""

    def begin(self, kind: manifest.PartKind, schema: str = "", table: str = "") -> None:
        """What comes now belongs to another part than what came before."""
        ...

    def write(self, chunk: bytes) -> None:
        """Blocks while what is behind it has no room; raises what went wrong there."""
        ...


class Engine(Protocol):
    """One way to take an image."""

    @property
    def name(self) -> manifest.Engine:
        """As manifests and `preflight` call it."""
        ...

    @property
    def parent(self) -> manifest.Manifest | None:
        """The image that this one continues; None where it is a full one."""
        ...

    def take(self, server: Server, sink: Sink) -> Taken:
        """An image of one moment of the server, whatever is written to it meanwhile.

        Raises:
            ToolFailed: the tool failed, stopped early, or left out something; `retryable` where a second try may help.
            ServerFailed: a question was not answered.
        """
        ...
