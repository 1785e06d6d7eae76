"""Where a log stream goes on: compared from what its store holds and what the server still has."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.binlog.receiver import LogVanished, first_event
from bkpc_runtime.mysql.flavour import Position, ServerFacts, current_position, list_binlogs
from bkpc_runtime.repository.segments import epochs, gap_key, newest_end, origin, origin_key
from bkpc_runtime.steps.log_delivery import Parcel
from bkpc_runtime.stores.store import Store


@dataclass(frozen=True, slots=True)
class Start:
    """`parcels` go into the store before any segment."""

    epoch: int
    position: Position
    parcels: tuple[Parcel, ...] = ()


def find_start(
    connect: Callable[[], Connection[Any]], facts: ServerFacts, store: Store, prefix: str, oldest: str
) -> Start:
    """Where the archived log of the newest epoch ends; after a break, the server's oldest file in a new epoch.

    `oldest` is the binlog a first start begins with; the server's current one if empty, or no longer there.
    """
    epoch = max(epochs(store, prefix), default=0)
    position = newest_end(store, prefix, epoch) if epoch else None
    with connect() as connection:
        if not epoch:
            current = current_position(connection, facts).file
            there = oldest and oldest in [one.name for one in list_binlogs(connection)]
            return Start(1, Position(oldest if there else current, 0))
        names = [one.name for one in list_binlogs(connection)]
    if position is None:
        return Start(epoch, Position(names[0], 0))
    reason = _broken(connect, facts, store, prefix, epoch=epoch, position=position, names=names)
    if not reason:
        return Start(epoch, position)
    new = Position(names[0], 0)
    gap = {"from": position.text, "to": new.text, "reason": reason, "detected_at": int(time.time())}
    body = json.dumps(gap, sort_keys=True).encode()
    parcel = Parcel(gap_key(prefix, epoch + 1), body, None, time.time(), 0.0)
    return Start(epoch + 1, new, (parcel,))


def origin_of(prefix: str, epoch: int, file: str, beginning: bytes, arrived: float) -> Parcel:
    """The object that lets a later start recognise the file without decrypting a segment."""
    size = int.from_bytes(beginning[13:17], "little")
    body = json.dumps({"first_event_sha256": _digest(beginning[4 : 4 + size])}).encode()
    return Parcel(origin_key(prefix, epoch, file), body, None, arrived, 0.0)


def _digest(event: bytes) -> str:
    return hashlib.sha256(event).hexdigest()


def _broken(
    connect: Callable[[], Connection[Any]], facts: ServerFacts, store: Store, prefix: str, *,
    epoch: int, position: Position, names: list[str],
) -> str:  # fmt: skip
    """Why the server's log does not continue the archived one; empty if it does."""
    if position.file not in names:
        return f"the server no longer has {position.file}"
    with connect() as connection:
        sizes = {one.name: one.size for one in list_binlogs(connection)}
        if sizes[position.file] < position.offset:
            return f"the server's {position.file} is shorter than the archived one"
        try:
            event = first_event(connection, facts, position.file)
        except LogVanished as failure:
            return str(failure)
    known = origin(store, prefix, epoch, position.file)
    if known and known != _digest(event):
        return f"the server's {position.file} is another file of the same name"
    return ""
