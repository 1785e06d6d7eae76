"""What the names of stored pieces of log tell: exactly the transactions that are whole in them, wherever it was cut."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.gtid_marks import GtidTally, Noted, Seen, after, executed_before
from bkpc_runtime.mysql.gtid import NONE, Gtids, parse_gtids
from bkpc_runtime.repository.segments import Segment, parse_key

OWN, OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

Told = tuple[int, bytes]


def gtid(source: str, number: int) -> Told:
    return events.GTID, b"\0" + UUID(source).bytes + number.to_bytes(8, "little") + bytes(24)


def statement(text: str) -> Told:
    return events.QUERY, struct.pack("<IIBHH", 0, 0, 0, 0, 0) + b"\0" + text.encode()


def transaction(source: str, number: int, kind: str) -> list[Told]:
    begin = gtid(source, number)
    rows = [(events.TABLE_MAP, b""), (30, b"")]
    match kind:
        case "rows":
            return [begin, statement("BEGIN"), *rows, *rows, (events.XID, b"")]
        case "old engine":
            return [begin, statement("BEGIN"), *rows, statement("COMMIT")]
        case "packed":
            return [begin, (events.PAYLOAD, b"")]
        case _:
            return [begin, statement("CREATE TABLE t (id INT)")]


KINDS = ("rows", "old engine", "packed", "ddl")


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, int, list[Told]]]:
    """Transactions of two sources, each source's in order but for a pair that changes places."""
    count = draw(st.integers(1, 8))
    numbers = {OWN: list(range(5, 5 + count)), OTHER: list(range(1, 1 + count))}
    if count > 2 and draw(st.booleans()):
        numbers[OWN][1:3] = reversed(numbers[OWN][1:3])
    found = []
    for _ in range(count):
        source = draw(st.sampled_from([OWN, OWN, OWN, OTHER]))
        number = numbers[source].pop(0)
        found.append((source, number, transaction(source, number, draw(st.sampled_from(KINDS)))))
    return found


def mark_of(parts: Sequence[Seen], own: str) -> str:
    noted = Noted()
    for one in parts:
        noted.add(one)
    return noted.mark(own)


def marks_of(told: Sequence[Told], cuts: Sequence[int], fresh: frozenset[int]) -> list[str]:
    """Of each piece between two cuts; a connection begins anew at those in `fresh`."""
    tally = GtidTally()
    tally.begin_file()
    found = []
    for begin, end in pairwise(cuts):
        if begin in fresh:
            tally = GtidTally()
        for kind, body in told[begin:end]:
            tally.note(kind, 1, body)
        found.append(mark_of([tally.take()], OWN))
    return found


@settings(max_examples=300, deadline=None)
@given(logs(), st.data())
def test_exactly_what_is_whole(log: list[tuple[str, int, list[Told]]], data: st.DataObject) -> None:
    told = [one for _, _, parts in log for one in parts]
    ends: list[tuple[int, Gtids]] = []
    for source, number, parts in log:
        reached = ends[-1][0] if ends else 0
        ends.append((reached + len(parts), Gtids({source: [(number, number)]}, {})))
    inner = data.draw(st.sets(st.integers(1, len(told)))) - {len(told)}
    cuts = [0, *sorted(inner), len(told)]
    fresh = frozenset(data.draw(st.sets(st.sampled_from(cuts[1:]))))
    marks = marks_of(told, cuts, fresh)
    # A connection that begins between a GTID and its only statement can't tell that from one inside a transaction.
    starts = {end - 1 for (end, _), (_, _, parts) in zip(ends, log, strict=True) if parts[1][1].endswith(b"(id INT)")}
    # The statement itself may also be any that follows BEGIN: no other is drawn.
    assert [not mark for mark in marks] == [cut in starts & fresh for cut in cuts[:-1]]
    for count in range(len(cuts)):
        whole = parse_gtids(f"{OWN}:1-4") or NONE
        for end, one in ends:
            whole = whole.plus(one) if end <= cuts[count] else whole
        if all(marks[:count]):
            assert after(f"{OWN}:1-4", marks[:count], OWN) == whole
        else:
            assert after(f"{OWN}:1-4", marks[:count], OWN) is None


def test_what_can_not_be_told_is_not() -> None:
    tally = GtidTally()
    tally.begin_file()
    tally.note(events.ANONYMOUS_GTID, 1, bytes(60))
    assert mark_of([tally.take()], OWN) == ""
    sources = [f"{number:08x}-71ca-11e1-9e33-c80aa9429562" for number in range(9)]
    for source in sources:
        tally.note(*_noted(gtid(source, 7)))
    assert mark_of([tally.take()], OWN) == "", "it would make too long a name"
    assert mark_of([], OWN) == ""
    assert after("", [".g5"], OWN) is None
    assert after("none", [".g5", ""], OWN) is None
    assert after("none", [".g.o"], OWN) is None, "one is open that begins nowhere"
    assert after("none", [".g5", ".g7.o"], OWN) is None


def _noted(told: Told) -> tuple[int, int, bytes]:
    return told[0], 1, told[1]


def test_mariadb_s() -> None:
    marks = [".g0-1-57_1-2-9", ".g0-1-58.o0-1-59"]
    assert after("0-1-50", marks[:1], "") == parse_gtids("0-1-57,1-2-9")
    assert after("0-1-50", marks, "") == parse_gtids("0-1-58,1-2-9")
    seen = Seen(("0-1-56", "0-2-57", "0-1-58", "3-1-1", "0-1-59"), open=True)
    assert mark_of([seen], "") == ".g0-1-58_0-2-57_3-1-1.o0-1-59", "who has written counts, too"


@pytest.mark.parametrize("mark", ["", ".g", ".g57-60", f".g57-60_{OTHER.replace('-', '')}x3.o61", ".g.o", ".g0-1-57"])
def test_it_is_part_of_a_name(mark: str) -> None:
    for part in (False, True):
        for ending in ("", "31-0123abcd"):
            segment = Segment(3, "binlog.000007", 4, 4711, "0" * 64, True, part, mark, ending)
            assert parse_key(segment.key("shop/one")) == segment


def test_what_a_head_says() -> None:
    format_ = b"\4\0" + bytes(50) + b"\0" + b"\x38" + bytes(20) + b"\0" + bytes(4)
    before = struct.pack("<Q", 1) + UUID(OWN).bytes + struct.pack("<QQQ", 1, 1, 5)
    body = b"\xfebin"
    for kind, content in ((events.FORMAT_DESCRIPTION, format_), (events.PREVIOUS_GTIDS, before)):
        size = events.HEADER + len(content)
        body += struct.pack("<IBIIIH", 0, kind, 1, size, len(body) + size, 0) + content
    assert executed_before(body) == f"{OWN}:1-4"
    assert executed_before(body, f"{OTHER}:1-9,\n{OWN}:6".replace("\n", "")) == f"{OWN}:1-4:6,{OTHER}:1-9"
    assert executed_before(body[:-10]) == ""
