"""Where a server's log goes on in another server's: one small object beside the log that ends.

    <database>/<server>/logs/<epoch>/JOIN/<epoch there>.<server there>.json

Up to `position` the log of the one holds exactly `gtids`. The other's, from the beginning of `file` on, holds all that
it had executed besides; what of it is in `gtids` comes a second time, and is left out. The last of that ends at
`passed`: before it the server held less than the first log does. Epochs grow from one to the next, so that an epoch
tells which comes later.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.binlog.gtid_marks import after
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import NONE, Gtids, parse_gtids, writers
from bkpc_runtime.repository import segments
from bkpc_runtime.repository.log_names import told
from bkpc_runtime.repository.segments import archived_file, epoch_folder, file_folder, files, gtids_before
from bkpc_runtime.stores.store import Store

FORMAT_VERSION = 1
_NONE = "none"
_JOINS, _LEFT = "JOIN", "LEFT"


@dataclass(frozen=True, slots=True)
class Join:
    """The log of `prefix` and `epoch` ends at `end`, and goes on in `epoch_there` of `prefix_there`."""

    prefix: str
    epoch: int
    end: Position
    prefix_there: str
    epoch_there: int
    file: str
    gtids: Gtids
    passed: Position
    joined_at: int

    @property
    def key(self) -> str:
        there = self.prefix_there.rpartition("/")[2]
        return f"{_folder(self.prefix, self.epoch)}{self.epoch_there:06d}.{there}.json"

    @property
    def position(self) -> Position:
        """What is to be read next: the file from its beginning."""
        return Position(self.file, 0)

    def body(self) -> bytes:
        told = {
            "format_version": FORMAT_VERSION,
            "position": self.end.text,
            "server": self.prefix_there.rpartition("/")[2],
            "epoch": self.epoch_there,
            "file": self.file,
            "gtids": self.gtids.text or _NONE,
            "passed": self.passed.text,
            "joined_at": self.joined_at,
        }
        return json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """Where the log of another server ends in a store; `gtids`: what is executed there; None: nothing tells.

    `writers`: of MariaDB, domain and server of what it is known to hold.
    """

    prefix: str
    epoch: int
    end: Position
    gtids: Gtids | None
    writers: frozenset[tuple[str, str]] = frozenset()

    @property
    def server(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def text(self) -> str:
        return f"the log of server {self.server}, which ends at {self.end.text},"


def ended_at(store: Store, prefix: str, epoch: int) -> Ended | None:
    """Where the log of an epoch ends, by names alone; None: it has none."""
    own = prefix.rpartition("/")[2]
    for file in reversed(files(store, prefix, epoch)):
        archived = archived_file(store, prefix, epoch, file)
        if archived.boundary:
            whole = sorted((one.end, one.start, one.gtids) for one in archived.segments if one.end <= archived.reach)
            before = gtids_before(store, prefix, epoch, file)
            gtids = after(before, [mark for _, _, mark in whole], own) if before else None
            told_of = writers(",".join([before, *(mark.replace("_", ",") for _, _, mark in whole)]))
            return Ended(prefix, epoch, Position(file, archived.boundary), gtids, told_of)
    return None


def begun(store: Store, join: Join) -> bool:
    """Whether there is log at the place where another goes on."""
    return bool(files(store, join.prefix_there, join.epoch_there))


def _folder(prefix: str, epoch: int) -> str:
    return f"{epoch_folder(prefix, epoch)}{_JOINS}/"


def joins_of(store: Store, prefix: str, epoch: int) -> list[Join]:
    """Where the log of an epoch goes on, the newest last.

    Raises:
        DamagedBackup: what says so is not what this program writes.
    """
    folder = _folder(prefix, epoch)
    if _JOINS not in segments.folders(store, prefix, epoch):
        return []

    def ask() -> Iterator[str]:
        for one in store.list(folder):
            yield f"{one.key}\n{store.get(one.key).decode(errors='replace')}"

    found = (one.partition("\n") for one in sorted(told(store, folder, ask)))
    return [_decoded(document, key, prefix, epoch) for key, _, document in found]


def _decoded(document: str, key: str, prefix: str, epoch: int) -> Join:
    try:
        said = json.loads(document)
        if said["format_version"] != FORMAT_VERSION:
            raise DamagedBackup(f"{key} has format version {said['format_version']}, this bkpc reads {FORMAT_VERSION}")
        end, passed = (_position(str(said[one])) for one in ("position", "passed"))
        gtids = NONE if said["gtids"] == _NONE else parse_gtids(str(said["gtids"]))
        there = f"{prefix.rpartition('/')[0]}/{said['server']}"
        join = Join(
            prefix, epoch, end, there, int(said["epoch"]), str(said["file"]), gtids or NONE, passed,
            int(said["joined_at"]),
        )  # fmt: skip
        # What is read next must lie where this program writes.
        file_folder(prefix, epoch, end.file)
        file_folder(there, join.epoch_there, join.file)
        if gtids is None or join.key != key or join.epoch_there <= epoch or "/" in str(said["server"]):
            raise ValueError(key)
    except (ValueError, KeyError, TypeError) as problem:
        raise DamagedBackup(
            f"{key} does not say where a log goes on: it was changed",
            help="without it, images of that server are followed by its own log alone: remove it to restore from there",
        ) from problem
    return join


def _position(text: str) -> Position:
    file, _, offset = text.rpartition(":")
    return Position(file, int(offset))


def leave(store: Store, ended: Ended, prefix: str, epoch: int, reason: str) -> None:
    """Notes that a log was left where it ends, for that of a server which went on by itself: an image of that, taken
    later, misses nothing by it."""
    key = f"{epoch_folder(ended.prefix, ended.epoch)}{_LEFT}/{epoch:06d}.{prefix.rpartition('/')[2]}.json"
    told = {"format_version": FORMAT_VERSION, "position": ended.end.text, "reason": reason, "left_at": int(time.time())}
    if ended.end.text not in left_at(store, ended.prefix, ended.epoch):
        store.put(key, json.dumps(told, indent=2, sort_keys=True).encode() + b"\n")


def left_at(store: Store, prefix: str, epoch: int) -> set[str]:
    """Where a log was left for that of another server."""
    found = set()
    folder = f"{epoch_folder(prefix, epoch)}{_LEFT}/"
    for one in store.list(folder) if _LEFT in segments.folders(store, prefix, epoch) else ():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found.add(str(json.loads(store.get(one.key))["position"]))
    return found
