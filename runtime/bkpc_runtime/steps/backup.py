"""Taking a full image: dump, split, compress, seal, store; the manifest last."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines import dump
from bkpc_runtime.engines.inventory import Contents, read_contents
from bkpc_runtime.engines.split import Piece
from bkpc_runtime.engines.views import doubtful_views, write_view, write_views
from bkpc_runtime.errors import PolicyBroken, Refused, ServerFailed, StoreFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.preflight import privileges
from bkpc_runtime.mysql.schemas import not_transactional
from bkpc_runtime.mysql.tools import client_options
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.manifest import FORMAT_VERSION, Manifest, Part, encode_manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import ObjectWriter, Store
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.throttle import Throttle

log = logging.getLogger(__name__)
_ATTEMPTS = 3
_KEPT_VARIABLES = (
    "version", "max_allowed_packet", "character_set_server", "collation_server", "sql_mode",
    "lower_case_table_names", "time_zone",
    "system_time_zone", "gtid_mode", "gtid_domain_id", "server_id", "binlog_format", "binlog_row_image",
)  # fmt: skip
NOT_INCLUDED = ("user accounts, roles and grants",)
"""What an image of this version does not bring back; `restore` says so first."""


@dataclass(frozen=True, slots=True)
class Source:
    """A server to back up: how to log in, and the name it has in the policy."""

    database: str
    address: Address
    password: Secret


Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is coming (bytes), how fast it may go (bytes per second), and what time it is."""

    expected_size: int
    limit: int | None
    clock: Clock


def take_full_image(
    source: Source,
    stores: Sequence[Store],
    recipients: Sequence[str],
    *,
    expected_size: int,
    limit: int | None = None,
    clock: Clock = lambda: datetime.now(UTC),
) -> Manifest:
    """A full image of all schemas in every one of `stores`.

    `expected_size` in bytes picks part sizes; `limit` in bytes per second. The image is visible once its
    manifest is; a failure leaves parts without a manifest, which nothing ever reads.

    Raises:
        PolicyBroken: the account may not see everything.
        Refused: another backup of this server is running.
        ToolFailed: the dump failed, or the schema changed during each of three attempts.
    """
    connection = connect(source.address, source.password)
    try:
        facts = read_facts(connection)
        for lacking in privileges(connection, facts, stream=False):
            # What an account may not see would be missing from the image without a word.
            raise PolicyBroken(f"`{source.database}`: {lacking.text}", help=lacking.mend[0])
        with _one_writer(connection, source):
            for attempt in range(1, _ATTEMPTS + 1):
                writing = _Writing(source, facts, stores, tuple(recipients), Pace(expected_size, limit, clock))
                try:
                    return writing.run(connection)
                except ToolFailed as problem:
                    if not problem.retryable or attempt == _ATTEMPTS:
                        raise
                    log.warning("image of %s, attempt %d: %s", source.database, attempt, problem)
    finally:
        connection.close()
    raise AssertionError("every attempt returns or raises")


class _one_writer:  # noqa: N801 - reads as the block it opens
    """`GET_LOCK` on the protected server itself: it needs no lock service, and dies with the connection."""

    def __init__(self, connection: Connection[Any], source: Source) -> None:
        self._connection, self._source = connection, source

    def __enter__(self) -> None:
        if query(self._connection, "SELECT GET_LOCK('bkpc backup', 0)")[0][0] != 1:
            raise Refused(
                f"another backup of `{self._source.database}` is running on its server",
                help="wait for it, or end its connection: it holds the lock 'bkpc backup'",
            )
        # The dump runs long beside this idle connection, which must outlive it.
        query(self._connection, "SET SESSION wait_timeout = 31536000")

    def __exit__(self, *_: object) -> None:
        return None


