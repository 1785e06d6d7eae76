"""Which operation a request asks for, and the action a policy must allow for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.asked import Asked
from tests.oss_server.operations import (
    bucket,
    copy,
    delete,
    documents,
    get,
    listing,
    multipart,
    object_lock,
    object_settings,
    post,
    put,
    replication,
    retention,
)
from tests.oss_server.refusal import Refusal
from tests.oss_server.service import Call

Operation = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`action` as policies name it; empty when the operation asks for permission key by key."""

    action: str
    operation: Operation


def _no_channels(call: Call) -> Answer:
    """ListLiveChannel: there are none; live streaming is no part of this server."""
    content = {"Prefix": "", "Marker": "", "MaxKeys": "100", "IsTruncated": "false", "NextMarker": ""}
    return xml_answer("ListLiveChannelResult", content if call.bucket else {})


def _put(call: Call) -> Answer:
    return copy.copy_object(call) if "x-oss-copy-source" in call.asked.headers else put.put_object(call)


def _part(call: Call) -> Answer:
    copies = "x-oss-copy-source" in call.asked.headers
    return copy.upload_part_copy(call) if copies else multipart.upload_part(call)


SERVICE: dict[tuple[str, str], Route] = {
    ("GET", ""): Route("oss:ListBuckets", bucket.list_buckets),
    ("GET", "regions"): Route("oss:DescribeRegions", bucket.regions),
    ("PUT", "publicAccessBlock"): Route("oss:PutPublicAccessBlock", documents.put_account_block),
    ("GET", "publicAccessBlock"): Route("oss:GetPublicAccessBlock", documents.get_account_block),
    ("DELETE", "publicAccessBlock"): Route("oss:DeletePublicAccessBlock", documents.delete_account_block),
}

BUCKET: dict[tuple[str, str], Route] = {
    ("PUT", ""): Route("oss:PutBucket", bucket.create),
    ("DELETE", ""): Route("oss:DeleteBucket", bucket.delete),
    ("GET", ""): Route("oss:ListObjects", listing.list_objects),
    ("HEAD", ""): Route("oss:GetBucketInfo", lambda call: Answer(200 if call.bucket else 404)),
    ("GET", "list-type"): Route("oss:ListObjects", listing.list_objects_v2),
    ("GET", "versions"): Route("oss:ListObjectVersions", listing.list_versions),
    ("GET", "uploads"): Route("oss:ListMultipartUploads", multipart.list_uploads),
    ("POST", ""): Route("", post.post_object),
    ("POST", "delete"): Route("", delete.delete_many),
    ("PUT", "acl"): Route("oss:PutBucketAcl", bucket.put_acl),
    ("GET", "acl"): Route("oss:GetBucketAcl", bucket.get_acl),
    ("PUT", "versioning"): Route("oss:PutBucketVersioning", bucket.put_versioning),
    ("GET", "versioning"): Route("oss:GetBucketVersioning", bucket.get_versioning),
    ("GET", "location"): Route("oss:GetBucketLocation", bucket.location),
    ("GET", "bucketInfo"): Route("oss:GetBucketInfo", bucket.info),
    ("GET", "stat"): Route("oss:GetBucketStat", bucket.stat),
    ("GET", "live"): Route("oss:ListLiveChannel", _no_channels),
    ("POST", "worm"): Route("oss:InitiateBucketWorm", retention.begin),
    ("GET", "worm"): Route("oss:GetBucketWorm", retention.look),
    ("DELETE", "worm"): Route("oss:AbortBucketWorm", retention.abort),
    ("POST", "wormExtend"): Route("oss:ExtendBucketWorm", retention.extend),
    ("POST", "wormId"): Route("oss:CompleteBucketWorm", retention.complete),
    ("POST", "replication"): Route("oss:PutBucketReplication", replication.change),
    ("GET", "replication"): Route("oss:GetBucketReplication", replication.look),
    ("GET", "replicationLocation"): Route("oss:GetBucketReplicationLocation", replication.locations),
    ("GET", "replicationProgress"): Route("oss:GetBucketReplicationProgress", replication.progress),
    ("PUT", "rtc"): Route("oss:PutBucketRtc", replication.time_control),
    ("GET", "policyStatus"): Route("oss:GetBucketPolicyStatus", documents.policy_status),
}

for _name in documents.KINDS:
    _title = {"accessmonitor": "BucketAccessMonitor", "bucketArchiveDirectRead": "BucketArchiveDirectRead"}.get(
        _name, f"Bucket{_name[0].upper()}{_name[1:]}"
    )
    BUCKET["PUT", _name] = Route(f"oss:Put{_title}", partial(documents.put, name=_name))
    BUCKET["GET", _name] = Route(f"oss:Get{_title}", partial(documents.get, name=_name))
    BUCKET["DELETE", _name] = Route(f"oss:Delete{_title}", partial(documents.delete, name=_name))

