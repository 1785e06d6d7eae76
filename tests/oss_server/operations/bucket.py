"""Buckets themselves: create, delete, information, ACL, versioning; and the list of them."""

from __future__ import annotations

import re

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.asked import whole_number
from tests.oss_server.authorization import blocked
from tests.oss_server.clock import iso
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.operations.attributes import ENCRYPTION, STORAGE_CLASSES, element, encryption
from tests.oss_server.operations.documents import encryption_rule
from tests.oss_server.operations.retention import lock_of
from tests.oss_server.refusal import Refusal, access_denied, invalid_argument, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.settings import Settings
from tests.oss_server.versions import Version
from tests.oss_server.xml import Node, parsed, text_of

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
ACLS = ("private", "public-read", "public-read-write")
_ZONED = ("Standard", "IA", "Archive")
_BLOCK = "<PublicAccessBlockConfiguration><BlockPublicAccess>{}</BlockPublicAccess></PublicAccessBlockConfiguration>"
_STAT = {
    "Standard": "Standard",
    "IA": "InfrequentAccess",
    "Archive": "Archive",
    "ColdArchive": "ColdArchive",
    "DeepColdArchive": "DeepColdArchive",
}


def create(call: Call) -> Answer:
    """PutBucket: again on one's own changes its ACL; on another's it conflicts."""
    service, name = call.service, call.asked.bucket
    if not _NAME.fullmatch(name):
        details = {"BucketName": name}
        raise Refusal(
            400, "InvalidBucketName", "The specified bucket is not valid.", ec="0015-00000001", details=details
        )
    acl = _acl(call.asked.headers.get("x-oss-acl", "private"))
    fresh = Settings(acl=acl, owner=call.account.uid if call.account else "")
    body = call.body.all()
    if body.strip():
        root = element(body, "CreateBucketConfiguration")
        fresh.storage_class = text_of(root, "StorageClass", "Standard").strip() or "Standard"
        fresh.redundancy = text_of(root, "DataRedundancyType", "LRS").strip() or "LRS"
    if fresh.storage_class not in STORAGE_CLASSES or fresh.redundancy not in {"LRS", "ZRS"}:
        raise invalid_argument("Invalid storage class or redundancy.", ec="0015-00000204")
    if fresh.redundancy == "ZRS" and fresh.storage_class not in _ZONED:
        raise invalid_argument("The storage class has no zone redundancy.", ec="0015-00000205")
    if ENCRYPTION in call.asked.headers:
        fresh.documents["encryption"] = encryption_rule(encryption(call.asked.headers, fresh)).decode()
    fresh.resource_group = call.asked.headers.get("x-oss-resource-group-id", fresh.resource_group)
    old = service.buckets.get(name)
    if old and (call.account is None or old.settings.owner != call.account.uid):
        text = "The requested bucket name is not available. The bucket namespace is shared by all users of the system."
        raise Refusal(409, "BucketAlreadyExists", text, ec="0015-00000104")
    if old:
        if acl != "private" and blocked(call):
            raise access_denied("Put public bucket acl is not allowed")
        old.settings.acl = acl if "x-oss-acl" in call.asked.headers else old.settings.acl
        old.save()
        return done(200, {"Location": f"/{name}"})
    if service.options.blocks_public:
        if acl != "private":
            raise access_denied("Put public bucket acl is not allowed")
        fresh.documents["publicAccessBlock"] = _BLOCK.format("true")
    service.make(name, fresh)
    return done(200, {"Location": f"/{name}"})


def delete(call: Call) -> Answer:
    """DeleteBucket: only an empty one."""
    bucket = call.bucket
    if bucket.versions or bucket.uploads:
        details = {"BucketName": bucket.name}
        text = "The bucket you tried to delete is not empty."
        raise Refusal(409, "BucketNotEmpty", text, ec="0015-00000301", details=details)
    lock_of(call)
    call.service.unmake(bucket.name)
    return done(204)


def put_acl(call: Call) -> Answer:
    """PutBucketACL; like PutBucket, it makes a bucket that isn't there."""
    if call.asked.bucket not in call.service.buckets:
        return create(call)
    acl = _acl(call.asked.headers.get("x-oss-acl", ""))
    if acl != "private" and blocked(call):
        raise access_denied("Put public bucket acl is not allowed")
    call.bucket.settings.acl = acl
    call.bucket.save()
    return done()


