"""Names in comments of the binlog tools lose their line ends, wherever chunks end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.recovery.client import harmless

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
