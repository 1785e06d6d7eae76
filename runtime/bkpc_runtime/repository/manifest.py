"""What an image says of itself. Written last: an image exists when its manifest does."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import msgspec

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.repository.layout import is_image_id
from bkpc_runtime.transfer.sums import Sums

FORMAT_VERSION = 2
"""What is written. Version 1, whose `sums` have no `ranges`, is read as well."""
_READ = (1, FORMAT_VERSION)
_BINLOG = re.compile(r"[^/\\0]+\.\d{6,}")


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closed and frozen, fields by name."""


PartKind = Literal["server", "schema", "table", "objects", "views", "accounts", "check_option", "doubtful", "stream"]


class Part(_Record, frozen=True):
    """One object of the image; parts are loaded in their order.

    `kind`: `server` (what tables need of the server itself: tablespaces, spatial reference systems, servers, loadable
    functions; made where they are not there), `schema` (CREATE DATABASE and sequences), `table` (structure and rows),
    `objects` (routines, triggers, events), `views`, `accounts` (users, roles and grants; restored apart),
    `check_option` (one view once more, now with its WITH CHECK OPTION: it may fail), `doubtful` (one view, which may
    use things that are not there: it may fail); `stream`: a piece of the one stream that a physical image is.
    """

    name: str
    kind: PartKind
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


Engine = Literal["logical", "mariabackup", "clone", "xtrabackup"]


class Manifest(_Record, frozen=True, omit_defaults=True):
    """An image. Times are ISO 8601 in UTC; `position` is where the log continues it.

    `binlog_origin`: SHA-256 of the first event of `binlog_file`, which tells files of one name apart; empty where
    the account may not read the log.

    An `incremental` image holds what changed since `parent`, another image beside it (a full one, or incremental
    itself): the pages that InnoDB changed from `from_lsn` on. `to_lsn` of a physical image is where the next
    incremental begins. `inventory_loose`: objects came or went while the image was taken; `inventory` has those that
    were there before and after. `rows`: of each table by schema, as far as they are known; where `rows_estimated`, not
    to the last one, but none is none. `snapshot`: when it was taken by the server's own clock, as its log tells times;
    empty: nothing told.
    """

    format_version: int
    id: str
    database: str
    identity: str
    kind: Literal["full", "incremental"]
    engine: Engine
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
    parent: str = ""
    from_lsn: int = 0
    to_lsn: int = 0
    inventory_loose: bool = False
    rows: dict[str, dict[str, int]] = {}
    rows_estimated: bool = False
    snapshot: str = ""

    @property
    def physical(self) -> bool:
        """Whether it is a server's files, which go into a data directory, and not SQL."""
        return self.engine != "logical"

    @property
    def tables(self) -> int:
        """As bounds count them: its objects of a table, a schema or a view alone; one at least."""
        return max(1, sum(part.kind in {"table", "schema", "check_option", "doubtful"} for part in self.parts))

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
    if manifest.format_version not in _READ:
        read = " and ".join(map(str, _READ))
        raise DamagedBackup(f"{key} has format version {manifest.format_version}, this bkpc reads {read}")
    return manifest


def _wrong(manifest: Manifest) -> str:
    """What is no time or no position where one must be."""
    for name in ("began", "finished", "snapshot"):
        if name == "snapshot" and not manifest.snapshot:
            continue
        try:
            if datetime.fromisoformat(getattr(manifest, name)).tzinfo is None:
                return f"`{name}` has no time zone"
        except ValueError:
            return f"`{name}` is not a time"
    if manifest.binlog_offset < 0 or (manifest.binlog_file and not _BINLOG.fullmatch(manifest.binlog_file)):
        return "it names no position in a binlog"
    return _wrong_chain(manifest)


def _wrong_chain(manifest: Manifest) -> str:
    """A parent where there must be none, or none where one must be; ids grow, so that no chain is a circle."""
    if manifest.kind == "full":
        return "a full image names a parent" if manifest.parent else ""
    if not is_image_id(manifest.parent) or manifest.parent >= manifest.id:
        return f"an incremental image names no parent before it, but {manifest.parent!r}"
    return ""