OBJECT: dict[tuple[str, str], Route] = {
    ("PUT", ""): Route("oss:PutObject", _put),
    ("GET", ""): Route("oss:GetObject", get.get_object),
    ("HEAD", ""): Route("oss:GetObject", get.head_object),
    ("DELETE", ""): Route("oss:DeleteObject", delete.delete_object),
    ("HEAD", "objectMeta"): Route("oss:GetObject", get.get_meta),
    ("POST", "append"): Route("oss:PutObject", put.append_object),
    ("POST", "seal"): Route("oss:PutObject", object_settings.seal),
    ("PUT", "symlink"): Route("oss:PutObject", put.put_symlink),
    ("GET", "symlink"): Route("oss:GetObject", put.get_symlink),
    ("PUT", "acl"): Route("oss:PutObjectAcl", object_settings.put_acl),
    ("GET", "acl"): Route("oss:GetObjectAcl", object_settings.get_acl),
    ("PUT", "tagging"): Route("oss:PutObjectTagging", object_settings.put_tags),
    ("GET", "tagging"): Route("oss:GetObjectTagging", object_settings.get_tags),
    ("DELETE", "tagging"): Route("oss:DeleteObjectTagging", object_settings.delete_tags),
    ("PUT", "retention"): Route("oss:PutObjectRetention", object_lock.put_retention),
    ("GET", "retention"): Route("oss:GetObjectRetention", object_lock.get_retention),
    ("PUT", "legalHold"): Route("oss:PutObjectLegalHold", object_lock.put_hold),
    ("GET", "legalHold"): Route("oss:GetObjectLegalHold", object_lock.get_hold),
    ("POST", "restore"): Route("oss:RestoreObject", object_settings.restore),
    ("POST", "cleanRestoredObject"): Route("oss:CleanRestoredObject", object_settings.clean_restored),
    ("POST", "uploads"): Route("oss:PutObject", multipart.begin),
    ("PUT", "uploadId"): Route("oss:PutObject", _part),
    ("POST", "uploadId"): Route("oss:PutObject", multipart.complete),
    ("DELETE", "uploadId"): Route("oss:AbortMultipartUpload", multipart.abort),
    ("GET", "uploadId"): Route("oss:ListParts", multipart.list_parts),
}

# Sub-resources of OSS that this server knows by name only: refused, never mistaken for a plain request.
# fmt: off
ELSEWHERE = frozenset({
    "accessPoint", "accessPointPolicy", "accessPointForObjectProcess", "asyncFetch", "callbackPolicy", "cloudboxes",
    "cname", "img", "inventory", "live", "metaQuery", "post", "qos", "qosInfo", "qosRequester",
    "redundancyTransition", "requesterQosInfo", "resourceGroup", "resourcePool", "resourcePoolBuckets",
    "resourcePoolInfo", "style",
    "userDefinedLogFieldsConfig", "vod", "x-oss-process", "x-oss-async-process", "x-oss-write-get-object-response",

})
# fmt: on


def makes_bucket(asked: Asked) -> bool:
    """Whether it is fine that the bucket isn't there yet."""
    return not asked.key and asked.method == "PUT" and not asked.query.keys() - {"acl"}


def writes_a_name(asked: Asked) -> bool:
    """Whether it makes an object: its name counts among those that follow one another."""
    return bool(asked.key) and (
        (asked.method == "PUT" and not asked.query.keys() & {"acl", "tagging", "uploadId", "retention", "legalHold"})
        or (asked.method == "POST" and bool(asked.query.keys() & {"append", "uploads"}))
    )


def route(asked: Asked) -> Route:
    """The operation; refused with NotImplemented when this server has none."""
    table = OBJECT if asked.key else BUCKET if asked.bucket else SERVICE
    named = [name for (method, name) in table if name and method == asked.method and name in asked.query]
    strange = sorted(name for name in asked.query if name in ELSEWHERE and name not in named)
    found = table.get((asked.method, named[0] if named else ""))
    if found is None or strange:
        what = f"{asked.method} {strange[0] if strange else ''}".strip()
        text = f"A header or query you provided implies functionality that is not implemented here: {what}."
        raise Refusal(501, "NotImplemented", text, ec="0000-00000501")
    if found.operation is replication.change and asked.query.get("comp") == "delete":
        return Route("oss:DeleteBucketReplication", found.operation)
    if "versionId" in asked.query and table is OBJECT:
        return Route(found.action.replace("Object", "ObjectVersion", 1), found.operation)
    return found
