"""What a plan asks of its buckets: from the policies that write to them."""

from __future__ import annotations

import pytest

from bkpc_grammar.plan import StoreSettings
from tests.compiler.one_file import planned

BUCKET = 'oss "{0}" endpoint "https://oss.example.com" credentials env OSS_ID, OSS_SECRET'
POLICY = """\
edition 1

site here {{ region "cn-hangzhou" }}
store disk at here {{ directory "backups" }}
store near at here {{ {near} }}
store far  at here {{ {far} }}

database shop at here {{
  mysql "127.0.0.1:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}
database wiki at here {{
  mysql "127.0.0.2:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}

policy basic {{
  promise against corruption {{ rpo 2d }}
  full daily at 02:00 within 1h to near
  {more}
}}
policy other {{
  promise against corruption {{ rpo 2d }}
  full daily at 04:00 within 1h to disk, far
  {others}
}}

protect shop with basic
protect wiki with other
"""


def settings(more: str = "", others: str = "", near: str = BUCKET.format("near")) -> dict[str, StoreSettings]:
    text = POLICY.format(near=near, far=BUCKET.format("far"), more=more, others=others)
    return {one.store: one for one in planned(text).settings}


def test_directories_have_none_and_buckets_are_encrypted_and_closed() -> None:
    found = settings()
    assert sorted(found) == ["far", "near"]
    for one in found.values():
        assert (one.server_side_encryption, one.block_public_access, one.https_only) == (True, True, True)
        assert (one.worm_ms, one.versioning, one.needed_days) == (None, "any", None)


def test_the_longest_lock_of_a_bucket_counts_and_no_other_buckets() -> None:
    found = settings("keep 60d\n  lock 40d", "keep 50d\n  lock 36h")
    assert (found["near"].worm_ms, found["far"].worm_ms) == (40 * 86_400_000, 36 * 3_600_000)
    assert found["near"].versioning == "not-suspended"
    assert (found["near"].noncurrent_days, found["far"].noncurrent_days) == (40, 30)
    shared = settings("full daily at 10:00 within 1h to far\n  keep 60d\n  lock 40d", "keep 50d\n  lock 36h")
    assert shared["far"].worm_ms == 40 * 86_400_000
    assert shared["far"].needed_days == 62


def test_a_bucket_is_plain_where_its_endpoint_is() -> None:
    plain = BUCKET.format("near").replace("https://oss.example.com", "http://127.0.0.1:8000")
    found = settings(near=plain)
    assert (found["near"].https_only, found["far"].https_only) == (False, True)


@pytest.mark.parametrize(
    ("keep", "days"),
    [
        ("keep 14d", 16),
        ("keep 36h", 4),
        ("keep 14d, 3 weekly", 23),
        ("keep 14d, 12 monthly", 374),
        ("keep 14d, 7 yearly", 2564),
        ("keep 40d\n  lock 60d", 62),
        ("lock 60d", None),
    ],
)
def test_how_long_objects_are_needed(keep: str, days: int | None) -> None:
    assert settings(keep)["near"].needed_days == days


def test_one_that_keeps_for_ever_keeps_all_of_the_bucket() -> None:
    found = settings("keep 14d", "")
    assert (found["near"].needed_days, found["far"].needed_days) == (16, None)


def test_no_upload_of_a_job_that_may_still_run_is_dropped() -> None:
    assert settings()["near"].unfinished_uploads_days == 3
    slow = settings("full weekly on sunday at 02:00 within 40h to near")["near"]
    assert slow.unfinished_uploads_days == 10  # three times the window, twice


AWAY = 'site there { region "cn-beijing" }\nstore away at there { ' + BUCKET.format("away") + " }\n"


def test_a_copy_that_oss_keeps_is_set_like_its_source_and_never_locked() -> None:
    near = BUCKET.format("near") + ' replicates to away role "copier"'
    text = POLICY.format(near=near, far=BUCKET.format("far"), more="keep 60d\n  lock 40d", others="") + AWAY
    plan = planned(text)
    found = {one.store: one for one in plan.settings}
    assert (found["near"].replicates_to, found["near"].replication_role) == ("away", "copier")
    assert (found["near"].worm_ms, found["away"].worm_ms) == (40 * 86_400_000, None)
    assert (found["away"].needed_days, found["away"].replicates_to) == (found["near"].needed_days, None)
    assert [one.name for one in plan.estate.stores] == ["away", "disk", "far", "near"]
    without = planned(text.replace(' replicates to away role "copier"', ""))
    assert [one.store for one in without.settings] == ["far", "near"]
    assert plan.objectives == without.objectives, "no proof counts on it"
    assert plan.recoveries == without.recoveries
