"""The logical engine: SQL from the server's own dump tool, a part for each table, all tables in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines import dump
from bkpc_runtime.engines.accounts import (
    ACCOUNTS,
    Accounts,
    AccountStatement,
    read_accounts,
    write_accounts,
)
from bkpc_runtime.engines.engine import Server, Sink, Taken
from bkpc_runtime.engines.inventory import Contents, read_contents
from bkpc_runtime.engines.row_counts import RowCounter
from bkpc_runtime.engines.server_objects import ServerObjects, read_server_objects, write_server_objects
from bkpc_runtime.engines.split import Piece
from bkpc_runtime.engines.views import doubtful_views, ordered, views_using, write_view, write_views
from bkpc_runtime.errors import ServerFailed, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Position, current_position, read_facts, time_of
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.placement import lost_places
from bkpc_runtime.mysql.preflight_privileges import may_read_accounts
from bkpc_runtime.mysql.schemas import not_transactional, rounded_columns
from bkpc_runtime.mysql.tools import client_options
from bkpc_runtime.repository import manifest


class Logical:
    """See `engine.Engine`."""

    name: manifest.Engine = "logical"
    parent: manifest.Manifest | None = None

    def take(self, server: Server, sink: Sink) -> Taken:
        refuse_prepared(server.connection)
        before = read_contents(server.connection)
        flavour = server.facts.flavour
        objects = read_server_objects(server.connection, flavour, passwords=sink.encrypted)
        with client_options(server.address, flavour) as options:
            parts = _Parts(sink, RowCounter(flavour), server.connection)
            parts.objects(objects)
            snapshot = _write_tables(server, parts, options, before)
            # Read after the snapshot: what changed since then is in the log after it, and comes once more.
            accounts = _accounts(server, passwords=sink.encrypted)
            doubtful = _write_views(server, parts, before, accounts.statements, objects.functions)
        after = read_server_objects(server.connection, flavour, passwords=sink.encrypted)
        if read_contents(server.connection).stamp != before.stamp or after != objects:
            raise ToolFailed("the schema changed while the image was taken", retryable=True)
        lost = (*accounts.lost, *objects.lost, *_loose(server))
        rows = parts.counter.rows()
        contents = before.without_views(doubtful)
        return Taken(snapshot.position, snapshot.gtid, contents, lost, rows=rows, moment=parts.moment)


def _write_tables(server: Server, parts: _Parts, options: Path, contents: Contents) -> dump.Snapshot:
    """Schemas, tables and code; returns where they stand."""
    if not contents.schemas:
        found = _nothing(server)
        parts.see_moment()
        return found
    flavour = server.facts.flavour
    snapshot = dump.dump_tables(
        flavour, options, contents, parts.begin_piece, parts.write, log_bin=server.facts.log_bin
    )
    parts.begin("objects")
    dump.dump_objects(flavour, options, contents, parts.write)
    return snapshot


def _nothing(server: Server) -> dump.Snapshot:
    """Where a server without schemas stands, which the dump tool does not say of nothing. What is made meanwhile is
    found by the stamp of what is there."""
    if not server.facts.log_bin:
        return dump.Snapshot(Position("", 0), "")
    while True:
        position = current_position(server.connection, server.facts)
        gtid = read_facts(server.connection).gtid if server.facts.flavour == "mariadb" else ""
        if position == current_position(server.connection, server.facts):
            return dump.Snapshot(position, gtid)


def _write_views(
    server: Server,
    parts: _Parts,
    contents: Contents,
    accounts: Sequence[AccountStatement],
    functions: Sequence[str],
) -> frozenset[tuple[str, str]]:
    """Views, and accounts before them: who defines a view must be there, and must be allowed to use what it uses.

    Returns the views that may use things that are not there, such as loadable `functions`.
    """
    doubtful = doubtful_views(server.connection, contents) | views_using(server.connection, contents, functions)
    certain = {(one.schema, view) for one in contents.schemas for view in one.views} - doubtful
    parts.accounts([one for one in accounts if not one.on_one_of(certain | doubtful)])
    parts.begin("views")
    checking = write_views(server.connection, contents, parts.write, doubtful)
    parts.accounts([one for one in accounts if one.on_one_of(certain)])
    for schema, view in checking:
        parts.begin("check_option", schema, view)
        write_view(server.connection, schema, view, parts.write)
    for schema, view in ordered(server.connection, doubtful):
        parts.begin("doubtful", schema, view)
        write_view(server.connection, schema, view, parts.write)
    parts.accounts([one for one in accounts if one.on_one_of(doubtful)])
    return doubtful


def _accounts(server: Server, *, passwords: bool) -> Accounts:
    if not may_read_accounts(server.connection):
        return Accounts((), (f"{ACCOUNTS} (the backup's account may not read them: GRANT SELECT ON `mysql`.*)",))
    return read_accounts(server.connection, server.facts.flavour, passwords=passwords)


class _Parts:
    """Parts that load on their own: each begins with what its statements need."""

    def __init__(self, sink: Sink, counter: RowCounter, connection: Connection[Any]) -> None:
        self._sink, self.counter, self._connection = sink, counter, connection
        self.moment: datetime | None = None

    def write(self, chunk: bytes) -> None:
        self.counter.feed(chunk)
        self._sink.write(chunk)

    def begin(self, kind: manifest.PartKind, schema: str = "", table: str = "") -> None:
        self._sink.begin(kind, schema, table)
        self.counter.begin(schema, table if kind == "table" else "")
        self.write(dump.PROLOGUE.encode())

    def accounts(self, statements: Sequence[AccountStatement]) -> None:
        """A part of accounts, where there are any."""
        if statements:
            self.begin("accounts")
            write_accounts(statements, self.write)

    def objects(self, found: ServerObjects) -> None:
        """A part of what tables need of their server, where there is anything."""
        if found.objects:
            self.begin("server")
            write_server_objects(found.objects, self.write)

    def see_moment(self) -> None:
        """The snapshot has just been taken."""
        self.moment = self.moment or time_of(self._connection)

    def begin_piece(self, piece: Piece) -> None:
        # The dump tool writes its first bytes when it has its snapshot.
        self.see_moment()
        self.begin("table" if piece.table else "schema", piece.schema, piece.table)
        if piece.table:
            self.write(f"USE {quote(piece.schema)};\n".encode())


def refuse_prepared(connection: Connection[Any]) -> None:
    """A prepared XA transaction is in no snapshot, and its commit alone in the log can't be replayed."""
    try:
        prepared = query(connection, "XA RECOVER")
    except ServerFailed:  # MySQL tells only accounts with XA_RECOVER_ADMIN
        return
    if prepared:
        raise ToolFailed(
            "a prepared XA transaction is open: its rows would be in neither the image nor the log after it",
            help="XA RECOVER names it: commit it or roll it back",
            retryable=True,
        )


def _loose(server: Server) -> tuple[str, ...]:
    """What the image does not bring back as of its moment, or not to the last digit."""
    loose = [f"{schema}.{name}" for schema, name, _ in not_transactional(server.connection)]
    rows = f"one moment for tables without transactions (rows may be missing or twice): {', '.join(loose)}"
    rounded = rounded_columns(server.connection)
    digits = f"digits of FLOAT values beyond the sixth (DOUBLE keeps all): {', '.join(rounded)}"
    return (*([rows] if loose else []), *([digits] if rounded else []), *lost_places(server.connection))
