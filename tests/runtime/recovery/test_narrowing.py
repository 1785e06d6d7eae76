"""What of a log concerns some tables: nothing of them is left out, and nothing of others is kept."""

from __future__ import annotations

import itertools
import struct
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.search import mentioned
from bkpc_runtime.mysql.binlog.transactions import Change, Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.blanks import blanked
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.narrowing import Narrowing, Survey, kind_of
from bkpc_runtime.recovery.point import Latest
from bkpc_runtime.recovery.some_tables import Surveyed, _insist
from bkpc_runtime.repository.catalogue import Image
from tests.runtime.retention import made

ORDERS = Narrowing(frozenset({("w", "orders")}))


def transaction(*texts: str, changed: str = "", opaque: bool = False) -> Transaction:
    told = tuple(Statement("w", text) for text in texts)
    changes = (Change("insert", *changed.split(".")),) if changed else ()
    return Transaction("b.000001", 4, 9, datetime.now(UTC), timedelta(0), "", told, changes, opaque)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/* c */ ALTER TABLE t ADD a INT", "table"), ("CREATE UNIQUE INDEX i ON t (a)", "table"),
        ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS t", "table"), ("TRUNCATE t", "table"),
        ("CREATE OR REPLACE SEQUENCE s", "table"), ("DROP DATABASE w", "schema"), ("create schema w", "schema"),
        ("CREATE DEFINER=`a`@`%` TRIGGER x AFTER INSERT ON t FOR EACH ROW SET @a = 1", ""),
        ("CREATE ALGORITHM=MERGE VIEW v AS SELECT * FROM t", ""), ("INSERT INTO t VALUES (1)", "rows"),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DROP TABLE t", ""), ("XA COMMIT 'x'", "xa"),
        ("FLUSH TABLES", ""), ("SAVEPOINT a", ""), ("", ""),
    ],
)  # fmt: skip
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(Statement("w", text)) == kind


def test_what_is_replayed() -> None:
    assert ORDERS.wants(transaction(changed="w.orders"))
    assert not ORDERS.wants(transaction(changed="w.other"))
    assert ORDERS.wants(transaction("ALTER TABLE orders ADD a INT"))
    assert ORDERS.wants(transaction('RENAME TABLE x TO w."orders"'))
    assert not ORDERS.wants(transaction("ALTER TABLE other ADD a INT"))
    assert not ORDERS.wants(transaction("CREATE VIEW v AS SELECT * FROM orders"))
    assert ORDERS.wants(transaction("DROP DATABASE x"))
    assert ORDERS.wants(transaction(opaque=True))
    everything = Narrowing(frozenset(), "a reason")
    assert everything.wants(transaction(changed="w.other"))
    assert everything.wants(transaction("UPDATE t SET a = 1"))
    assert not everything.wants(transaction("CREATE VIEW v AS SELECT 1"))


def test_a_parent_without_its_schema_is_of_that_of_the_child() -> None:
    child = Statement("other", "CREATE TABLE w.child (p INT, FOREIGN KEY (p) REFERENCES parent (id))")
    assert {("w", "child"), ("w", "parent")} <= mentioned(child)
    added = Statement("", "ALTER TABLE `w`.child ADD FOREIGN KEY (q) REFERENCES parent (id)")
    assert ("w", "parent") in mentioned(added)


def test_where_the_log_does_not_tell_tables_apart() -> None:
    for one, because in (
        (transaction(opaque=True), "compressed"),
        (transaction("UPDATE t SET a = 1"), "statements"),
        (transaction("XA PREPARE 'x'"), "XA"),
    ):
        survey = Survey()
        survey.take(one)
        assert because in survey.because


def event(kind: int, body: bytes, at: int, checksums: bool) -> bytes:
    size = events.HEADER + len(body) + (4 if checksums else 0)
    head = struct.pack("<IBIIIH", 0, kind, 1, size, at + size, 0)
    whole = head + body
    return whole + zlib.crc32(whole).to_bytes(4, "little") if checksums else whole


def table_map(number: int, table: str) -> bytes:
    name = table.encode()
    return number.to_bytes(6, "little") + b"\1\0" + b"\1w\0" + bytes([len(name)]) + name + b"\0\1\3\0\0"


@given(st.lists(st.integers(0, 600), max_size=8), st.booleans())
def test_only_other_tables_are_blank(cuts: list[int], checksums: bool) -> None:
    format_ = b"\4\0" + bytes(50) + b"\0" + b"\x38" + bytes(20) + (b"\1" if checksums else b"\0") + bytes(4)
    body = b"\xfebin" + struct.pack("<IBIIIH", 0, 15, 1, events.HEADER + len(format_), 0, 0) + format_
    kept = {}
    for number, table in ((1, "orders"), (2, "other")):
        for kind, inside in (
            (events.TABLE_MAP, table_map(number, table)),
            (30, number.to_bytes(6, "little") + b"\1\0rows"),
        ):
            kept[len(body)] = table
            body += event(kind, inside, len(body), checksums)
    edges = [0, *sorted(min(one, len(body)) for one in cuts), len(body)]
    pieces = [("b.000001", a, body[a:b]) for a, b in itertools.pairwise(edges)]
    found = b"".join(piece for _, _, piece in blanked(pieces, ORDERS, 0))
    assert len(found) == len(body)
    for at, table in kept.items():
        size = events.size_of(found[at : at + events.HEADER])
        if table == "orders":
            assert found[at : at + size] == body[at : at + size]
        else:
            assert (found[at + 4], found[at + 17]) == (28, 0x80)
            end = at + size - 4
            assert not checksums or zlib.crc32(found[at:end]) == int.from_bytes(found[end : end + 4], "little")


def test_a_sequence_of_the_image_can_be_asked_for() -> None:
    image = made.manifest(datetime(2026, 6, 1, tzinfo=UTC), Position("b.000001", 4))
    start = Start(Image("shop/x", replace(image, sequences=("w.numbers",))), None, Latest())
    _insist([("w", "numbers")], Surveyed(start, None, Survey()))
    with pytest.raises(BadUsage, match=r"has no table w\.other"):
        _insist([("w", "other")], Surveyed(start, None, Survey()))
