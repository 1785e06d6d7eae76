"""Which transactions a piece of log holds: noted as it passes, and written into the names of its objects.

Who streams can't decrypt what it has stored. When another server takes over, this is how it knows what that server must
have, and from where its log is needed. A mark is `.g<begun and ended>[.o<still open>]`: a transaction counts in the
piece in which it begins; the one that is open at the end stands apart (alone where it began in an earlier piece).
MySQL: `57-60` of the server itself, `<uuid without dashes>x1-5` of others; MariaDB: `0-1-57`, the last of each server
in each domain.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.events import Event
from bkpc_runtime.mysql.gtid import NONE, Gtids, list_text, parse_gtids, parse_state, previous_gtids, split_gtid

TELLING = events.BEGINS | {events.XID, events.XA_PREPARE, events.PAYLOAD, events.QUERY, events.QUERY_COMPRESSED}
"""The events by which a transaction begins or ends."""
KEPT = 1 << 16
"""Bytes of such an event that are looked at."""
_LONGEST = 130
"""A name has 255 bytes at most. What does not fit is not told."""
_MARK = re.compile(r"\.g([0-9a-fx_-]*)(?:(\.o)([0-9a-fx-]*))?")
_ITEM = re.compile(r"(?:([0-9a-f]{32})x)?(\d{1,19})(?:-(\d{1,19}))?")
_MARIADB_ITEM = re.compile(r"\d{1,10}-\d{1,10}-\d{1,20}")


@dataclass(frozen=True, slots=True)
class Seen:
    """The transactions that begin in a piece of log, by GTID; `open`: the last has not ended in it, or an earlier one.

    `sure`: that is all of them.
    """

    gtids: tuple[str, ...] = ()
    open: bool = False
    sure: bool = True


class GtidTally:
    """Takes notes of one connection's events; `take` gives what was noted since it was last called."""

    def __init__(self) -> None:
        self.inside: bool | None = None
        """Whether a transaction is open; None: nothing has come yet that tells."""
        self._block = False
        self._gtids: list[str] = []
        self._sure = True

    def begin_file(self) -> None:
        """No transaction goes on in a new file."""
        self.inside = False

    def take(self) -> Seen:
        seen = Seen(tuple(self._gtids), self.inside is not False, self._sure)
        self._gtids.clear()
        self._sure = True
        return seen

    def note(self, kind: int, server_id: int, body: bytes) -> None:
        """An event of `TELLING`; or the first that comes, whatever it is."""
        event = Event("", 0, 0, kind, 0, 0, server_id, body)
        if kind in events.BEGINS:
            gtid = events.gtid_of(event)
            self.inside, self._block = True, events.opens_block(event)
            self._gtids += [gtid] if gtid else []
            self._sure = self._sure and bool(gtid)
        elif kind in {events.XID, events.XA_PREPARE, events.PAYLOAD}:
            self.inside = False
        elif kind in {events.QUERY, events.QUERY_COMPRESSED}:
            self._statement(events.statement_of(event).text.strip().rstrip(";").upper())
        elif self.inside is None:
            self.inside = self._block = kind not in events.OF_THE_FILE

    def _statement(self, word: str) -> None:
        if word in {"BEGIN", "START TRANSACTION"} or word.startswith("XA START"):
            self.inside = self._block = True
        elif word in {"COMMIT", "ROLLBACK"}:
            self.inside = False
        elif self.inside is None:
            # In the middle of a transaction, or all of one: the event before would tell.
            self.inside, self._sure = False, False
        elif not self._block:
            self.inside = False


class Noted:
    """What the mark of a piece takes of what was noted of its parts, however many transactions are in it."""

    def __init__(self) -> None:
        self._gtids = _Ranges()
        self._last = ""
        self._open = self._any = False
        self._tellable = True

    def add(self, seen: Seen) -> None:
        """What was noted of the next part."""
        self._any, self._open = True, seen.open
        self._tellable = self._tellable and seen.sure and not any(gtid.count(":") > 1 for gtid in seen.gtids)
        if not self._tellable:
            return
        for gtid in seen.gtids:
            self._gtids.add(self._last)
            self._last = gtid
        self._tellable = self._gtids.count <= _LONGEST

    def mark(self, own: str) -> str:
        """`own`: the server's UUID. Empty where it can't be told."""
        if not (self._any and self._tellable):
            return ""
        open_, last = self._open, _Ranges()
        (last if open_ else self._gtids).add(self._last)
        self._last = ""
        mark = f".g{'_'.join(self._gtids.items(own))}"
        if open_:
            mark += f".o{''.join(last.items(own))}"
        return mark if len(mark) <= _LONGEST else ""


class _Ranges:
    """GTIDs that came one after the other: of MySQL those of each source, of MariaDB the last of each server."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[list[int]]] = {}
        self._last: dict[str, str] = {}
        self.count = 0
        """Of MySQL's ranges, at most."""

    def add(self, gtid: str) -> None:
        if not gtid:
            return
        source, number = split_gtid(gtid)
        if ":" not in gtid:
            self._last[gtid.rpartition("-")[0]] = gtid
            return
        known = self._ranges.setdefault(source, [])
        if known and known[-1][1] + 1 == number:
            known[-1][1] = number
        else:
            known.append([number, number])
            self.count += 1

    def items(self, own: str) -> Iterable[str]:
        yield from self._last.values()
        for source, pairs in self._ranges.items():
            of = "" if source == own else f"{source.replace('-', '')}x"
            for low, high in pairs:
                yield f"{of}{low}" if low == high else f"{of}{low}-{high}"


def executed_before(beginning: bytes, purged: str = "") -> str:
    """What was executed before a file that begins with `beginning`, and `purged` too, which no file of MySQL tells;
    empty where that is not said."""
    try:
        for event in events.walk([("", 0, beginning[:KEPT])]):
            if event.kind == events.PREVIOUS_GTIDS:
                before = previous_gtids(event.body).plus(parse_gtids(purged) or NONE)
                return "none" if before.empty else before.text
            if event.kind == events.GTID_LIST:
                return list_text(event.body) or "none"
            if event.kind in events.BEGINS:
                break
    except (struct.error, IndexError, UnicodeDecodeError):
        pass
    return ""


def after(before: str, marks: Sequence[str], own: str) -> Gtids | None:
    """What is executed where a binlog was archived up to: `before` it, and what the `marks` of its pieces say, in the
    order of their ends; `own` is the server's UUID. None where they do not tell."""
    gtids = NONE if before == "none" else parse_state(before)
    found = [_MARK.fullmatch(one) for one in marks]
    if gtids is None or not all(found):
        return None
    known = [one for one in found if one]
    open_ = _open(known)
    if open_ is None:
        return None
    for one in known:
        for text in (*one[1].split("_"), one[3]):
            item = _item(text, own) if text and text != open_ else NONE
            if item is None:
                return None
            gtids = gtids.plus(item)
    return gtids


def _open(marks: Sequence[re.Match[str]]) -> str | None:
    """The transaction that is open at the end, as marks call it; empty where none is, None where they do not tell."""
    if not marks or marks[-1][2] is None:
        return ""
    for one in reversed(marks):
        if one[3]:
            return one[3]
        if one[2] is None or one[1]:
            return None
    return None


def _item(text: str, own: str) -> Gtids | None:
    if _MARIADB_ITEM.fullmatch(text):
        return parse_gtids(text)
    found = _ITEM.fullmatch(text)
    if not found:
        return None
    raw = found[1] or ""
    source = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}" if raw else own
    return Gtids({source: [(int(found[2]), int(found[3] or found[2]))]}, {})