def _acl(acl: str) -> str:
    if acl not in ACLS:
        raise invalid_argument("no such bucket access control exists", "x-oss-acl", acl, ec="0015-00000202")
    return acl


def get_acl(call: Call) -> Answer:
    """GetBucketACL."""
    settings = call.bucket.settings
    owner: Node = {"ID": settings.owner, "DisplayName": settings.owner}
    return xml_answer("AccessControlPolicy", {"Owner": owner, "AccessControlList": {"Grant": settings.acl}})


def put_versioning(call: Call) -> Answer:
    """PutBucketVersioning: never back to none; not suspended under a retention policy."""
    status = text_of(element(call.body.all(), "VersioningConfiguration"), "Status").strip()
    if status not in {"Enabled", "Suspended"}:
        raise malformed()
    if status == "Suspended" and lock_of(call):
        text = "Versioning can't be suspended under a retention policy."
        raise Refusal(409, "InvalidBucketState", text, ec="0055-00000009")
    call.bucket.settings.versioning = status
    call.bucket.save()
    return done()


def get_versioning(call: Call) -> Answer:
    """GetBucketVersioning."""
    return xml_answer("VersioningConfiguration", {"Status": call.bucket.settings.versioning or None})


def location(call: Call) -> Answer:
    """GetBucketLocation."""
    return xml_answer("LocationConstraint", f"oss-{call.service.region}")


def endpoints(call: Call, host: str) -> tuple[str, str]:
    """Extranet and intranet endpoint; at an address both are that address."""
    region = call.service.region
    if re.match(r"[\d.]+(:|$)|localhost", host):
        return host, host
    return f"oss-{region}.aliyuncs.com", f"oss-{region}-internal.aliyuncs.com"


def info(call: Call) -> Answer:
    """GetBucketInfo."""
    bucket, settings = call.bucket, call.bucket.settings
    rule = settings.documents.get("encryption", "")
    default = parsed(rule.encode()).find("ApplyServerSideEncryptionByDefault") if rule else None
    algorithm = text_of(default, "SSEAlgorithm") if default is not None else "None"
    sse: dict[str, Node] = {"SSEAlgorithm": algorithm}
    if default is not None and algorithm == "KMS":
        sse["KMSMasterKeyID"] = text_of(default, "KMSMasterKeyID")
        sse["KMSDataEncryption"] = text_of(default, "KMSDataEncryption") or None
    logging = settings.documents.get("logging", "")
    logged = parsed(logging.encode()) if logging else None
    monitor = "Enabled" if "<Status>Enabled" in settings.documents.get("accessmonitor", "") else "Disabled"
    extranet, intranet = endpoints(call, call.asked.host)
    content: dict[str, Node] = {
        "Name": bucket.name,
        "Location": f"oss-{call.service.region}",
        "CreationDate": iso(settings.created),
        "ExtranetEndpoint": extranet,
        "IntranetEndpoint": intranet,
        "Owner": {"ID": settings.owner, "DisplayName": settings.owner},
        "AccessControlList": {"Grant": settings.acl},
        "StorageClass": settings.storage_class,
        "DataRedundancyType": settings.redundancy,
        "ServerSideEncryptionRule": sse,
        "Versioning": settings.versioning or None,
        "AccessMonitor": monitor,
        "TransferAcceleration": "Disabled",
        "CrossRegionReplication": "Disabled",
        "ResourceGroupId": settings.resource_group,
        "BlockPublicAccess": blocked(call),
        "Comment": "",
        "BucketPolicy": {
            "LogBucket": text_of(logged, "LoggingEnabled/TargetBucket") if logged is not None else "",
            "LogPrefix": text_of(logged, "LoggingEnabled/TargetPrefix") if logged is not None else "",
        },
    }
    return xml_answer("BucketInfo", {"Bucket": content})


def stat(call: Call) -> Answer:
    """GetBucketStat: always up to date here, while OSS may be an hour behind."""
    bucket = call.bucket
    rows = [version for versions in list(bucket.versions.values()) for version in versions]
    objects = [version for version in rows if not version.deleted]
    content: dict[str, Node] = {
        "Storage": sum(version.size for version in objects),
        "ObjectCount": len(objects),
        "MultipartUploadCount": len(bucket.uploads),
        "LiveChannelCount": 0,
        "LastModifiedTime": max((version.modified for version in rows), default=0) // 1000,
    }
    for name in STORAGE_CLASSES:
        content |= _class_stat(name, [version for version in objects if version.storage_class == name])
    content["MultipartPartCount"] = sum(len(upload.parts) for upload in bucket.uploads.values())
    content["DeleteMarkerCount"] = len(rows) - len(objects)
    return xml_answer("BucketStat", content)


