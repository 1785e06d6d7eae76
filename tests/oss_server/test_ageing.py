"""Lifecycle rules, run on the virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import oss2
import pytest
from oss2.models import AbortMultipartUpload, BucketLifecycle, LifecycleExpiration, LifecycleRule, StorageTransition

from tests.oss_server import OssServer


def rule(prefix: str = "", days: int | None = None, **more: Any) -> LifecycleRule:
    expiration = LifecycleExpiration(days=days) if days else None
    return LifecycleRule(f"rule-{prefix}-{days}", prefix, status="Enabled", expiration=expiration, **more)


def days(count: int) -> timedelta:
    return timedelta(days=count)


def keys(bucket: Any) -> list[str]:
    return [one.key for one in oss2.ObjectIterator(bucket)]


def test_a_rule_loads_within_a_day_and_expires_what_is_due(server: OssServer, bucket: Any) -> None:
    bucket.put_object("log/old", b"x")
    server.advance(days(5))
    bucket.put_bucket_lifecycle(BucketLifecycle([rule("log/", 3)]))
    bucket.put_object("log/new", b"x")
    bucket.put_object("other", b"x")
    assert server.advance(timedelta(hours=23, minutes=59)) == []
    assert server.advance(days(1)) == ["backup: expire log/old"]
    assert keys(bucket) == ["log/new", "other"]
    assert server.advance(days(3)) == ["backup: expire log/new"]
    assert keys(bucket) == ["other"]


def test_objects_grow_colder_and_stay_so(server: OssServer, bucket: Any) -> None:
    moves = [StorageTransition(days=2, storage_class="IA"), StorageTransition(days=5, storage_class="ColdArchive")]
    bucket.put_object("a", b"x")
    bucket.put_bucket_lifecycle(BucketLifecycle([rule(storage_transitions=moves)]))
    seen = []
    for _ in range(8):
        server.advance(days(1))
        seen.append(bucket.head_object("a").headers["x-oss-storage-class"])
    assert seen == sorted(seen, key=["Standard", "IA", "ColdArchive"].index)
    assert (seen[0], seen[3], seen[7]) == ("Standard", "IA", "ColdArchive")
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidObjectState"):
        bucket.get_object("a")


def test_versions_leave_markers_and_old_ones_go_by_themselves(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    first = bucket.put_object("a", b"1").versionid
    second = bucket.put_object("a", b"2").versionid
    old = oss2.models.NoncurrentVersionExpiration(2)
    bucket.put_bucket_lifecycle(BucketLifecycle([rule(days=10, noncurrent_version_expiration=old)]))
    done = server.advance(days(5))
    assert done == [f"backup: expire a {first}"]
    assert server.advance(days(6)) == ["backup: expire a"]
    listed = bucket.list_object_versions()
    assert [one.versionid for one in listed.versions] == [second]
    assert [one.key for one in listed.delete_marker] == ["a"]
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket.get_object("a")
    assert bucket.get_object("a", params={"versionId": second}).read() == b"2"


def test_orphaned_uploads_are_aborted(server: OssServer, bucket: Any) -> None:
    bucket.init_multipart_upload("a")
    bucket.put_bucket_lifecycle(BucketLifecycle([rule(abort_multipart_upload=AbortMultipartUpload(days=3))]))
    assert server.advance(days(2)) == []
    assert len(server.advance(days(3))) == 1
    assert list(oss2.MultipartUploadIterator(bucket)) == []


def test_what_is_locked_does_not_expire(server: OssServer, bucket: Any) -> None:
    bucket.put_object("a", b"x")
    worm = bucket.init_bucket_worm(30).worm_id
    bucket.complete_bucket_worm(worm)
    bucket.put_bucket_lifecycle(BucketLifecycle([rule(days=3)]))
    assert server.advance(days(29)) == []
    assert keys(bucket) == ["a"]
    assert server.advance(days(3)) == ["backup: expire a"]


def test_putting_rules_replaces_those_that_were_there(bucket: Any) -> None:
    bucket.put_bucket_lifecycle(BucketLifecycle([rule("a/", 3)]))
    bucket.put_bucket_lifecycle(BucketLifecycle([rule("b/", 3)]))
    assert [one.prefix for one in bucket.get_bucket_lifecycle().rules] == ["b/"]


@pytest.mark.parametrize(
    "moves",
    [
        [("Archive", 5), ("IA", 5)],
        [("ColdArchive", 3), ("Archive", 9)],
        [("Standard", 3)],
    ],
)
def test_thresholds_must_rise_with_the_cold(bucket: Any, moves: list[tuple[str, int]]) -> None:
    steps = [StorageTransition(days=count, storage_class=name) for name, count in moves]
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.put_bucket_lifecycle(BucketLifecycle([rule(storage_transitions=steps)]))
