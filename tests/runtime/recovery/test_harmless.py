"""What the binlog tools write as comments does no harm, wherever chunks end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.recovery.client import harmless, uncommented

NAMES = [("w", "x\nDROP DATABASE v;\n#"), ("a\nb", "t")]
LINE = "#251127 server id 1  CRC32 0x1\tTable_map: `{}`.`{}` mapped to number 7\nBINLOG '\nAAAA\n'/*!*/;\n"
TEXT = "".join(LINE.format(*names) for names in (*NAMES, ("w", "plain"), *NAMES)).encode()


@given(st.lists(st.integers(0, len(TEXT)), max_size=9))
def test_wherever_chunks_end(ends: list[int]) -> None:
    edges = [0, *sorted(ends), len(TEXT)]
    chunks = [TEXT[a:b] for a, b in pairwise(edges)]
    found = b"".join(harmless(chunks, lambda: NAMES))
    wanted = "".join(
        LINE.format(*(name.replace("\n", " ") for name in names)) for names in (*NAMES, ("w", "plain"), *NAMES)
    )
    assert found == wanted.encode()


def test_without_such_names_nothing_waits() -> None:
    assert list(harmless([b"a", b"\n"], lambda: ())) == [b"a", b"\n"]


BEFORE = "# at 4\nBEGIN\n/*!*/;\n# at 348\n#260101 Query\nCREATE TABLE `w`.`t` (\n# at 5\n) START TRANSACTION\n/*!*/;\n"
COMMENTS = "# at 482\n#260101 Table_map: `w`.`t` mapped to number 7\n\n"
ROWS, END = "BINLOG '\nAAAA\n'/*!*/;\n", "COMMIT/*!*/;\n"
BODY = "CREATE PROCEDURE p() BEGIN\n# kept\n\nEND START TRANSACTION\n/*!*/;\n"
OTHER = "CREATE VIEW v AS SELECT '\n# kept\n\nCOMMIT'\n/*!*/;\n"
MADE = (BEFORE + COMMENTS + ROWS + COMMENTS + ROWS + COMMENTS + END + COMMENTS + BODY + COMMENTS + OTHER).encode()


@given(st.lists(st.integers(0, len(MADE)), max_size=9))
def test_no_comment_comes_where_only_rows_may(ends: list[int]) -> None:
    """A statement of other kinds may end like that too: then no more than comments of the tool are left out."""
    edges = [0, *sorted(ends), len(MADE)]
    found = b"".join(uncommented([MADE[a:b] for a, b in pairwise(edges)]))
    assert found.decode() == BEFORE + ROWS + ROWS + END + COMMENTS + BODY + OTHER
