"""Physical images by `mariabackup` or `xtrabackup`: the server's data files, and the redo log written meanwhile.

Both are children of one program and are called alike. Only `mariabackup` is tested here: `xtrabackup` exists for no
version of MySQL that the tests can install.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bkpc_runtime.engines.engine import Server, Sink, Taken
from bkpc_runtime.engines.inventory import read_contents, there_throughout
from bkpc_runtime.engines.process import Program
from bkpc_runtime.engines.row_counts import estimated_rows
from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour, Position, time_of
from bkpc_runtime.mysql.placement import lost_places
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.repository import manifest
from bkpc_runtime.temporary_folder import temporary_folder

PART_BYTES = 1 << 30
"""A part of the stream, before compression: what a broken copy has to send again, at most."""
Name = Literal["mariabackup", "xtrabackup"]
FLAVOURS: dict[Name, Flavour] = {"mariabackup": "mariadb", "xtrabackup": "mysql"}
STREAMS: dict[Name, str] = {"mariabackup": "mbstream", "xtrabackup": "xbstream"}
_DONE = "completed OK!"
_POSITION = re.compile(
    r"^binlog_pos = filename '([^']+)', position '(\d+)'(?:, GTID of the last change '([^']*)')?", re.MULTILINE
)
_ALLOCATED = {
    "mariadb": "SELECT SUM(LEAST(file_size, allocated_size)) FROM information_schema.innodb_sys_tablespaces",
    "mysql": "SELECT SUM(LEAST(file_size, allocated_size)) FROM information_schema.innodb_tablespaces",
}


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What the tool says of the stretch of InnoDB's log that an image covers."""

    kind: str
    from_lsn: int
    to_lsn: int
    last_lsn: int


@dataclass(frozen=True, slots=True)
class PageCopy:
    """See `engine.Engine`: a full image, or what has changed since `parent`."""

    name: Name
    parent: manifest.Manifest | None = None

    def take(self, server: Server, sink: Sink) -> Taken:
        before, floor = read_contents(server.connection), allocated(server)
        with (
            client_options(server.address, server.facts.flavour) as options,
            tempfile.TemporaryDirectory(prefix="bkpc-", dir=temporary_folder()) as notes,
        ):
            size = self._stream(options, Path(notes), sink)
            # It copies pages first: its snapshot is of the end.
            moment = time_of(server.connection)
            points = read_checkpoints(Path(notes))
            position, gtid = _position(Path(notes), log_bin=server.facts.log_bin)
        self._check(points)
        after = read_contents(server.connection)
        # Half: a table may have been dropped or shrunk while its pages were read.
        least = min(floor, allocated(server)) // 2
        if self.parent is None and size < least:
            raise ToolFailed(f"{self.name} gave {size:,} bytes of a server that holds at least {least:,}")
        contents, loose = there_throughout(before, after)
        rows = estimated_rows(server.connection, server.facts.flavour)
        lsn, lost = (points.from_lsn, points.to_lsn), lost_places(server.connection)
        return Taken(position, gtid, contents, lost, loose=loose, lsn=lsn, rows=rows, moment=moment)

    def _stream(self, options: Path, notes: Path, sink: Sink) -> int:
        """The tool's bytes in parts; returns how many."""
        with Program(self._command(options, notes)) as program:
            size = in_parts(program, sink)
            program.finish()
            # It has been seen to end with status 0 without having done all.
            if not program.complaints().endswith(_DONE):
                raise ToolFailed(f"{self.name} did not say that it is done: {program.complaints()[-500:]}")
        return size

    def _command(self, options: Path, notes: Path) -> list[str]:
        command = [
            find_tool(FLAVOURS[self.name], self.name),
            f"--defaults-file={options}",
            "--backup",
            f"--stream={STREAMS[self.name]}",
            f"--extra-lsndir={notes}",
            f"--target-dir={notes}",
        ]
        return [*command, f"--incremental-lsn={self.parent.to_lsn}"] if self.parent else command

    def _check(self, points: Checkpoints) -> None:
        wanted = ("incremental", self.parent.to_lsn) if self.parent else ("full-backuped", 0)
        if (points.kind, points.from_lsn) != wanted or not points.from_lsn <= points.to_lsn <= points.last_lsn:
            raise ToolFailed(
                f"{self.name} made an image of kind {points.kind!r} from LSN {points.from_lsn} to {points.to_lsn}, "
                f"which is not what it was asked for: {wanted[0]} from {wanted[1]}"
            )


def in_parts(program: Program, sink: Sink) -> int:
    """All that a program prints, as parts of one stream; returns how many bytes."""
    size = begun = 0
    for chunk in program.chunks():
        if size == 0 or begun >= PART_BYTES:
            sink.begin("stream")
            begun = 0
        sink.write(chunk)
        size += len(chunk)
        begun += len(chunk)
    return size


def allocated(server: Server) -> int:
    """Bytes of InnoDB's files as the server knows them."""
    return int(query(server.connection, _ALLOCATED[server.facts.flavour])[0][0] or 0)


def _note(notes: Path, name: str) -> str:
    """A note of the tool; newer ones of MariaDB begin their names otherwise."""
    for path in (notes / f"xtrabackup_{name}", notes / f"mariadb_backup_{name}"):
        if path.exists():
            return path.read_text(errors="surrogateescape")
    raise ToolFailed(f"the image lacks the tool's own note of its {name}")


def read_checkpoints(notes: Path) -> Checkpoints:
    """The tool's checkpoints in a folder.

    Raises:
        ToolFailed: there are none, or they can't be read.
    """
    lines = [line.partition("=") for line in _note(notes, "checkpoints").splitlines()]
    values = {name.strip(): value.strip() for name, _, value in lines}
    try:
        lsn = [int(values[name]) for name in ("from_lsn", "to_lsn", "last_lsn")]
        return Checkpoints(values["backup_type"], *lsn)
    except (KeyError, ValueError):
        raise ToolFailed("the tool's note of its checkpoints can't be read") from None


def _position(notes: Path, *, log_bin: bool) -> tuple[Position, str]:
    """Where the image itself stands, in the tool's own words: asked later, the server would be further."""
    found = _POSITION.search(_note(notes, "info"))
    if not found:
        if log_bin:
            raise ToolFailed("the tool tells no binlog position, though the server writes a binary log")
        return Position("", 0), ""
    return Position(Path(found[1]).name, int(found[2])), (found[3] or "").replace("\n", "")
