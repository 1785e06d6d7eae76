"""What another server's transactions say, whether its log goes on from a stored one; MariaDB's numbers alone do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.gtid import NONE, parse_gtids, parse_state, writers
from bkpc_runtime.steps.log_taking_over import PassedByMariadb, PassedByMysql

A, B = "aaaaaaaa-71ca-11e1-9e33-c80aa9429562", "bbbbbbbb-71ca-11e1-9e33-c80aa9429562"


@dataclass
class Seen:
    gtid: str
    end: int
    file: str = "binlog.000003"


def shown(passed: PassedByMysql, gtids: list[str]) -> tuple[str, int | None]:
    """What is wrong, and where all that is held has come."""
    if reason := passed.at_once():
        return reason, None
    for number, gtid in enumerate(gtids, 1):
        if passed.done:
            break
        if reason := passed.see(cast(Transaction, Seen(gtid, 100 * number))):
            return reason, None
    return ("" if passed.done else passed.lacking()), passed.at.offset if passed.at else None


@pytest.mark.parametrize(
    ("gtids", "wrong", "at"),
    [
        ([f"{A}:5", f"{A}:6", f"{A}:7"], "", 200),
        ([f"{A}:6", f"{A}:7", f"{A}:5", f"{B}:1"], "", 300),  # a parallel applier
        ([f"{A}:5", f"{B}:1", f"{A}:6"], f"had committed {B}:1, which is not stored, before {A}:6", None),
        ([f"{A}:5", f"{A}:6", f"{B}:1"], "", 200),
    ],
)
def test_mysql(gtids: list[str], wrong: str, at: int | None) -> None:
    held, before = parse_gtids(f"{A}:1-6"), parse_gtids(f"{A}:1-4")
    assert held
    assert before
    said, where = shown(PassedByMysql(held, before, NONE), gtids)
    assert (wrong in said, bool(said), where) == (True, bool(wrong), at)


@pytest.mark.parametrize(
    ("before", "gtids", "wrong", "at"),
    [
        ("0-1-4", ["0-1-5", "0-1-6", "0-2-7"], "", 200),
        ("0-1-6", [], "", None),
        ("0-2-6", [], "has not executed 0-1-6, which is stored: it has 0-2-6", None),
        ("0-1-4", ["0-1-5", "0-2-6"], "has not executed 0-1-6, which is stored: it has 0-2-6", None),
        ("0-1-4", ["0-1-5", "0-2-7"], "has not executed 0-1-6, which is stored: it has 0-2-7", None),
        ("0-1-4", ["0-1-5"], "has not executed 0-1-6, which is stored", None),
        ("0-1-4", ["0-2-5", "0-1-5"], "its numbers go back: 0-1-5 comes after number 5", None),
        ("0-1-4", ["7-2-1", "0-1-5", "0-1-6"], "had committed 7-2-1, which is not stored, before 0-1-5", None),
        ("0-1-4", ["7-1-1", "0-1-5", "0-1-6"], "", 300),  # another domain of the same server
    ],
)
def test_mariadb(before: str, gtids: list[str], wrong: str, at: int | None) -> None:
    held, state = parse_gtids("0-1-6"), parse_state(before)
    assert held
    assert state
    said, where = shown(PassedByMariadb(held, state), gtids)
    assert (wrong in said, bool(said)) == (True, bool(wrong))
    assert where == at or wrong


def test_a_state_of_mariadb_s() -> None:
    state = "0-2-50,0-1-100,3-1-7"
    assert parse_state(state) == parse_gtids("0-1-100,3-1-7")
    assert writers(state) == {("0", "1"), ("0", "2"), ("3", "1")}
