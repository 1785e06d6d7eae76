"""Which tables a recovery of some tables needs, and what of the log concerns them.

A table needs what its history comes from: the table it was renamed from or made like, parents of its foreign keys
(InnoDB changes rows of children without a word in the log), and tables whose rows one statement changed together with
its own. Where the log does not tell tables apart, all are recovered, beside the target, and the asked ones taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from bkpc_runtime.mysql.account_statements import tokens
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.events import Event, Statement
from bkpc_runtime.mysql.binlog.search import mentioned
from bkpc_runtime.mysql.binlog.transactions import Reader, Transaction
from bkpc_runtime.recovery.accounts import is_of_accounts
from bkpc_runtime.recovery.moment import Shown, Stored
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Inventory, Manifest, Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound
from bkpc_runtime.transfer.ranges import read_checked

Table = tuple[str, str]
"""Schema and name."""

_VERBS = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"}
_ON_TABLES = {"TABLE", "TABLES", "INDEX", "SEQUENCE"}
_ON_SCHEMAS = {"DATABASE", "SCHEMA"}
_ON_ELSE = {"VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "USER", "ROLE"}
_ON_SERVER = {"SERVER", "TABLESPACE", "REFERENCE"}
"""What tables need of their server; REFERENCE: a spatial reference system."""
_ROWS_AS_TEXT = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH"}
_STATEMENT_END = 1
_NAME = rb"`(?:[^`]|``)+`"
_FOREIGN_KEY = re.compile(rb"FOREIGN KEY \([^\n]*?\) REFERENCES (" + _NAME + rb")(?:\.(" + _NAME + rb"))? \(")
_QUALIFIED = re.compile(rb"(" + _NAME + rb")(?:\.(" + _NAME + rb"))?,?")
_UNION = re.compile(rb"[^\n]*? UNION=\(((?:" + _NAME + rb"(?:\." + _NAME + rb")?,?)+)\)")
_DEFINED = b"\n) "
_LONGEST_DEFINITION = 1 << 20


def kind_of(statement: Statement) -> str:
    """What a statement is about: `table`, `schema`, `server` (what tables need of it), `rows` (as text), `xa`, or ``
    for what concerns no rows."""
    words = [one.word for one in tokens(statement.text[:2000])]
    if not words:
        return ""
    if words[0] == "TRUNCATE":
        return "table"
    if words[0] in _VERBS:
        what = next((one for one in words[1:] if one in _ON_TABLES | _ON_SCHEMAS | _ON_SERVER | _ON_ELSE), "")
        if what in _ON_SERVER:
            return "server"
        return "table" if what in _ON_TABLES else "schema" if what in _ON_SCHEMAS else ""
    return "rows" if words[0] in _ROWS_AS_TEXT else "xa" if words[0] == "XA" else ""


def is_definition(statement: Statement) -> bool:
    """Whether it defines something."""
    return next((one.word for one in tokens(statement.text[:200])), "") in _VERBS


def is_new(statement: Statement) -> bool:
    """Whether it makes something."""
    return next((one.word for one in tokens(statement.text[:200])), "") == "CREATE"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Only these tables; `all_of_them`: every table, because the log does not tell them apart (`because`)."""

    tables: frozenset[Table]
    because: str = ""

    @property
    def all_of_them(self) -> bool:
        return bool(self.because)

    def holds(self, table: Table) -> bool:
        return self.all_of_them or table in self.tables

    def wants(self, one: Transaction) -> bool:
        """Whether a transaction is to be replayed, if only in part."""
        if one.opaque or any(self.holds((change.schema, change.table)) for change in one.changes):
            return True
        if one.changes:
            return False
        return any(self._wants(statement) for statement in one.statements)

    def _wants(self, statement: Statement) -> bool:
        kind = kind_of(statement)
        if kind == "table":
            return self.all_of_them or bool(mentioned(statement) & self.tables)
        return kind in {"schema", "server"} or (self.all_of_them and kind in {"rows", "xa"})


@dataclass(slots=True)
class Survey:
    """What a log says of tables: which statements define them, and which changed rows of several at once.

    `changed` are those that were changed after `since`, `dropped` schemas that went then, `others` statements of then
    about all else but accounts. What may have been committed then counts, unless `stored` (see `moment`) tells better.
    """

    since: datetime | None = None
    definitions: list[Statement] = field(default_factory=list)
    together: set[frozenset[Table]] = field(default_factory=set)
    seen: set[Table] = field(default_factory=set)
    because: str = ""
    changed: set[Table] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    others: list[str] = field(default_factory=list)
    stored: Stored | None = None
    _shown: Shown | None = None
    _past: bool = False

    def take(self, one: Transaction) -> None:
        if self.since:
            self._later(one, self.since)
        if one.opaque:
            self.because = self.because or "compressed transactions"
        self.seen |= {(change.schema, change.table) for change in one.changes}
        for statement in one.statements:
            kind = kind_of(statement)
            if kind == "table":
                self.definitions.append(statement)
            elif kind in {"rows", "xa"}:
                words = {"rows": "rows that are changed by statements", "xa": "XA transactions"}
                self.because = self.because or words[kind]

    def _later(self, one: Transaction, since: datetime) -> None:
        """The log is in the order of commits: what follows one that is later is later, whenever it began."""
        if not self._past:
            self._shown = self._shown or Shown(since, self.stored)
            self._past = one.committed + one.uncertainty > since
        if self._past:
            if one.shown or not one.waited:
                self._settle(one.committed)
            self._changes(one)
        elif self._shown:
            self._shown.before(one)

    def _settle(self, next_: datetime | None) -> None:
        for one in self._shown.doubtful(next_)[0] if self._shown else ():
            self._changes(one)
        self._shown = None

    def end(self) -> None:
        """All is taken."""
        self._settle(None)

    def _changes(self, one: Transaction) -> None:
        self.changed |= {(change.schema, change.table) for change in one.changes}
        for statement in () if one.changes or is_of_accounts(one) else one.statements:
            kind = kind_of(statement)
            if kind == "table":
                self.changed |= mentioned(statement)
            elif kind == "schema" and statement.text.lstrip().upper().startswith("DROP"):
                self.dropped |= {name for _, name in mentioned(statement)}
            elif is_definition(statement) and not (kind == "schema" and is_new(statement)):
                self.others.append(" ".join(statement.text.split())[:60])


