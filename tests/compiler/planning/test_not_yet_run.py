"""What a policy says and this version does not do is told when the plan is made, each thing once."""

from __future__ import annotations

import pytest

from tests.compiler.one_file import SMALL, changed, check, compiled

PLAIN = changed(("  keep 14d\n", ""))


def test_a_policy_of_what_is_run_compiles_without_a_word() -> None:
    assert compiled(PLAIN).diagnostics == ()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("hot  to disk, far every 2s", "hot to disk, far every 2s\n  lock 14d", "lock a directory (`disk`, `far`)"),
    ],
)
def test_left_to_people(before: str, after: str, says: str) -> None:
    text = PLAIN.replace(before, after)
    assert check(text).diagnostics == ()
    (found,) = compiled(text).diagnostics
    assert (found.code, found.severity) == ("BKP7002", "warning")
    assert says in found.message


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("env SHOP_DB_USER, SHOP_DB_PASSWORD", 'file "login.cnf"', "a login from a file"),
    ],
)
def test_refused(before: str, after: str, says: str) -> None:
    text = PLAIN.replace(before, after)
    assert check(text).diagnostics == ()
    (found,) = compiled(text).diagnostics
    assert (found.code, found.severity) == ("BKP7001", "error")
    assert says in found.message


@pytest.mark.parametrize("way", ["timepoint", "increment", "files"])
def test_every_way_back_is_there(way: str) -> None:
    assert compiled(PLAIN.replace("hot  to", f"recover by {way}\n  hot  to")).diagnostics == ()


def test_growth_is_looked_at_by_check() -> None:
    assert compiled(PLAIN.replace("size 1GiB", "size 1GiB grows 2%/month")).diagnostics == ()


def test_an_override_is_told_beside_its_policy() -> None:
    text = SMALL.replace("  keep 14d\n", "  lock 14d\n")
    text = text.replace("protect shop with basic", "protect shop with basic { lock 30d }\nprotect other with basic")
    text += 'database other at here { mysql "o" credentials env A, B size 1GiB writes 1MiB/h }\n'
    told = [text[one.primary.span.start : one.primary.span.end] for one in compiled(text).diagnostics]
    assert told == ["lock 14d", "lock 30d"]


def test_one_clause_for_two_databases_is_told_once() -> None:
    text = SMALL.replace("  keep 14d\n", "  lock 14d\n").replace("protect shop with", "protect shop, other with")
    text += 'database other at here { mysql "o" credentials env A, B size 1GiB writes 1MiB/h }\n'
    assert len(compiled(text).diagnostics) == 1


def test_a_lock_on_buckets_alone_is_carried_out() -> None:
    bucket = 'oss "backup" endpoint "https://oss.example.com" credentials env OSS_ID, OSS_SECRET'
    text = PLAIN.replace('store far at there { directory "backups" }', f"store far at there {{ {bucket} }}")
    text = text.replace("to disk, far", "to far").replace("to disk", "to far")
    text = text.replace("hot  to far", "lock 14d\n  hot  to far")
    assert compiled(text).diagnostics == ()
    (found,) = compiled(text.replace("to far every 2s", "to far, disk every 2s")).diagnostics
    assert "lock a directory (`disk`)" in found.message
