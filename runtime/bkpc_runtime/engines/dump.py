"""The logical engine: a full image through the server's own dump tool, all tables in one snapshot."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bkpc_runtime.engines.inventory import Contents
from bkpc_runtime.engines.process import Program
from bkpc_runtime.engines.split import Piece, Splitter
from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.flavour import Flavour, Position
from bkpc_runtime.mysql.tools import find_tool

_POSITION = re.compile(
    rb"^-- CHANGE (?:MASTER|REPLICATION SOURCE) TO "
    rb"(?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)",
    re.MULTILINE,
)
_MARIADB_GTID = re.compile(rb"^-- SET GLOBAL gtid_slave_pos='([^']*)'", re.MULTILINE)

PROLOGUE = """\
/* Written by bkpc: this part loads on its own into a server of the same flavour. */
SET NAMES utf8mb4;
SET SESSION time_zone = '+00:00';
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_DIR_IN_CREATE';
SET SESSION foreign_key_checks = 0;
SET SESSION unique_checks = 0;
"""
"""What comes before the dump tool's own text in every part. Files of tables stay in the data directory: where they lay
on the source (DATA DIRECTORY) its own may still lie."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where in the binlog the rows of an image stand."""

    position: Position
    gtid: str


def _command(flavour: Flavour, options: Path, *more: str) -> list[str]:
    return [
        find_tool(flavour, "dump"),
        f"--defaults-file={options}",
        "--default-character-set=utf8mb4",
        "--no-tablespaces",
        "--max-allowed-packet=1G",
        *more,
    ]


def _without_views(contents: Contents) -> list[str]:
    return [f"--ignore-table={one.schema}.{view}" for one in contents.schemas for view in one.views]


def expected_pieces(contents: Contents) -> list[Piece]:
    """Every schema, and every table that has rows of its own."""
    pieces = [Piece(one.schema, "") for one in contents.schemas]
    pieces += [
        Piece(one.schema, table)
        for one in contents.schemas
        for table in one.tables
        if (one.schema, table) not in contents.sequences
    ]
    return pieces


def dump_tables(
    flavour: Flavour,
    options: Path,
    contents: Contents,
    begin: Callable[[Piece], None],
    write: Callable[[bytes], None],
    *,
    log_bin: bool,
) -> Snapshot:
    """All tables in one snapshot, streamed once; `begin` is called before the bytes of each piece.

    Without a binary log (`log_bin`) the snapshot has no position.

    Raises:
        ToolFailed: the tool failed, stopped early, or the schema changed meanwhile (retryable).
    """
    position = ["--master-data=2", "--gtid"] if flavour == "mariadb" else ["--source-data=2"]
    others = ["--dump-history"] if contents.versioned else []
    others += [] if flavour == "mariadb" else ["--set-gtid-purged=OFF"]
    command = _command(
        flavour, options, "--single-transaction", "--quick", "--hex-blob", "--skip-triggers", "--skip-add-locks",
        *(position if log_bin else []), *others, *_without_views(contents),
        "--databases", *(one.schema for one in contents.schemas),
    )  # fmt: skip
    splitter = Splitter(expected_pieces(contents), begin, write)
    with Program(command) as program:
        for chunk in program.chunks():
            splitter.feed(chunk)
        program.finish()
    splitter.finish()
    if not log_bin:
        return Snapshot(Position("", 0), "")
    found = _POSITION.search(splitter.prologue)
    if not found:
        raise ToolFailed("the dump names no binlog position: is the binary log on?", help="set log_bin and restart")
    gtid = _MARIADB_GTID.search(splitter.prologue)
    return Snapshot(Position(found[1].decode(), int(found[2])), gtid[1].decode() if gtid else "")


def dump_objects(flavour: Flavour, options: Path, contents: Contents, write: Callable[[bytes], None]) -> None:
    """Routines, triggers and events of all schemas."""
    command = _command(
        flavour, options, "--no-data", "--no-create-info", "--no-create-db", "--routines", "--events", "--triggers",
        "--skip-add-locks", "--skip-lock-tables", *_without_views(contents),
        "--databases", *(one.schema for one in contents.schemas),
    )  # fmt: skip
    if flavour == "mysql":
        command.insert(2, "--set-gtid-purged=OFF")
    with Program(command) as program:
        last = b""
        for chunk in program.chunks():
            write(chunk)
            last = (last + chunk)[-200:]
        program.finish()
    if b"\n-- Dump completed" not in last:
        raise ToolFailed(f"{program.name} stopped before it was done", retryable=True)
