"""Physical full images of MySQL by its CLONE plugin: the server copies its files, and a server of ours recovers them.

Only a server that has started on a clone knows where in the log it stands. That it starts is proved by the way, and a
restore has nothing left to prepare.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bkpc_runtime.engines.engine import Server, Sink, Taken
from bkpc_runtime.engines.inventory import read_contents, there_throughout
from bkpc_runtime.engines.page_copy import allocated, in_parts
from bkpc_runtime.engines.process import Program
from bkpc_runtime.engines.row_counts import estimated_rows
from bkpc_runtime.errors import BadUsage, ToolFailed
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.mysql.identifiers import literal
from bkpc_runtime.mysql.schemas import not_transactional
from bkpc_runtime.mysql.scratch_server import server_over
from bkpc_runtime.repository import manifest

FOLDER_VARIABLE = "BKPC_CLONE_FOLDER"
_NAME = "bkpc-clone-"
_HOURS = 48 * 3600
_OWN = ("./auto.cnf", "./#innodb_temp", "./#clone")
"""What a server makes for itself: its identity, and notes of the cloning."""


class Clone:
    """See `engine.Engine`. Full images only."""

    name: manifest.Engine = "clone"
    parent: manifest.Manifest | None = None

    def take(self, server: Server, sink: Sink) -> Taken:
        before, floor = read_contents(server.connection), allocated(server)
        _refuse_others(server)
        with _folder(server.facts) as folder:
            _clone(server, folder / "data")
            (position, gtid), moment = _recovered(server, folder)
            size = _stream(folder / "data", sink)
        _refuse_others(server)
        after = read_contents(server.connection)
        # Half: a table may have been dropped or shrunk while its pages were read.
        least = min(floor, allocated(server)) // 2
        if size < least:
            raise ToolFailed(f"CLONE gave {size:,} bytes of a server that holds at least {least:,}")
        contents, loose = there_throughout(before, after)
        rows = estimated_rows(server.connection, server.facts.flavour)
        return Taken(position, gtid, contents, loose=loose, rows=rows, moment=moment)


def _refuse_others(server: Server) -> None:
    """CLONE copies the rows of InnoDB's tables only; others come back empty without a word."""
    others = [f"{schema}.{name} ({engine})" for schema, name, engine in not_transactional(server.connection)]
    if others:
        raise ToolFailed(
            f"CLONE leaves out the rows of {', '.join(others[:5])}",
            help="ALTER TABLE … ENGINE = InnoDB, or take logical images: `by logical`",
        )


def place(facts: ServerFacts) -> Path:
    """The folder beside which the server clones itself: the one that BKPC_CLONE_FOLDER names, or the data folder's."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(facts.variable("datadir")).parent


@contextmanager
def _folder(facts: ServerFacts) -> Iterator[Path]:
    """A new folder that the server may write into; what earlier tries left beside it goes first."""
    above = place(facts)
    try:
        for old in above.glob(f"{_NAME}*"):  # there is one writer: nobody is at these
            shutil.rmtree(old)
        folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=above))
    except OSError as problem:
        raise BadUsage(f"no folder can be made in {above} to clone into: {problem.strerror}") from problem
    try:
        owner = Path(facts.variable("datadir")).stat()
        if owner.st_uid != os.geteuid():
            os.chown(folder, owner.st_uid, owner.st_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clone(server: Server, data: Path) -> None:
    connection = connect(server.address, read_timeout=_HOURS)
    try:
        query(connection, f"CLONE LOCAL DATA DIRECTORY = {literal(str(data))}")
    finally:
        connection.close()


def _recovered(server: Server, folder: Path) -> tuple[tuple[Position, str], datetime | None]:
    """Starts a server over the clone, asks where it stands and since when, and stops it."""
    variables = dict(server.facts.variables)
    with server_over(server.facts.flavour, folder, variables, {"performance_schema": "ON"}) as over:
        connection = connect(over.address)
        try:
            asked = "SELECT state, binlog_file, binlog_position, gtid_executed FROM performance_schema.clone_status"
            rows = query(connection, asked)
            # What is written until InnoDB's log is copied is in the clone.
            ended = "SELECT MAX(end_time) FROM performance_schema.clone_progress WHERE stage = 'REDO COPY'"
            moment = query(connection, ended)[0][0]
        finally:
            connection.close()
    if not rows or rows[0][0] != "Completed":
        raise ToolFailed(f"the cloned server does not say that it is whole: {rows[0][0] if rows else 'nothing'}")
    _, file, offset, gtid = rows[0]
    taken = moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None
    if not server.facts.log_bin:
        return (Position("", 0), ""), taken
    if not file:
        raise ToolFailed("the cloned server tells no binlog position, though its source writes a binary log")
    return (Position(Path(str(file)).name, int(offset)), str(gtid or "").replace("\n", "")), taken


def _stream(data: Path, sink: Sink) -> int:
    left_out = [f"--exclude={one}" for one in _OWN]
    command = ["tar", "--create", "--file=-", "--sort=name", "--anchored", *left_out, f"--directory={data}", "."]
    with Program(command) as program:
        size = in_parts(program, sink)
        program.finish()
    return size
