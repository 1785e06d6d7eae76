"""RAM policies, bucket policies, and who may do what with a key of another account."""

from __future__ import annotations

import json
from typing import Any

import oss2
import pytest

from tests.oss_server import REGION, OssServer
from tests.oss_server.accounts import UID, Account

PART = 100 * 1024


def allow(*actions: str, resource: str = "backup/shop/*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": [f"acs:oss:*:*:{resource}"]}


def deny(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {**allow(*actions, resource=resource), "Effect": "Deny"}


def opened(server: OssServer, *statements: dict[str, Any], uid: str = UID) -> Any:
    policies = (json.dumps({"Version": "1", "Statement": statements}),) if statements else ()
    server.service.keys.add("limited", "secret", Account(uid, policies))
    return oss2.Bucket(oss2.AuthV4("limited", "secret"), server.endpoint, "backup", region=REGION)


def refused(work: Any, *given: Any, **named: Any) -> None:
    with pytest.raises(oss2.exceptions.AccessDenied):
        work(*given, **named)


def test_a_writer_without_delete(server: OssServer) -> None:
    writer = opened(server, allow("oss:PutObject"))
    writer.put_object("shop/a", b"x")
    upload = writer.init_multipart_upload("shop/b").upload_id
    part = writer.upload_part("shop/b", upload, 1, bytes(PART))
    writer.complete_multipart_upload("shop/b", upload, [oss2.models.PartInfo(1, part.etag)])
    refused(writer.delete_object, "shop/a")
    refused(writer.batch_delete_objects, ["shop/a"])
    refused(writer.get_object, "shop/a")
    refused(writer.put_object, "else/a", b"x")
    refused(writer.list_objects_v2, "shop/")
    refused(writer.put_object, "shop/a", b"x", headers={"x-oss-tagging": "a=b"})
    refused(writer.copy_object, "backup", "shop/a", "shop/c")
    refused(writer.get_bucket_lifecycle)


def test_a_restorer_reads_only(server: OssServer, bucket: Any) -> None:
    bucket.put_object("shop/a", b"x")
    reader = opened(server, allow("oss:GetObject"), allow("oss:ListObjects", resource="backup"))
    assert reader.get_object("shop/a").read() == b"x"
    assert [one.key for one in reader.list_objects_v2("shop/").object_list] == ["shop/a"]
    refused(reader.put_object, "shop/a", b"x")
    refused(reader.delete_object, "shop/a")
    refused(reader.list_object_versions)


def test_versions_need_their_own_permission(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    version = bucket.put_object("shop/a", b"x").versionid
    expirer = opened(server, allow("oss:DeleteObject"))
    expirer.batch_delete_objects(["shop/a"])
    refused(expirer.delete_object, "shop/a", params={"versionId": version})


def test_deny_wins(server: OssServer) -> None:
    limited = opened(server, allow("oss:*", resource="*"), deny("oss:DeleteObject*"))
    limited.put_object("shop/a", b"x")
    refused(limited.delete_object, "shop/a")


def test_another_account_needs_the_buckets_policy(server: OssServer, bucket: Any) -> None:
    other = opened(server, uid="42")
    refused(other.put_object, "shop/a", b"x")
    statement = {**allow("oss:PutObject"), "Principal": ["42"]}
    bucket.put_bucket_policy(json.dumps({"Version": "1", "Statement": [statement]}))
    other.put_object("shop/a", b"x")
    refused(other.put_object, "else/a", b"x")
    refused(other.get_object, "shop/a")


def test_https_only_is_a_policy(server: OssServer, bucket: Any) -> None:
    insecure = {"Condition": {"Bool": {"acs:SecureTransport": ["false"]}}, "Principal": ["*"]}
    bucket.put_bucket_policy(json.dumps({"Version": "1", "Statement": [{**deny("oss:*"), **insecure}]}))
    refused(bucket.put_object, "shop/a", b"x")
