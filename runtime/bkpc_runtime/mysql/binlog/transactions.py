"""Transactions of a binlog: where each begins and ends, when it was committed, what it touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.events import Event

_MOST_STATEMENTS = 20
_NAMES_WITHIN = 1024


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one table: `kind` is insert, update or delete."""

    kind: str
    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A complete transaction at `[start, end)` of `file`.

    `committed` is exact to the microsecond where the server writes it (MySQL), else a whole second that
    the commit lies in: then `uncertainty` is one second; but where that is not `shown`, its only statement began then,
    and ended whenever. `waited`: it had to, for a row's lock. `opaque`: compressed, its content is not looked at.
    `kind` is that of the event it begins with; `server_id` the server that first committed it.
    """

    file: str
    start: int
    end: int
    committed: datetime
    uncertainty: timedelta
    gtid: str
    statements: tuple[events.Statement, ...]
    changes: tuple[Change, ...]
    opaque: bool = False
    kind: int = 0
    server_id: int = 0
    shown: bool = True
    waited: bool = False


@dataclass(slots=True)
class _Open:
    """A transaction whose end is not seen yet. `began`, `ended`: its last statement, as far as they are told; `told`:
    its end is. `own`: by the server whose log this is."""

    file: str
    start: int
    gtid: str
    microseconds: int | None
    statements: list[events.Statement] = field(default_factory=list)
    changes: dict[Change, None] = field(default_factory=dict)
    begun: bool = False
    kind: int = 0
    server_id: int = 0
    own: bool = False
    waited: bool = False
    began: int = 0
    ended: int = 0
    told: bool = False


def transactions(pieces: Iterable[tuple[str, int, bytes]]) -> Iterator[Transaction]:
    """The complete transactions in `(file, offset, bytes)` pieces, in order; see `events.walk`."""
    reader = Reader()
    for piece in pieces:
        yield from reader.feed(*piece)


class Reader:
    """Feed it pieces; it gives complete transactions. `skips_to`: as `events.Walker`, of the first file.

    `boundary` is the end of the last event that is in no unfinished transaction; `open_at` where that one begins;
    `broken_names` are tables whose name, or whose schema's, has a line end.
    """

    def __init__(self, skips_to: int = 0) -> None:
        self.broken_names: set[tuple[str, str]] = set()
        self._walker: events.Walker | None = None
        self._skips_to = skips_to
        self._running: _Open | None = None
        self._tables: dict[int, tuple[str, str]] = {}
        self.boundary = 0
        self.head = 0
        self._server_id = 0

    @property
    def open_at(self) -> int | None:
        return self._running.start if self._running else None

    @property
    def checksums(self) -> bool:
        return self._walker is not None and self._walker.checksums

    def feed(self, file: str, offset: int, body: bytes) -> Iterator[Transaction]:
        if self._walker is None or self._walker.file != file:
            self._walker = events.Walker(file, 0 if self._walker else self._skips_to)
            self._running, self.boundary, self.head = None, 0, 0
        for event in self._walker.feed(offset, body):
            found = self._take(event)
            if self._running is None:
                self.boundary = event.end
            if found:
                yield found

    def _take(self, event: Event) -> Transaction | None:
        running = self._running
        if event.kind in events.BEGINS:
            self._running = _Open(event.file, event.start, events.gtid_of(event), events.commit_microseconds(event))
            self._running.kind, self._running.server_id = event.kind, event.server_id
            self._running.begun = events.opens_block(event)
            self._running.own = event.server_id == self._server_id
            self._running.waited = events.waited(event)
            self._tables.clear()
        elif running is not None and _ends(event, running, self._tables):
            self._running = None
            return _closed(running, event)
        elif event.kind == events.TABLE_MAP and b"\n" in event.body[:_NAMES_WITHIN]:
            _, *names = events.table_of(event)
            if "\n" in "".join(names):
                self.broken_names.add((names[0], names[1]))
        elif event.kind == events.FORMAT_DESCRIPTION and not self.head:
            self.head, self._server_id = event.end, event.server_id
        return None


def _ends(event: Event, running: _Open, tables: dict[int, tuple[str, str]]) -> bool:
    """Takes an event of a transaction; whether it is the last."""
    if event.kind in {events.XID, events.XA_PREPARE, events.PAYLOAD}:
        return True
    told = event.kind in events.STATEMENTS
    if told and _statement_ends(events.statement_of(event), running):
        return True
    if event.kind == events.TABLE_MAP:
        number, schema, table = events.table_of(event)
        tables[number] = (schema, table)
    elif event.kind in events.ROWS:
        named = tables.get(events.table_number(event))
        if named:
            running.changes[Change(events.ROWS[event.kind], *named)] = None
    running.began, running.told = max(running.began, event.timestamp), told
    running.ended = max(running.ended, events.ended(event) if told else event.timestamp)
    return False


def _statement_ends(statement: events.Statement, running: _Open) -> bool:
    word = statement.text.strip().rstrip(";").upper()
    if word in {"BEGIN", "START TRANSACTION"} or word.startswith("XA START"):
        running.begun = True
        return False
    if word in {"COMMIT", "ROLLBACK"}:
        return True
    if len(running.statements) < _MOST_STATEMENTS:
        running.statements.append(statement)
    return not running.begun


def _closed(running: _Open, last: Event) -> Transaction:
    exact = running.microseconds
    ended, shown = _ended(running, last)
    seconds = datetime.fromtimestamp(ended, UTC)
    return Transaction(
        running.file,
        running.start,
        last.end,
        datetime.fromtimestamp(0, UTC) + timedelta(microseconds=exact) if exact else seconds,
        timedelta(0) if exact else timedelta(seconds=1),
        running.gtid,
        tuple(running.statements),
        tuple(running.changes),
        last.kind == events.PAYLOAD,
        running.kind,
        running.server_id,
        bool(exact) or shown,
        running.waited,
    )


def _ended(running: _Open, last: Event) -> tuple[int, bool]:
    """When a transaction was committed at the earliest, and whether that is shown. What another server has committed
    counts as of its time there."""
    if not running.own:
        return last.timestamp, True
    if last.kind in events.STATEMENTS:
        return events.ended(last), True
    # A COMMIT that somebody sent has a time of its own.
    return max(last.timestamp, running.ended), running.told or last.timestamp > running.began
