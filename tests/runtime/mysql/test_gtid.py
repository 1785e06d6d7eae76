"""GTIDs as people write them and as binlogs carry them."""

from __future__ import annotations

import struct

import pytest

from bkpc_runtime.mysql.gtid import Gtids, gtid_list, parse_gtids, previous_gtids, split_gtid

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