def _class_stat(name: str, objects: list[Version]) -> dict[str, Node]:
    """Colder objects are billed as 64 KiB at least: the first figure; the second is the real one."""
    title = _STAT[name]
    real = sum(version.size for version in objects)
    if name == "Standard":
        return {"StandardStorage": real, "StandardObjectCount": len(objects)}
    billed = sum(max(version.size, 64 * 1024) for version in objects)
    return {f"{title}Storage": billed, f"{title}RealStorage": real, f"{title}ObjectCount": len(objects)}


def list_buckets(call: Call) -> Answer:
    """ListBuckets (GetService): those of the account that asks."""
    if call.account is None:
        raise access_denied("Anonymous access is forbidden for this operation.")
    query, uid = call.asked.query, call.account.uid
    prefix, marker = query.get("prefix", ""), query.get("marker", "")
    most = whole_number(query.get("max-keys") or "100", "max-keys", 1, 1000)
    rows = [
        bucket
        for name, bucket in sorted(call.service.buckets.items())
        if name.startswith(prefix) and name > marker and bucket.settings.owner == uid and _wanted(call, bucket)
    ]
    page, more = rows[:most], len(rows) > most
    paged = bool(query.keys() & {"prefix", "marker", "max-keys"})
    content: dict[str, Node] = {
        "Prefix": prefix if paged else None,
        "Marker": marker if paged else None,
        "MaxKeys": most if paged else None,
        "IsTruncated": more if paged else None,
        "NextMarker": page[-1].name if more else None,
        "Owner": {"ID": uid, "DisplayName": uid},
        "Buckets": {"Bucket": [_row(call, bucket) for bucket in page]},
    }
    return xml_answer("ListAllMyBucketsResult", content)


def _wanted(call: Call, bucket: BucketOnDisk) -> bool:
    """Whether a listing by tag or resource group shows the bucket."""
    query, settings = call.asked.query, bucket.settings
    if call.asked.headers.get("x-oss-resource-group-id", settings.resource_group) != settings.resource_group:
        return False
    wanted: list[tuple[str, str | None]] = [(query["tag-key"], query.get("tag-value"))] if "tag-key" in query else []
    named = [one.replace('"', "").partition(":") for one in query.get("tagging", "").split(",") if one]
    wanted += [(key, value) for key, _, value in named]
    if not wanted:
        return True
    root = parsed(settings.documents.get("tagging", "<Tagging/>").encode())
    tags = {text_of(one, "Key"): text_of(one, "Value") for one in root.findall("TagSet/Tag")}
    return all(key in tags and value in {None, "", tags[key]} for key, value in wanted)


def _row(call: Call, bucket: BucketOnDisk) -> Node:
    extranet, intranet = endpoints(call, call.asked.host)
    return {
        "Name": bucket.name,
        "Location": f"oss-{call.service.region}",
        "Region": call.service.region,
        "CreationDate": iso(bucket.settings.created),
        "ExtranetEndpoint": extranet,
        "IntranetEndpoint": intranet,
        "StorageClass": bucket.settings.storage_class,
        "ResourceGroupId": bucket.settings.resource_group,
    }


REGIONS = (
    "cn-hangzhou",
    "cn-shanghai",
    "cn-beijing",
    "cn-shenzhen",
    "cn-chengdu",
    "cn-hongkong",
    "ap-southeast-1",
    "us-west-1",
)


def regions(call: Call) -> Answer:
    """DescribeRegions."""
    wanted = call.asked.query.get("regions", "")
    rows: list[Node] = [
        {
            "Region": f"oss-{name}",
            "InternetEndpoint": f"oss-{name}.aliyuncs.com",
            "InternalEndpoint": f"oss-{name}-internal.aliyuncs.com",
            "AccelerateEndpoint": "oss-accelerate.aliyuncs.com",
        }
        for name in REGIONS
        if wanted in {"", f"oss-{name}"}
    ]
    if not rows:
        raise Refusal(404, "NoSuchRegion", wanted, ec="0020-00000001")
    return xml_answer("RegionInfoList", {"RegionInfo": rows})
