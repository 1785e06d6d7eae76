"""A dump is cut at its own marks, wherever the chunks end, and never at another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.engines.split import Piece, Splitter
from bkpc_runtime.errors import ToolFailed

START = b"-- MariaDB dump 10.19\n-- CHANGE MASTER TO MASTER_LOG_FILE='b.1', MASTER_LOG_POS=4;\n"
END = b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed on 2026-11-23\n"
ROWS = b"INSERT INTO `t` VALUES (1,'\\n--\\n-- Table structure for table `u`\\n--\\n');\n\n--\n-- Dumping data\n--\n"
EXPECTED = [Piece("a`b", ""), Piece("a`b", "t"), Piece("a`b", "u")]


def mark(kind: str, name: str) -> bytes:
    return f"\n--\n-- {kind}: `{name.replace('`', '``')}`\n--\n".encode()


def table(name: str) -> bytes:
    return f"\n--\n-- Table structure for table `{name}`\n--\n".encode()


def cut(dump: bytes, ends: list[int], expected: list[Piece]) -> tuple[bytes, dict[Piece, bytes]]:
    found: dict[Piece, bytes] = {}
    order: list[Piece] = []

    def begin(piece: Piece) -> None:
        order.append(piece)
        found[piece] = b""

    def write(chunk: bytes) -> None:
        found[order[-1]] += chunk

    splitter = Splitter(expected, begin, write)
    at = 0
    for end in [*sorted(min(one, len(dump)) for one in ends), len(dump)]:
        splitter.feed(dump[at:end])
        at = end
    splitter.finish()
    return splitter.prologue, found


DUMP = START + mark("Current Database", "a`b") + b"CREATE;\n" + table("t") + ROWS * 30 + table("u") + ROWS + b"\n" + END


@given(st.lists(st.integers(0, len(DUMP)), max_size=12))
def test_where_the_chunks_end_does_not_matter(ends: list[int]) -> None:
    prologue, found = cut(DUMP, ends, EXPECTED)
    assert (prologue, found) == cut(DUMP, [], EXPECTED)
    assert list(found) == EXPECTED
    assert found[EXPECTED[1]].count(b"INSERT") == 30
    assert found[EXPECTED[2]].count(b"INSERT") == 1
    assert prologue.startswith(START)


@pytest.mark.parametrize(
    ("dump", "says"),
    [
        (DUMP.replace(END, b""), "has no end"),
        (DUMP.replace(table("u"), b""), r"lacks a`b\.u"),
        (DUMP.replace(table("u"), table("v")), r"a`b\.v where it was not expected"),
        (DUMP.replace(ROWS, table("u"), 1), r"a`b\.u where it was not expected"),
    ],
)
def test_a_dump_that_is_not_as_expected_fails(dump: bytes, says: str) -> None:
    with pytest.raises(ToolFailed, match=says):
        cut(dump, [], EXPECTED)


def test_a_name_with_line_ends() -> None:
    """As both tools write it: the comment goes on."""
    strange = "a\n-- b\r\nTable structure for table `c`\n--\n"
    written = strange.replace("`", "``").replace("\n", "\n-- ")
    dump = START + mark("Current Database", "s") + f"\n--\n-- Table structure for table `{written}`\n--\n".encode()
    _, found = cut(dump + ROWS + END, [], [Piece("s", ""), Piece("s", strange)])
    assert found[Piece("s", strange)].count(b"INSERT") == 1
