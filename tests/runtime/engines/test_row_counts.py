"""Rows counted in a dump as it passes, however it is cut into pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.engines.row_counts import RowCounter
from bkpc_runtime.mysql.flavour import Flavour

HEAD = "CREATE TABLE `t` (a INT);\n\n"
MARIADB = (
    HEAD + "INSERT INTO `t` VALUES\n(1,'x),(y'),\n(2,'a\\n),\\n(b'),\n(3,NULL);\nINSERT INTO `t` VALUES\n(4,'');\n"
)
MYSQL = HEAD + "INSERT INTO `t` VALUES (1,'x'),(2,'INSERT INTO `t` ('),(3,NULL);\nINSERT INTO `t` VALUES (4,'');\n"


def fed(flavour: Flavour, text: str, cuts: list[int]) -> int:
    counter = RowCounter(flavour)
    counter.begin("w", "t")
    body = text.encode()
    edges = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        counter.feed(body[start:end])
    return counter.rows().of["w", "t"]


@given(st.lists(st.integers(0, 10_000), max_size=200))
def test_every_row_is_counted_once(cuts: list[int]) -> None:
    assert fed("mariadb", MARIADB, cuts) == 4
    assert fed("mysql", MYSQL, cuts) == 4
    assert fed("mysql", HEAD, cuts) == 0


def test_what_is_no_table_has_no_rows() -> None:
    counter = RowCounter("mysql")
    counter.begin("w", "empty")
    counter.begin("w", "")
    counter.feed(b"\nINSERT INTO `t` VALUES (1),(2);\n")
    assert counter.rows().of == {("w", "empty"): 0}
    assert counter.rows().estimated
