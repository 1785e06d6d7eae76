"""What an image says of itself. Written last: an image exists when its manifest does."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import msgspec

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.transfer.sums import Sums

FORMAT_VERSION = 1
_BINLOG = re.compile(r"[^/\\0]+\.\d{6,}")


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closed and frozen, fields by name."""


class Part(_Record, frozen=True):
    """One object of the image; parts are loaded in their order.

    `kind`: `schema` (CREATE DATABASE and sequences), `table` (structure and rows), `objects` (routines,
    triggers, events), `views`, `doubtful` (one view, which may use things that are not there: it may fail).
    """

    name: str
    kind: Literal["schema", "table", "objects", "views", "doubtful"]
    schema: str
    table: str
    sums: Sums


class Inventory(_Record, frozen=True):
    """The names of all objects of one schema, sorted; compared after a restore."""

    schema: str
    tables: tuple[str, ...]
    views: tuple[str, ...]
    triggers: tuple[str, ...]
    routines: tuple[str, ...]
    events: tuple[str, ...]


class Manifest(_Record, frozen=True):
    """An image. Times are ISO 8601 in UTC; `position` is where the log continues it.

    `binlog_origin`: SHA-256 of the first event of `binlog_file`, which tells files of one name apart; empty where
    the account may not read the log.
    """

    format_version: int
    id: str
    database: str
    identity: str
    kind: Literal["full"]
    engine: Literal["logical"]
    flavour: Literal["mysql", "mariadb"]
    server_version: str
    variables: dict[str, str]
    binlog_file: str
    binlog_offset: int
    binlog_origin: str
    gtid: str
    encrypted: bool
    parts: tuple[Part, ...]
    inventory: tuple[Inventory, ...]
    sequences: tuple[str, ...]
    not_included: tuple[str, ...]
    began: str
    finished: str

    @property
    def stored_size(self) -> int:
        return sum(part.sums.stored_size for part in self.parts)

    @property
    def plain_size(self) -> int:
        return sum(part.sums.plain_size for part in self.parts)


def encode_manifest(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(document: bytes, key: str) -> Manifest:
    """The manifest stored under `key`.

    Raises:
        DamagedBackup: it is not a manifest this version can read.
    """
    try:
        manifest = msgspec.json.decode(document, type=Manifest)
    except msgspec.MsgspecError as problem:
        raise DamagedBackup(f"{key} is not a manifest this version can read: {problem}") from problem
    wrong = _wrong(manifest)
    if wrong:
        raise DamagedBackup(f"{key} is not a manifest this version can read: {wrong}")
    if manifest.format_version != FORMAT_VERSION:
        raise DamagedBackup(f"{key} has format version {manifest.format_version}, this bkpc reads {FORMAT_VERSION}")
    return manifest


def _wrong(manifest: Manifest) -> str:
    """What is no time or no position where one must be."""
    for name in ("began", "finished"):
        try:
            if datetime.fromisoformat(getattr(manifest, name)).tzinfo is None:
                return f"`{name}` has no time zone"
        except ValueError:
            return f"`{name}` is not a time"
    if manifest.binlog_offset < 0 or (manifest.binlog_file and not _BINLOG.fullmatch(manifest.binlog_file)):
        return "it names no position in a binlog"
    return ""
