"""A lock is of a whole bucket, so stores that share one are locked for as long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compiler.one_file import check

PAGE = (Path(__file__).parents[3] / "docs" / "errors" / "BKP4008.md").read_text()
SHARED, APART = re.findall(r"```bkp\n(.*?)```", PAGE, re.DOTALL)


def told(text: str) -> list[str]:
    return [one.message for one in check(text).diagnostics if one.code == "BKP4008"]


def locked(text: str, lock: str) -> str:
    """The policy that has none with a lock, too."""
    before, after = text.split("  keep 35d", 1)
    return f"{before}  keep 35d\n  lock {lock}{after}"


@pytest.mark.parametrize(
    ("lock", "says"),
    [
        ("30d", ""),
        ("720h", ""),
        ("7d", "`near` is locked for 7d: the lock of `tape` is for 30d, and for all of bucket `acme-hz`"),
        ("31d", "`tape` is locked for 30d: the lock of `near` is for 31d, and for all of bucket `acme-hz`"),
    ],
)
def test_locks_of_one_bucket_are_the_same(lock: str, says: str) -> None:
    assert told(locked(SHARED, lock)) == [says][: bool(says)]
    assert told(locked(APART, lock)) == []


def test_both_clauses_are_shown() -> None:
    (found,) = check(SHARED).diagnostics
    assert found.message == "`near` is not locked: the lock of `tape` is for 30d, and for all of bucket `acme-hz`"
    (lock,) = found.secondary
    assert SHARED[lock.span.start : lock.span.end] == "lock 30d"
    assert SHARED[found.primary.span.start : found.primary.span.end] == "near"


def test_a_store_that_nothing_writes_to_is_no_matter() -> None:
    assert told(SHARED.replace("protect wiki with locked", "")) == []


def test_a_copy_that_oss_makes_has_no_lock() -> None:
    """It would be locked by whoever is locked in its bucket."""
    copied = SHARED.replace("acme-hz/locked", "acme-bj/locked").replace("acme-hz/bkpc", "acme-hz/copied")
    copied = copied.replace(
        "site hangzhou",
        'site beijing { region "cn-beijing" }\nlink hangzhou -- beijing {\n'
        "  bandwidth 1Gbit/s  latency 30ms\n}\nsite hangzhou",
    )
    copied = copied.replace("store tape at hangzhou", "store tape at beijing")
    beijing = "https://oss-cn-beijing.aliyuncs.com"
    head, tail = copied.split("store tape", 1)
    tail = tail.replace("https://oss-cn-hangzhou-internal.aliyuncs.com", beijing, 1)
    away = f'store away at beijing {{ oss "acme-bj/copied" endpoint "{beijing}" credentials env A, B }}\n'
    head = head.replace("OSS_KEY_SECRET\n", "OSS_KEY_SECRET\n  replicates to away\n")
    assert told(f"{head}{away}store tape{tail}") == [
        "`away` is not locked: the lock of `tape` is for 30d, and for all of bucket `acme-bj`"
    ]
    assert told(f"{head}{away.replace('acme-bj', 'acme-copy')}store tape{tail}") == []
