"""GTIDs as people write them and as binlogs carry them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from bkpc_runtime.mysql.gtid import Gtids, gtid_list, parse_gtids, previous_gtids, split_gtid, tagged_gtid

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize(
    ("text", "intervals"),
    [
        (f"{UUID}:57", {UUID: [(57, 57)]}),
        (f"{UUID.upper()}:1-5:8", {UUID: [(1, 5), (8, 8)]}),
        (f"{UUID}:1-3:tag:9", {UUID: [(1, 3)], f"{UUID}:tag": [(9, 9)]}),
        ("0-1-57", {"0": [(1, 57)]}),
        ("0-1-57,1-2-9", {"0": [(1, 57)], "1": [(1, 9)]}),
    ],
)
def test_what_a_text_means(text: str, intervals: dict[str, list[tuple[int, int]]]) -> None:
    found = parse_gtids(text)
    assert found is not None
    assert found.intervals == intervals
    assert parse_gtids(found.text) == found


@pytest.mark.parametrize(
    "text",
    [UUID, f"{UUID}:", f"{UUID}:0", f"{UUID}:5-1", "0-1", "0-1-5,0-1-6", "2026-11-23T14:05:00Z", "latest"],
)
def test_what_is_none(text: str) -> None:
    assert parse_gtids(text) is None


def test_what_is_left() -> None:
    mine = Gtids({"a": [(1, 10)], "b": [(4, 4)]}, {})
    left = mine.less(Gtids({"a": [(1, 3), (5, 5)], "b": [(1, 9)]}, {}))
    assert left.intervals == {"a": [(4, 4), (6, 10)]}
    assert left.less(mine).empty
    assert split_gtid(f"{UUID}:7") == (UUID, 7)
    assert split_gtid("3-12-7") == ("3", 7)


def test_what_a_binlog_begins_with() -> None:
    sid = bytes.fromhex(UUID.replace("-", ""))
    body = struct.pack("<Q", 1) + sid + struct.pack("<QQQQQ", 2, 1, 6, 8, 9)
    assert previous_gtids(body).text == f"{UUID}:1-5:8"
    assert gtid_list(struct.pack("<IIIQIIQ", 2, 0, 1, 57, 4, 2, 9)).text == "0-1-57,4-2-9"


def test_tags_as_mysql_9_7_writes_them() -> None:
    body = (
        "027800000002d902b503ed03b103a9039022c5035502790304f103000000020404060a6d7974616708080a0c0c7fa7ac6d103f61"
        "061035041283120b"
    )
    gtid, committed = tagged_gtid(bytes.fromhex(body))
    assert gtid == "b6edfbec-ea48-11f1-95de-02fc00000001:mytag:1"
    assert datetime.fromtimestamp(committed // 1_000_000, UTC) == datetime(2026, 11, 27, 9, 55, 46, tzinfo=UTC)
    before = (
        "0103000000000001b6edfbecea4811f195de02fc0000000100010000000000000001000000000000000300000000000000b6edfbec"
        "ea4811f195de02fc000000010a6d79746167010000000000000001000000000000000400000000000000b6edfbecea4811f195de02fc"
        "000000010278010000000000000001000000000000000400000000000000"
    )
    uuid = "b6edfbec-ea48-11f1-95de-02fc00000001"
    assert previous_gtids(bytes.fromhex(before)).text == f"{uuid}:1-2,{uuid}:mytag:1-3,{uuid}:x:1-3"
