"""Listings of objects: ListObjects (V1), ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from urllib.parse import quote

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.asked import whole_number
from tests.oss_server.clock import http_date, iso
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.operations.get import described
from tests.oss_server.refusal import invalid_argument
from tests.oss_server.service import Call
from tests.oss_server.versions import Version
from tests.oss_server.xml import Node

_DEFAULT = 100


def _asked(call: Call, limit: str = "max-keys") -> tuple[str, str, int, Callable[[str], str], bool]:
    """Prefix, delimiter, page size, how to write a key, and whether that is encoded."""
    query = call.asked.query
    most = whole_number(query.get(limit) or str(_DEFAULT), limit, 1, 1000)
    kind = query.get("encoding-type", "")
    if kind not in {"", "url"}:
        raise invalid_argument("Invalid Encoding Method specified in Request.", "encoding-type", kind)
    for name in ("prefix", "marker", "delimiter", "start-after", "key-marker"):
        if len(query.get(name, "").encode()) > 1023:
            raise invalid_argument(f"The length of {name} exceeds the limit.", name, query[name])
    write = (lambda text: quote(text, safe="")) if kind else (lambda text: text)
    return query.get("prefix", ""), query.get("delimiter", ""), most, write, bool(kind)


def keys_after(bucket: BucketOnDisk, prefix: str, delimiter: str, after: str, most: int) -> list[tuple[str, bool]]:
    """Up to `most` rows behind `after`, in order of UTF-8 bytes: a key, or a common prefix and True.

    Jumps over what lies below a common prefix, so that a page costs its rows and not the bucket.
    """
    keys, rows, start = bucket.keys, list[tuple[str, bool]](), prefix.encode()
    at = max(bisect_left(keys, start), bisect_right(keys, after.encode()) if after else 0)
    if delimiter and after.endswith(delimiter) and after.startswith(prefix):
        at = max(at, _beyond(keys, after.encode()))
    while at < len(keys) and len(rows) < most:
        if not keys[at].startswith(start):
            break
        key = keys[at].decode()
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            if _shown(bucket, key):
                rows.append((key, False))
            at += 1
            continue
        shared = key[: cut + len(delimiter)]
        beyond = _beyond(keys, shared.encode())
        if any(_shown(bucket, one.decode()) for one in keys[at:beyond]):
            rows.append((shared, True))
        at = beyond
    return rows


def _shown(bucket: BucketOnDisk, key: str) -> bool:
    current = bucket.current(key)
    return current is not None and not current.deleted


def _beyond(keys: list[bytes], prefix: bytes) -> int:
    """Where the keys that begin with `prefix` end."""
    low, high = bisect_left(keys, prefix), len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle].startswith(prefix):
            low = middle + 1
        else:
            high = middle
    return low


def list_objects(call: Call) -> Answer:
    """ListObjects."""
    prefix, delimiter, most, write, encoded = _asked(call)
    marker, bucket = call.asked.query.get("marker", ""), call.bucket
    with bucket.lock:
        rows = keys_after(bucket, prefix, delimiter, marker, most + 1)
        page, more = rows[:most], len(rows) > most
        contents, prefixes = _contents(call, page, write, owner=True)
    return xml_answer(
        "ListBucketResult",
        {
            "Name": bucket.name,
            "Prefix": write(prefix),
            "Marker": write(marker),
            "MaxKeys": most,
            "Delimiter": write(delimiter),
            "EncodingType": "url" if encoded else None,
            "IsTruncated": more,
            "NextMarker": write(page[-1][0]) if more else None,
            "Contents": contents,
            "CommonPrefixes": prefixes,
        },
    )


def list_objects_v2(call: Call) -> Answer:
    """ListObjectsV2."""
    prefix, delimiter, most, write, encoded = _asked(call)
    query, bucket = call.asked.query, call.bucket
    token, start_after = query.get("continuation-token", ""), query.get("start-after", "")
    try:
        after = base64.urlsafe_b64decode(token.encode()).decode() if token else start_after
    except (binascii.Error, UnicodeDecodeError):
        text = "The continuation token provided is incorrect"
        raise invalid_argument(text, "continuation-token", token) from None
    with bucket.lock:
        rows = keys_after(bucket, prefix, delimiter, after, most + 1)
        page, more = rows[:most], len(rows) > most
        contents, prefixes = _contents(call, page, write, owner=query.get("fetch-owner") == "true")
    return xml_answer(
        "ListBucketResult",
        {
            "Name": bucket.name,
            "Prefix": write(prefix),
            "MaxKeys": most,
            "Delimiter": write(delimiter),
            "StartAfter": write(start_after) if start_after else None,
            "EncodingType": "url" if encoded else None,
            "IsTruncated": more,
            "KeyCount": len(page),
            "ContinuationToken": token or None,
            "NextContinuationToken": base64.urlsafe_b64encode(page[-1][0].encode()).decode() if more else None,
            "Contents": contents,
            "CommonPrefixes": prefixes,
        },
    )


def _contents(
    call: Call, page: list[tuple[str, bool]], write: Callable[[str], str], *, owner: bool
) -> tuple[list[Node], list[Node]]:
    contents: list[Node] = []
    for key, shared in page:
        version = None if shared else call.bucket.current(key)
        if version:
            contents.append(_entry(call, version, write, owner=owner))
    return contents, [{"Prefix": write(key)} for key, shared in page if shared]


def _entry(call: Call, version: Version, write: Callable[[str], str], *, owner: bool) -> dict[str, Node]:
    uid = call.bucket.settings.owner
    restore = described(call, version).get("x-oss-restore")
    return {
        "Key": write(version.key),
        "LastModified": iso(version.modified),
        "ETag": f'"{version.etag}"',
        "Type": version.kind,
        "Size": version.size,
        "StorageClass": version.storage_class,
        "TransitionTime": iso(version.moved) if version.moved != version.modified else None,
        "RestoreInfo": restore,
        "SealedTime": http_date(version.moved) if version.sealed else None,
        "Owner": {"ID": uid, "DisplayName": uid} if owner else None,
    }


def list_versions(call: Call) -> Answer:
    """ListObjectVersions: of a key, newest first."""
    prefix, delimiter, most, write, encoded = _asked(call)
    query, bucket = call.asked.query, call.bucket
    key_marker, id_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    if id_marker and not key_marker:
        raise invalid_argument("A version-id-marker cannot be specified without a key-marker.")
    with bucket.lock:
        rows = _version_rows(bucket, prefix, delimiter, key_marker, id_marker, most + 1)
        page, more = rows[:most], len(rows) > most
        versions: list[Node] = []
        markers: list[Node] = []
        for _, version in page:
            if version and version.deleted:
                markers.append(_marker(bucket, version, write))
            elif version:
                heads: dict[str, Node] = {"VersionId": version.id, "IsLatest": bucket.current(version.key) is version}
                versions.append(_entry(call, version, write, owner=True) | heads)
    last = page[-1] if page else ("", None)
    return xml_answer(
        "ListVersionsResult",
        {
            "Name": bucket.name,
            "Prefix": write(prefix),
            "KeyMarker": write(key_marker),
            "VersionIdMarker": id_marker,
            "NextKeyMarker": write(last[0]) if more else None,
            "NextVersionIdMarker": (last[1].id if last[1] else "") if more else None,
            "MaxKeys": most,
            "Delimiter": write(delimiter),
            "EncodingType": "url" if encoded else None,
            "IsTruncated": more,
            "Version": versions,
            "DeleteMarker": markers,
            "CommonPrefixes": [{"Prefix": write(shown)} for shown, version in page if version is None],
        },
    )


def _marker(bucket: BucketOnDisk, version: Version, write: Callable[[str], str]) -> Node:
    return {
        "Key": write(version.key),
        "VersionId": version.id,
        "IsLatest": bucket.current(version.key) is version,
        "LastModified": iso(version.modified),
        "Owner": {"ID": bucket.settings.owner, "DisplayName": bucket.settings.owner},
    }


def _version_rows(
    bucket: BucketOnDisk, prefix: str, delimiter: str, key_marker: str, id_marker: str, most: int
) -> list[tuple[str, Version | None]]:
    rows: dict[tuple[str, str], Version | None] = {}
    start = max(bisect_left(bucket.keys, prefix.encode()), bisect_left(bucket.keys, key_marker.encode()))
    for raw in bucket.keys[start:]:
        if not raw.startswith(prefix.encode()) or len(rows) >= most:
            break
        key = raw.decode()
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut >= 0:
            shared = key[: cut + len(delimiter)]
            if shared.encode() > key_marker.encode():
                rows.setdefault((shared, ""), None)
            continue
        found = bucket.versions[key]
        if key == key_marker:
            ids = [one.id for one in found]
            found = found[ids.index(id_marker) + 1 :] if id_marker in ids else []
        rows.update({(key, one.id): one for one in found})
    return [(shown, version) for (shown, _), version in rows.items()][:most]
