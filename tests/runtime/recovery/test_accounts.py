"""What is left out of a replay, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.transactions import Change, Transaction
from bkpc_runtime.recovery.accounts import is_of_accounts, without


def transaction(*statements: str, changes: tuple[Change, ...] = ()) -> Transaction:
    told = tuple(Statement("w", one) for one in statements)
    return Transaction("b.000001", 4, 9, datetime.now(UTC), timedelta(0), "", told, changes)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE USER a", "alter user root@localhost identified by 'x'", "DROP ROLE r", "GRANT ALL ON *.* TO a",
        "/* by me */ REVOKE ALL ON w.* FROM a", "SET PASSWORD FOR 'a'@'%'='*1'", "CREATE OR REPLACE ROLE r",
        "RENAME USER a TO b", "SET DEFAULT ROLE r FOR a",
    ],
)  # fmt: skip
def test_statements_about_accounts(text: str) -> None:
    assert is_of_accounts(transaction(text))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE user (id INT)",
        "ALTER TABLE role ADD a INT",
        "DROP TABLE grants",
        "SET @a = 1",
        "CREATE VIEW user AS SELECT 1",
    ],
)
def test_all_else(text: str) -> None:
    assert not is_of_accounts(transaction(text))
    assert not is_of_accounts(transaction("CREATE USER a", text))


def test_rows() -> None:
    own, other = Change("insert", "mysql", "user"), Change("insert", "w", "user")
    assert is_of_accounts(transaction(changes=(own,)))
    assert not is_of_accounts(transaction(changes=(own, other)))
    assert not is_of_accounts(transaction())


@given(
    st.binary(max_size=80),
    st.lists(st.integers(0, 90), max_size=8).map(sorted),
    st.lists(st.integers(0, 80), max_size=5),
)
def test_only_the_ranges_are_left_out(body: bytes, ends: list[int], cuts: list[int]) -> None:
    left_out = list(zip(ends[::2], ends[1::2], strict=False))
    wanted = bytes(byte for at, byte in enumerate(body) if not any(first <= at < last for first, last in left_out))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = (without(first, body[first:last], left_out) for first, last in pairwise(edges))
    assert b"".join(pieces) == wanted