class _Writing:
    """One attempt at one image."""

    def __init__(
        self,
        source: Source,
        facts: ServerFacts,
        stores: Sequence[Store],
        recipients: tuple[str, ...],
        pace: Pace,
    ) -> None:
        self.source, self.facts, self.stores, self.recipients = source, facts, stores, recipients
        self.expected_size, self.clock = pace.expected_size, pace.clock
        self.limit = pace.limit
        self.throttle = Throttle(pace.limit) if pace.limit else None
        self.began = pace.clock()
        self.id = layout.new_image_id(self.began)
        self.prefix = layout.prefix_of(source.database, facts.identity)
        self.parts: list[Part] = []
        self.open: _OpenPart | None = None

    def run(self, connection: Connection[Any]) -> Manifest:
        self.refuse_prepared(connection)
        before = read_contents(connection)
        try:
            with client_options(self.source.address, self.facts.flavour) as options:
                flavour = self.facts.flavour
                snapshot = dump.dump_tables(
                    flavour, options, before, self.begin_piece, self.write, log_bin=self.facts.log_bin
                )
                self.begin("objects", "", "")
                dump.dump_objects(flavour, options, before, self.write)
                doubtful = doubtful_views(connection, before)
                self.begin("views", "", "")
                write_views(connection, before, self.write, doubtful)
                for schema, view in sorted(doubtful):
                    self.begin("doubtful", schema, view)
                    write_view(connection, schema, view, self.write)
                self.end_part()
        finally:
            if self.open:
                self.open.abort()
        if read_contents(connection).stamp != before.stamp:
            raise ToolFailed("the schema changed while the image was taken", retryable=True)
        return self.conclude(before.without_views(doubtful), snapshot, self.left_out(connection))

    def refuse_prepared(self, connection: Connection[Any]) -> None:
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

    def begin_piece(self, piece: Piece) -> None:
        self.begin("table" if piece.table else "schema", piece.schema, piece.table)
        if piece.table:
            self.write(f"USE {quote(piece.schema)};\n".encode())

    def begin(self, kind: str, schema: str, table: str) -> None:
        self.end_part()
        name = layout.part_name(len(self.parts) + 1, encrypted=bool(self.recipients))
        self.open = _OpenPart(self, name, (kind, schema, table))
        self.write(dump.PROLOGUE.encode())

    def write(self, chunk: bytes) -> None:
        assert self.open is not None
        self.open.outbound.write(chunk)

    def end_part(self) -> None:
        if self.open:
            self.parts.append(self.open.finish())
            self.open = None

    def origin(self, file: str) -> str:
        """What tells the snapshot's binlog from another of its name."""
        if not file:
            return ""
        connection = connect(self.source.address, self.source.password)
        try:
            return hashlib.sha256(first_event(connection, self.facts, file)).hexdigest()
        except ServerFailed as problem:
            log.info("the first event of %s can't be read: %s", file, problem)
            return ""
        finally:
            connection._force_close()  # type: ignore[attr-defined]  # the server goes on sending

    def left_out(self, connection: Connection[Any]) -> tuple[str, ...]:
        """What this image does not bring back, or not as of its moment."""
        loose = [f"{schema}.{name}" for schema, name, _ in not_transactional(connection)]
        rows = f"one moment for tables without transactions (rows may be missing or twice): {', '.join(loose)}"
        return (*NOT_INCLUDED, *([rows] if loose else []))

    def conclude(self, contents: Contents, snapshot: dump.Snapshot, not_included: tuple[str, ...]) -> Manifest:
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            id=self.id,
            database=self.source.database,
            identity=self.facts.identity,
            kind="full",
            engine="logical",
            flavour=self.facts.flavour,
            server_version=self.facts.version_text,
            variables={name: self.facts.variable(name) for name in _KEPT_VARIABLES},
            binlog_file=snapshot.position.file,
            binlog_offset=snapshot.position.offset,
            binlog_origin=self.origin(snapshot.position.file),
            gtid=snapshot.gtid,
            encrypted=bool(self.recipients),
            parts=tuple(self.parts),
            inventory=contents.schemas,
            sequences=tuple(sorted(f"{schema}.{name}" for schema, name in contents.sequences)),
            not_included=not_included,
            began=self.began.isoformat(),
            finished=self.clock().isoformat(),
        )
        for store in self.stores:
            for part in self.parts:
                _verify_size(store, layout.part_key(self.prefix, self.id, part.name), part.sums.stored_size)
            store.put(layout.manifest_key(self.prefix, self.id), encode_manifest(manifest))
        return manifest


def _verify_size(store: Store, key: str, size: int) -> None:
    head = store.head(key)
    if head is None or head.size != size:
        found = "nothing" if head is None else f"{head.size} bytes"
        raise StoreFailed(f"store `{store.name}` holds {found} at {key} instead of {size} bytes", retryable=True)


class _OpenPart:
    """One part on its way into every store."""

    def __init__(self, image: _Writing, name: str, what: tuple[str, str, str]) -> None:
        self.name, self.what = name, what
        key = layout.part_key(image.prefix, image.id, name)
        self._writers: list[ObjectWriter] = []
        try:
            self._writers += [store.writer(key, image.expected_size, limit=image.limit) for store in image.stores]
        except BaseException:
            self.abort()
            raise
        self.outbound = Outbound(self._deliver, image.recipients, image.throttle)

    def _deliver(self, chunk: bytes) -> None:
        for writer in self._writers:
            writer.write(chunk)

    def finish(self) -> Part:
        sums = self.outbound.finish()
        for writer in self._writers:
            writer.commit()
        kind, schema, table = self.what
        return Part(name=self.name, kind=kind, schema=schema, table=table, sums=sums)  # type: ignore[arg-type]

    def abort(self) -> None:
        if hasattr(self, "outbound"):
            self.outbound.abort()
        for writer in self._writers:
            writer.abort()
