"""The signatures before V4: V1 (`OSS id:…`, HMAC-SHA1) and V2 (`OSS2 …`, HMAC-SHA256), header and URL form.

Closed to new accounts and buckets since 2025; the SDKs' suites still speak them in places.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import quote

from tests.oss_server.asked import Asked
from tests.oss_server.refusal import access_denied, invalid_argument
from tests.oss_server.signature import SKEW, Claim, expired, moment_of, too_skewed

_V2 = re.compile(r"OSS2 AccessKeyId:([^,]+),(?:AdditionalHeaders:([^,]+),)?Signature:(.+)")
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
# Parameters that are part of the resource in V1; everything that begins with x-oss- is, too.
# fmt: off
_SUBRESOURCES = frozenset({
    "accessPoint", "accessPointPolicy", "acl", "append", "archiveDirectRead", "asyncFetch",
    "bucketArchiveDirectRead", "bucketInfo", "callback", "callback-var", "cleanRestoredObject", "cname", "comp",
    "continuation-token", "cors", "delete", "encryption", "endTime", "group", "httpsConfig", "img", "inventory",
    "inventoryId", "keyMarker", "lifecycle", "link", "live", "location", "logging", "metaQuery", "objectInfo",
    "objectMeta", "partNumber", "policy", "policyStatus", "position", "processConfiguration", "publicAccessBlock",
    "qos", "qosInfo", "qosRequester", "redundancyTransition", "referer", "regionList", "replication",
    "replicationLocation", "replicationProgress", "requestPayment", "requesterQosInfo", "resourceGroup",
    "resourcePool", "resourcePoolBuckets", "resourcePoolInfo", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "rtc", "security-token", "sequential", "startTime",
    "stat", "status", "style", "styleName", "symlink", "tagging", "transferAcceleration", "uploadId", "uploads",
    "userDefinedLogFieldsConfig", "versionId", "versioning", "versions", "vod", "website", "worm", "wormExtend",
    "wormId", "seal", "objectWorm", "legalHold", "retention", "overwriteConfig",
})
# fmt: on


def claim_v1(asked: Asked, now: datetime) -> Claim:
    """Reads `Authorization: OSS id:signature`, or `OSSAccessKeyId`, `Expires` and `Signature` of a URL."""
    if "authorization" in asked.headers:
        key_id, _, signature = asked.headers["authorization"].removeprefix("OSS ").partition(":")
        stamp = asked.headers.get("x-oss-date") or asked.headers.get("date", "")
        _check_header_time(stamp, now)
        token = asked.headers.get("x-oss-security-token") or asked.headers.get("security-token", "")
        return Claim(key_id, token, signature, stamp)
    stamp = asked.query.get("Expires", "")
    _check_expiry(stamp, now)
    token = asked.query.get("security-token", "")
    return Claim(asked.query["OSSAccessKeyId"], token, asked.query.get("Signature", ""), stamp, in_url=True)


def claim_v2(asked: Asked, now: datetime) -> Claim:
    """Reads `Authorization: OSS2 …`, or the `x-oss-…` parameters of a URL."""
    if "authorization" in asked.headers:
        found = _V2.fullmatch(asked.headers["authorization"])
        if not found:
            raise invalid_argument("Authorization header is invalid.", ec="0002-00000225")
        key_id, additional, signature = found.groups()
        stamp = asked.headers.get("x-oss-date") or asked.headers.get("date", "")
        _check_header_time(stamp, now)
        names = tuple(sorted((additional or "").split(";"))) if additional else ()
        return Claim(
            key_id, asked.headers.get("x-oss-security-token", ""), signature, asked.headers.get("date", ""), "", names
        )
    query, stamp = asked.query, asked.query.get("x-oss-expires", "")
    _check_expiry(stamp, now)
    names = tuple(filter(None, sorted(query.get("x-oss-additional-headers", "").split(";"))))
    return Claim(
        query.get("x-oss-access-key-id", ""),
        query.get("security-token", ""),
        query.get("x-oss-signature", ""),
        stamp,
        "",
        names,
        in_url=True,
    )


def _check_header_time(stamp: str, now: datetime) -> None:
    at = moment_of(stamp, _HTTP_DATE) or moment_of(stamp, "%Y%m%dT%H%M%SZ")
    if at is None:
        raise access_denied("OSS authentication requires a valid Date.")
    if abs(now - at) > SKEW:
        raise too_skewed()


def _check_expiry(stamp: str, now: datetime) -> None:
    if not stamp.isdigit():
        raise invalid_argument("Query-string authentication requires a valid Expires.", "Expires", stamp)
    if int(stamp) < now.timestamp():
        raise expired()


def signature_v1(asked: Asked, claim: Claim, secret: str) -> tuple[str, str]:
    """The signature in base64, and the text it was made of."""
    headers = sorted((name, value.strip()) for name, value in asked.headers.items() if name.startswith("x-oss-"))
    query = sorted(
        (name, value)
        for name, value in asked.query.items()
        if name in _SUBRESOURCES or (name.startswith("x-oss-") and name != "x-oss-signature")
    )
    resource = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    if query:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in query)
    lines = (
        asked.method,
        asked.headers.get("content-md5", ""),
        asked.headers.get("content-type", ""),
        claim.stamp,
        "".join(f"{name}:{value}\n" for name, value in headers) + resource,
    )
    text = "\n".join(lines)
    return _digest(secret, text, "sha1"), text


def signature_v2(asked: Asked, claim: Claim, secret: str) -> tuple[str, str]:
    """The signature in base64, and the text it was made of."""
    headers = sorted(
        (name, value) for name, value in asked.headers.items() if name.startswith("x-oss-") or name in claim.additional
    )
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in asked.query.items()
        if name != "x-oss-signature"
    )
    resource = quote(f"/{asked.bucket}/{asked.key}" if asked.bucket else "/", safe="-_.~")
    if query:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in query)
    lines = (
        asked.method,
        asked.headers.get("content-md5", ""),
        asked.headers.get("content-type", ""),
        claim.stamp,
        "".join(f"{name}:{value}\n" for name, value in headers) + ";".join(claim.additional),
        resource,
    )
    text = "\n".join(lines)
    return _digest(secret, text, "sha256"), text


def _digest(secret: str, text: str, name: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), getattr(hashlib, name)).digest()).decode()
