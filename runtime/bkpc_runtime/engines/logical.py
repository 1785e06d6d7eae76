"""The logical engine: SQL from the server's own dump tool, a part for each table, all tables in one snapshot."""

from __future__ import annotations

from pathlib import Path

from bkpc_runtime.engines import dump
from bkpc_runtime.engines.accounts import ACCOUNTS, other_settings, read_accounts, write_accounts
from bkpc_runtime.engines.engine import Server, Sink, Taken
from bkpc_runtime.engines.inventory import Contents, read_contents
from bkpc_runtime.engines.split import Piece
from bkpc_runtime.engines.views import doubtful_views, write_view, write_views
from bkpc_runtime.errors import ServerFailed, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.preflight_privileges import may_read_accounts
from bkpc_runtime.mysql.schemas import not_transactional
from bkpc_runtime.mysql.tools import client_options
from bkpc_runtime.repository import manifest


class Logical:
    """See `engine.Engine`."""

    name: manifest.Engine = "logical"
    parent: manifest.Manifest | None = None

    def take(self, server: Server, sink: Sink) -> Taken:
        _refuse_prepared(server)
        before = read_contents(server.connection)
        with client_options(server.address, server.facts.flavour) as options:
            parts = _Parts(sink)
            snapshot, doubtful = _write(server, parts, options, before)
            lost = _write_accounts(server, parts, passwords=sink.encrypted)
            for schema, view in sorted(doubtful):
                parts.begin("doubtful", schema, view)
                write_view(server.connection, schema, view, parts.write)
        if read_contents(server.connection).stamp != before.stamp:
            raise ToolFailed("the schema changed while the image was taken", retryable=True)
        return Taken(snapshot.position, snapshot.gtid, before.without_views(doubtful), (*lost, *_loose(server)))


def _write(
    server: Server, parts: _Parts, options: Path, contents: Contents
) -> tuple[dump.Snapshot, frozenset[tuple[str, str]]]:
    """Schemas and all that is certain to load; returns where it stands, and the views that are not."""
    flavour, connection = server.facts.flavour, server.connection
    snapshot = dump.dump_tables(
        flavour, options, contents, parts.begin_piece, parts.write, log_bin=server.facts.log_bin
    )
    parts.begin("objects")
    dump.dump_objects(flavour, options, contents, parts.write)
    doubtful = doubtful_views(connection, contents)
    parts.begin("views")
    write_views(connection, contents, parts.write, doubtful)
    return snapshot, doubtful


def _write_accounts(server: Server, parts: _Parts, *, passwords: bool) -> tuple[str, ...]:
    """Users, roles and grants; returns what is not in it.

    They are read after the snapshot: what changed since then is in the log after it, and comes once more.
    """
    if not may_read_accounts(server.connection):
        return (f"{ACCOUNTS} (the backup's account may not read them: GRANT SELECT ON `mysql`.*)",)
    accounts = read_accounts(server.connection, server.facts.flavour, passwords=passwords)
    parts.begin("accounts")
    write_accounts(accounts, parts.write)
    return (*accounts.lost, *other_settings(server.connection))


class _Parts:
    """Parts that load on their own: each begins with what its statements need."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.write = sink.write

    def begin(self, kind: manifest.PartKind, schema: str = "", table: str = "") -> None:
        self._sink.begin(kind, schema, table)
        self.write(dump.PROLOGUE.encode())

    def begin_piece(self, piece: Piece) -> None:
        self.begin("table" if piece.table else "schema", piece.schema, piece.table)
        if piece.table:
            self.write(f"USE {quote(piece.schema)};\n".encode())


def _refuse_prepared(server: Server) -> None:
    """A prepared XA transaction is in no snapshot, and its commit alone in the log can't be replayed."""
    try:
        prepared = query(server.connection, "XA RECOVER")
    except ServerFailed:  # MySQL tells only accounts with XA_RECOVER_ADMIN
        return
    if prepared:
        raise ToolFailed(
            "a prepared XA transaction is open: its rows would be in neither the image nor the log after it",
            help="XA RECOVER names it: commit it or roll it back",
            retryable=True,
        )


def _loose(server: Server) -> tuple[str, ...]:
    """What the image does not bring back as of its moment."""
    loose = [f"{schema}.{name}" for schema, name, _ in not_transactional(server.connection)]
    rows = f"one moment for tables without transactions (rows may be missing or twice): {', '.join(loose)}"
    return (rows,) if loose else ()
