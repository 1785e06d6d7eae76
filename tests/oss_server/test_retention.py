"""What may not be changed: WORM with its lapse, forbidden overwrites with their exception, legal holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import oss2
import pytest
import requests

from tests.oss_server import OssServer

FORBID = {"x-oss-forbid-overwrite": "true"}


def test_a_policy_lapses_unless_completed_within_a_day(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(10)
    bucket.put_object("a", b"x")
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.delete_object("a")
    server.advance(timedelta(hours=23, minutes=59))
    assert bucket.get_bucket_worm().state == "InProgress"
    server.advance(timedelta(minutes=2))
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        bucket.get_bucket_worm()
    bucket.delete_object("a")


def test_a_completed_policy_holds_and_can_only_be_extended(server: OssServer, bucket: Any) -> None:
    worm = bucket.init_bucket_worm(2).worm_id
    bucket.complete_bucket_worm(worm)
    bucket.put_object("a", b"x")
    server.advance(timedelta(days=1, hours=23))
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.delete_object("a")
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.put_object("a", b"y")
    with pytest.raises(oss2.exceptions.WORMConfigurationLocked):
        bucket.abort_bucket_worm()
    with pytest.raises(oss2.exceptions.InvalidWORMConfiguration):
        bucket.extend_bucket_worm(worm, 1)
    bucket.extend_bucket_worm(worm, 4)
    server.advance(timedelta(days=1))
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.delete_object("a")
    server.advance(timedelta(days=2))
    bucket.delete_object("a")


def test_appending_is_refused_under_a_policy(bucket: Any) -> None:
    bucket.init_bucket_worm(1)
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.append_object("a", 0, b"x")


def test_under_a_policy_versions_are_added_and_not_taken(bucket: Any) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    bucket.complete_bucket_worm(bucket.init_bucket_worm(5).worm_id)
    first = bucket.put_object("a", b"1").versionid
    bucket.put_object("a", b"2")
    assert bucket.delete_object("a").delete_marker
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.delete_object("a", params={"versionId": first})
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidBucketState"):
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Suspended"))


def test_overwriting_is_forbidden_by_request(bucket: Any) -> None:
    bucket.put_object("a", b"1", headers=FORBID)
    with pytest.raises(oss2.exceptions.ServerError, match="FileAlreadyExists") as raised:
        bucket.put_object("a", b"2", headers=FORBID)
    assert raised.value.status == 409
    assert bucket.get_object("a").read() == b"1"
    upload = bucket.init_multipart_upload("b").upload_id
    part = bucket.upload_part("b", upload, 1, b"x")
    bucket.put_object("b", b"first")
    parts = [oss2.models.PartInfo(1, part.etag)]
    with pytest.raises(oss2.exceptions.ServerError, match="FileAlreadyExists"):
        bucket.complete_multipart_upload("b", upload, parts, headers=FORBID)
    with pytest.raises(oss2.exceptions.ServerError, match="FileAlreadyExists"):
        bucket.copy_object("backup", "a", "b", headers=FORBID)


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_where_versions_are_kept_it_is_ignored(bucket: Any, status: str) -> None:
    bucket.put_object("a", b"1")
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig(status))
    bucket.put_object("a", b"2", headers=FORBID)
    assert bucket.get_object("a").read() == b"2"


def test_a_version_that_is_held_stays(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    config = "<ObjectWormConfiguration><ObjectWormEnabled>Enabled</ObjectWormEnabled></ObjectWormConfiguration>"
    bucket._do("PUT", "backup", "", params={"objectWorm": ""}, data=config)
    version = bucket.put_object("a", b"1").versionid
    hold = "<LegalHold><Status>{}</Status></LegalHold>"
    bucket._do("PUT", "backup", "a", params={"legalHold": ""}, data=hold.format("ON"))
    with pytest.raises(oss2.exceptions.ServerError, match="FileImmutable"):
        bucket.delete_object("a", params={"versionId": version})
    bucket._do("PUT", "backup", "a", params={"legalHold": ""}, data=hold.format("OFF"))
    bucket.delete_object("a", params={"versionId": version})


def test_public_access_is_blocked_on_new_buckets(server: OssServer, bucket: Any) -> None:
    bucket.create_bucket()
    fresh = oss2.Bucket(bucket.auth, server.endpoint, "fresh-bucket", region=server.region)
    fresh.create_bucket()
    with pytest.raises(oss2.exceptions.AccessDenied):
        fresh.put_bucket_acl("public-read")
    fresh.put_object("a", b"x")
    with pytest.raises(oss2.exceptions.AccessDenied):
        fresh.put_object_acl("a", "public-read")
    assert requests.get(f"{server.endpoint}/fresh-bucket/a", timeout=5).status_code == 403
    fresh.put_bucket_public_access_block(False)
    fresh.put_bucket_acl("public-read")
    assert requests.get(f"{server.endpoint}/fresh-bucket/a", timeout=5).content == b"x"
