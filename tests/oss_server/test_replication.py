"""Replication between two regions, on the virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import oss2
import pytest
from oss2.models import ReplicationRule

from tests.oss_server import KEY_ID, KEY_SECRET, OssServer

HOUR = timedelta(hours=1)
VERSIONING: Any = oss2.models.BucketVersioningConfig


@pytest.fixture
def beijing(server: OssServer, tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "beijing", region="cn-beijing") as other:
        other.bucket("copy")
        server.neighbours(other)
        yield other
        assert other.problems == []


@pytest.fixture
def copy(beijing: OssServer) -> Any:
    return oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), beijing.endpoint, "copy", region="cn-beijing")


def rule(**changes: Any) -> ReplicationRule:
    wanted = {"rule_id": "r", "target_bucket_name": "copy", "target_bucket_location": "oss-cn-beijing", **changes}
    return ReplicationRule(**wanted)


def keys(bucket: Any) -> list[str]:
    return [one.key for one in oss2.ObjectIterator(bucket)]


def test_what_is_there_and_what_comes_is_copied_later_and_below_its_prefix(
    server: OssServer, bucket: Any, copy: Any
) -> None:
    bucket.put_object("shop/old", b"before", headers={"x-oss-meta-a": "b"})
    bucket.put_object("wiki/old", b"not ours")
    bucket.put_bucket_replication(rule(prefix_list=["shop/"], action_list=["PUT"]))
    bucket.put_object("shop/new", b"after")
    assert bucket.get_bucket_replication().rule_list[0].status == "starting"
    assert keys(copy) == []
    server.advance(timedelta(minutes=1))
    assert keys(copy) == [], "asynchronous"
    server.advance(HOUR)
    assert keys(copy) == ["shop/new", "shop/old"]
    found = copy.get_object("shop/old")
    assert (found.read(), found.headers["x-oss-meta-a"]) == (b"before", "b")
    assert bucket.head_object("shop/old").last_modified == copy.head_object("shop/old").last_modified
    assert bucket.get_bucket_replication_progress("r").progress.historical_object_progress == 1
    bucket.delete_object("shop/old")
    bucket.put_object("shop/new", b"changed")
    server.advance(HOUR)
    assert keys(copy) == ["shop/new", "shop/old"], "a deletion is not copied"
    assert copy.get_object("shop/new").read() == b"changed"


def test_deletions_are_copied_where_the_rule_says_all(server: OssServer, bucket: Any, copy: Any) -> None:
    bucket.put_bucket_replication(rule())
    bucket.put_object("a", b"x")
    server.advance(HOUR)
    copy.put_object("b", b"its own")
    bucket.delete_object("a")
    server.advance(HOUR)
    assert keys(copy) == ["b"]


def test_a_rule_without_older_objects_and_one_that_is_closed(server: OssServer, bucket: Any, copy: Any) -> None:
    bucket.put_object("old", b"x")
    server.advance(HOUR)
    bucket.put_bucket_replication(rule(is_enable_historical_object_replication=False))
    bucket.put_object("new", b"x")
    server.advance(HOUR)
    assert keys(copy) == ["new"]
    bucket.delete_bucket_replication("r")
    assert bucket.get_bucket_replication().rule_list[0].status == "closing"
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.put_bucket_replication(rule())
    bucket.put_object("newer", b"x")
    server.advance(HOUR)
    assert keys(copy) == ["new"]
    with pytest.raises(oss2.exceptions.ServerError, match="NoSuchReplicationConfiguration"):
        bucket.get_bucket_replication()


def test_a_lock_at_the_copy_keeps_what_arrived(server: OssServer, bucket: Any, copy: Any) -> None:
    copy.complete_bucket_worm(copy.init_bucket_worm(30).worm_id)
    bucket.put_bucket_replication(rule())
    bucket.put_object("a", b"first")
    server.advance(HOUR)
    bucket.put_object("a", b"second")
    assert "not copied over what is retained" in server.advance(HOUR)[0]
    assert copy.get_object("a").read() == b"first"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"target_bucket_name": "missing"}, "InvalidTargetBucket"),
        ({"target_bucket_location": "oss-cn-nowhere"}, "InvalidTargetLocation"),
        ({"target_bucket_name": "backup", "target_bucket_location": "oss-cn-hangzhou"}, "InvalidTargetBucket"),
        ({"action_list": ["EVERYTHING"]}, "MalformedXML"),
        ({"prefix_list": [str(number) for number in range(11)]}, "MalformedXML"),
    ],
)
def test_what_is_refused(server: OssServer, bucket: Any, copy: Any, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(oss2.exceptions.ServerError, match=code):
        bucket.put_bucket_replication(rule(**changes))


def test_both_keep_versions_or_neither(server: OssServer, bucket: Any, copy: Any) -> None:
    copy.put_bucket_versioning(VERSIONING("Enabled"))
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidBucketState"):
        bucket.put_bucket_replication(rule())
    bucket.put_bucket_versioning(VERSIONING("Enabled"))
    bucket.put_object("a", b"1")
    bucket.put_object("a", b"2")
    bucket.delete_object("a")
    bucket.put_bucket_replication(rule(action_list=["PUT"]))
    server.advance(HOUR)
    assert keys(copy) == []
    found = [(one.key, one.versionid) for one in copy.list_object_versions().versions]
    assert found == [(one.key, one.versionid) for one in bucket.list_object_versions().versions]
    assert copy.get_object("a", params={"versionId": found[1][1]}).read() == b"1"
