"""Taking an image: an engine's bytes compressed, sealed, stored in parts; the manifest last."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.engine import Engine, Server, Taken
from bkpc_runtime.engines.logical import Logical, refuse_prepared
from bkpc_runtime.engines.picking import kind_of, refuse_lacking
from bkpc_runtime.errors import PolicyBroken, Refused, ServerFailed, StoreFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.preflight import privileges
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.manifest import FORMAT_VERSION, Manifest, Part, PartKind, encode_manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.standing import Rotation, rotate
from bkpc_runtime.steps.storing import Storing
from bkpc_runtime.stores.store import ObjectWriter, Store
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.throttle import Throttle

log = logging.getLogger(__name__)
_ATTEMPTS = 3
_KEPT_VARIABLES = (
    "version", "max_allowed_packet", "character_set_server", "collation_server", "sql_mode",
    "lower_case_table_names", "time_zone",
    "system_time_zone", "gtid_mode", "gtid_domain_id", "server_id", "binlog_format", "binlog_row_image",
    "innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A server to back up: how to log in, and the name it has in the policy."""

    database: str
    address: Address
    password: Secret


Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is coming (bytes), how fast it may go (bytes per second), what time it is, whether to go on, and who is
    told how far it is."""

    expected_size: int
    limit: int | None
    clock: Clock
    go_on: Callable[[], None]
    progress: Callable[[int, int], None]


def take_image(
    source: Source,
    stores: Sequence[Store],
    recipients: Sequence[str],
    *,
    expected_size: int,
    engine: Engine | None = None,
    limit: int | None = None,
    clock: Clock = lambda: datetime.now(UTC),
    go_on: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda _, __: None,
    begins_binlog: bool = False,
) -> Manifest:
    """An image of a server in every one of `stores`, taken by `engine` (the logical one).

    `expected_size` in bytes picks part sizes; `limit` in bytes per second; `go_on` raises where it is to be broken off;
    `progress` is told how many bytes of how many have been read; `begins_binlog`: its log must begin with a file.
    The image is visible once its manifest is; a failure leaves parts without a manifest, which nothing ever reads.

    Raises:
        PolicyBroken: the account may not see everything.
        Refused: another backup of this server is running.
        ToolFailed: the engine's tool failed, or the schema changed during each of three attempts.
    """
    engine = engine or Logical()
    rotation = Rotation(source.address, source.password, source.database, begins_binlog)
    connection = connect(source.address, source.password)
    try:
        facts = read_facts(connection)
        for lacking in privileges(connection, facts, stream=False, engines=(engine.name,)):
            # What an account may not see would be missing from the image without a word.
            raise PolicyBroken(f"`{source.database}`: {lacking.text}", help=lacking.mend[0])
        refuse_lacking(connection, facts, source.address, kind_of(engine))
        with _one_writer(connection, source):
            for attempt in range(1, _ATTEMPTS + 1):
                pace = Pace(expected_size, limit, clock, go_on, progress)
                writing = _Writing(source, facts, stores, tuple(recipients), pace)
                try:
                    if engine.name == "logical":
                        # Before the log goes on to another file for nothing, again at each try.
                        refuse_prepared(connection)
                    rotate(connection, facts, rotation)
                    return writing.run(connection, engine)
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
        if query(self._connection, "SELECT GET_LOCK('bkpc backup', 3)")[0][0] != 1:
            raise Refused(
                f"another backup of `{self._source.database}` is running on its server",
                help="wait for it, or end its connection: it holds the lock 'bkpc backup'",
            )
        # The dump runs long beside this idle connection, which must outlive it.
        query(self._connection, "SET SESSION wait_timeout = 31536000")

    def __exit__(self, *_: object) -> None:
        return None


class _Writing:
    """One attempt at one image: the sink that its engine writes into, and the manifest in the end."""

    def __init__(
        self,
        source: Source,
        facts: ServerFacts,
        stores: Sequence[Store],
        recipients: tuple[str, ...],
        pace: Pace,
    ) -> None:
        self.source, self.facts, self.stores, self.recipients = source, facts, stores, recipients
        self.encrypted = bool(recipients)
        self.expected_size, self.clock = pace.expected_size, pace.clock
        self.limit = pace.limit
        self.go_on, self.progress, self.read = pace.go_on, pace.progress, 0
        self.throttle = Throttle(pace.limit) if pace.limit else None
        self.began = pace.clock()
        self.id = layout.new_image_id(self.began)
        self.prefix = layout.prefix_of(source.database, facts.identity)
        self.parts: list[Part] = []
        self.open: _OpenPart | None = None
        self.storing = Storing()

    def run(self, connection: Connection[Any], engine: Engine) -> Manifest:
        with self.storing:
            try:
                taken = engine.take(Server(self.source.address, connection, self.facts), self)
                self._end_part()
            finally:
                if self.open:
                    self.open.abort()
            self.storing.finish()
        return self._conclude(engine, taken)

    def begin(self, kind: PartKind, schema: str = "", table: str = "") -> None:
        self._end_part()
        name = layout.part_name(len(self.parts) + 1, encrypted=self.encrypted)
        self.open = _OpenPart(self, name, (kind, schema, table))

    def write(self, chunk: bytes) -> None:
        assert self.open is not None
        self.go_on()
        self.open.outbound.write(chunk)
        self.read += len(chunk)
        self.progress(self.read, self.expected_size)

    def _end_part(self) -> None:
        if self.open:
            self.parts.append(self.open.finish(self.storing))
            self.open = None

    def _origin(self, file: str) -> str:
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

    def _conclude(self, engine: Engine, taken: Taken) -> Manifest:
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            id=self.id,
            database=self.source.database,
            identity=self.facts.identity,
            kind="incremental" if engine.parent else "full",
            engine=engine.name,
            flavour=self.facts.flavour,
            server_version=self.facts.version_text,
            variables={name: self.facts.variable(name) for name in _KEPT_VARIABLES},
            binlog_file=taken.position.file,
            binlog_offset=taken.position.offset,
            binlog_origin=self._origin(taken.position.file),
            gtid=taken.gtid,
            encrypted=self.encrypted,
            parts=tuple(self.parts),
            inventory=taken.contents.schemas,
            sequences=tuple(sorted(f"{schema}.{name}" for schema, name in taken.contents.sequences)),
            not_included=taken.not_included,
            began=self.began.isoformat(),
            finished=self.clock().isoformat(),
            parent=engine.parent.id if engine.parent else "",
            from_lsn=taken.lsn[0],
            to_lsn=taken.lsn[1],
            inventory_loose=taken.loose,
            rows=_by_schema(taken),
            rows_estimated=taken.rows.estimated,
            snapshot=taken.moment.isoformat() if taken.moment else "",
        )
        for store in self.stores:
            verify_sizes(store, self.prefix, manifest)
            store.put(layout.manifest_key(self.prefix, self.id), encode_manifest(manifest))
        return manifest


def _by_schema(taken: Taken) -> dict[str, dict[str, int]]:
    """The rows of each table, as manifests have them."""
    found: dict[str, dict[str, int]] = {}
    for (schema, table), rows in sorted(taken.rows.of.items()):
        found.setdefault(schema, {})[table] = rows
    return found


def verify_sizes(store: Store, prefix: str, manifest: Manifest) -> None:
    """Every part is there, as large as it was sent: one request for a thousand of them.

    Raises:
        StoreFailed: one is not; the manifest must not be written.
    """
    held = {one.key: one.size for one in store.list(layout.image_folder(prefix, manifest.id))}
    for part in manifest.parts:
        key, size = layout.part_key(prefix, manifest.id, part.name), part.sums.stored_size
        if held.get(key) != size:
            found = f"{held[key]} bytes" if key in held else "nothing"
            raise StoreFailed(f"store `{store.name}` holds {found} at {key} instead of {size} bytes", retryable=True)


class _OpenPart:
    """One part on its way into every store."""

    def __init__(self, image: _Writing, name: str, what: tuple[PartKind, str, str]) -> None:
        self.name, self.what = name, what
        key = layout.part_key(image.prefix, image.id, name)
        self._writers: list[ObjectWriter] = []
        try:
            self._writers += [store.writer(key, image.expected_size, limit=image.limit) for store in image.stores]
        except BaseException:
            self.abort()
            raise
        large = what[0] == "stream"
        self.outbound = Outbound(self._deliver, image.recipients, image.throttle, large=large)

    def _deliver(self, chunk: bytes) -> None:
        for writer in self._writers:
            writer.write(chunk)

    def finish(self, storing: Storing) -> Part:
        sums = self.outbound.finish()
        storing.commit(self._writers, sums.stored_size)
        kind, schema, table = self.what
        return Part(name=self.name, kind=kind, schema=schema, table=table, sums=sums)

    def abort(self) -> None:
        if hasattr(self, "outbound"):
            self.outbound.abort()
        for writer in self._writers:
            writer.abort()