class Watching(Reader):
    """A reader that also tells which tables one statement changed together."""

    def __init__(self, skips_to: int, survey: Survey) -> None:
        super().__init__(skips_to)
        self._survey = survey
        self._names: dict[int, Table] = {}
        self._now: set[Table] = set()

    def _take(self, event: Event) -> Transaction | None:
        if event.kind == events.TABLE_MAP:
            number, schema, table = events.table_of(event)
            self._names[number] = (schema, table)
        elif event.kind in events.ROWS:
            named = self._names.get(events.table_number(event))
            if named:
                self._now.add(named)
            if event.body[6] & _STATEMENT_END:
                if len(self._now) > 1:
                    self._survey.together.add(frozenset(self._now))
                self._now = set()
        return super()._take(event)


def narrowed(
    asked: Iterable[Table], survey: Survey, image: Image, store: Store, identities: Sequence[Secret]
) -> Narrowing:
    """What must be recovered so that the asked tables are right."""
    if survey.because:
        return Narrowing(frozenset(asked), f"the log holds {survey.because}")
    parts = {(part.schema, part.table): part for part in image.manifest.parts if part.kind == "table"}
    sequences = frozenset(_sequences(image.manifest))
    known = set(parts) | survey.seen | sequences
    mentions = [mentioned(one) for one in survey.definitions]
    needed: set[Table] = set(sequences)
    new = set(asked)
    while new:
        needed |= new
        found = {
            parent
            for one in new
            if one in parts
            for parent in parents(parts[one], image, store, identities, merged=True)
        }
        for group in survey.together:
            found |= group if group & needed else set()
        for named in mentions:
            found |= named & known if named & needed else set()
        new = found - needed
    return Narrowing(frozenset(needed))


def _sequences(manifest: Manifest) -> Iterator[Table]:
    named = set(manifest.sequences)
    for one in manifest.inventory:
        yield from ((one.schema, table) for table in one.tables if f"{one.schema}.{table}" in named)


def parents(
    part: Part, image: Image, store: Store, identities: Sequence[Secret], *, merged: bool = False
) -> Iterator[Table]:
    """The tables that a table's foreign keys point to, or that it has `merged`, from its definition, with which its
    part begins."""
    key = layout.part_key(image.prefix, image.manifest.id, part.name)
    begun = b""
    plain = inbound(
        read_checked(store, key, part.sums),
        name=key,
        encrypted=image.manifest.encrypted,
        identities=identities,
        expected=part.sums,
    )
    try:
        for chunk in plain:
            begun += chunk
            defined = begun.find(_DEFINED)
            if (defined >= 0 and begun.find(b"\n", defined + 1) >= 0) or len(begun) > _LONGEST_DEFINITION:
                break
    finally:
        plain.close()
    for first, second in (*_FOREIGN_KEY.findall(begun), *(_merged(begun) if merged else ())):
        names = [one[1:-1].replace(b"``", b"`").decode() for one in (first, second) if one]
        yield (names[0], names[1]) if len(names) > 1 else (part.schema, names[0])


def _merged(dumped: bytes) -> list[tuple[bytes, bytes]]:
    ends = dumped.find(_DEFINED)
    found = _UNION.match(dumped, ends + 1) if ends >= 0 else None
    return _QUALIFIED.findall(found[1]) if found else []


def of_image(image: Image, narrowing: Narrowing) -> Image:
    """The image as if it held only these tables, and no code."""
    manifest = image.manifest
    parts = [
        part
        for part in manifest.parts
        if part.kind in {"server", "schema"} or (part.kind == "table" and narrowing.holds((part.schema, part.table)))
    ]
    sequences = set(_sequences(manifest))
    inventory = [
        Inventory(
            schema=one.schema,
            tables=tuple(
                table
                for table in one.tables
                if (one.schema, table) in sequences or narrowing.holds((one.schema, table))
            ),
            views=(), triggers=(), routines=(), events=(),
        )
        for one in manifest.inventory
    ]  # fmt: skip
    return Image(image.prefix, replace(manifest, parts=tuple(parts), inventory=tuple(inventory)))
