"""Where a log stream goes on: compared from what the stores hold and what the server still has."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ObjectMissing, StoreFailed
from bkpc_runtime.mysql.binlog.receiver import LogVanished, first_event
from bkpc_runtime.mysql.flavour import Position, ServerFacts, current_position, list_binlogs
from bkpc_runtime.repository.segments import epoch_folder, epochs, file_folder, newest_end, order
from bkpc_runtime.steps.log_delivery import Parcel
from bkpc_runtime.stores.store import Store


@dataclass(frozen=True, slots=True)
class Start:
    """`durable` has the end of each store that answered and has log of this epoch."""

    epoch: int
    position: Position
    durable: dict[str, Position]
    parcels: tuple[Parcel, ...]


def find_start(
    connect: Callable[[], Connection[Any]],
    facts: ServerFacts,
    stores: Sequence[Store],
    prefix: str,
    oldest: str,
) -> Start:
    """The newest epoch's end in the store that has least of it, or a new epoch after a break."""
    epoch, durable = _archived(stores, prefix)
    with connect() as connection:
        if not epoch:
            file = oldest or current_position(connection, facts).file
            return Start(1, Position(file, 0), {}, ())
        names = [one.name for one in list_binlogs(connection)]
    if not durable:
        return Start(epoch, Position(names[0], 0), {}, ())
    position = min(durable.values(), key=order)
    if len(durable) < len(stores):
        # A store without this epoch begins with a whole file, which a reader can start from.
        position = replace(position, offset=0)
    reason = _broken(connect, facts, stores, prefix, epoch=epoch, position=position, names=names)
    if not reason:
        return Start(epoch, position, durable, ())
    new = Position(names[0], 0)
    gap = {"from": position.text, "to": new.text, "reason": reason, "detected_at": int(time.time())}
    body = json.dumps(gap, sort_keys=True).encode()
    parcel = Parcel(f"{epoch_folder(prefix, epoch + 1)}GAP.json", body, None, time.time(), 0.0)
    return Start(epoch + 1, new, {}, (parcel,))


def origin_of(prefix: str, epoch: int, file: str, beginning: bytes, arrived: float) -> Parcel:
    """The object that lets a later start recognise the file without decrypting a segment."""
    size = int.from_bytes(beginning[13:17], "little")
    body = json.dumps({"first_event_sha256": _digest(beginning[4 : 4 + size])}).encode()
    return Parcel(f"{file_folder(prefix, epoch, file)}ORIGIN.json", body, None, arrived, 0.0)


def _digest(event: bytes) -> str:
    return hashlib.sha256(event).hexdigest()


def _archived(stores: Sequence[Store], prefix: str) -> tuple[int, dict[str, Position]]:
    newest = max((max(epochs(store, prefix), default=0) for store in stores), default=0)
    ends = {store.name: newest_end(store, prefix, newest) for store in stores} if newest else {}
    return newest, {name: end for name, end in ends.items() if end}


def _broken(
    connect: Callable[[], Connection[Any]], facts: ServerFacts, stores: Sequence[Store], prefix: str, *,
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
    for store in stores:
        try:
            origin = json.loads(store.get(f"{file_folder(prefix, epoch, position.file)}ORIGIN.json"))
        except (ObjectMissing, StoreFailed):
            continue
        if origin.get("first_event_sha256") != _digest(event):
            return f"the server's {position.file} is another file of the same name"
    return ""
