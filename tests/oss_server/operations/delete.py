"""Removing objects: one, a version, many at once; with delete markers where versions are kept."""

from __future__ import annotations

from urllib.parse import quote

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.authorization import authorize
from tests.oss_server.operations.attributes import check_digest, checked_version_id, element, new_version_id
from tests.oss_server.operations.retention import guard_loss
from tests.oss_server.refusal import Refusal, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.versions import NULL, Version
from tests.oss_server.xml import Node, text_of

MOST = 1000


def delete_object(call: Call) -> Answer:
    """DeleteObject: deleting what isn't there is fine."""
    return done(204, removed(call, call.asked.key, call.asked.query.get("versionId", "")))


def removed(call: Call, key: str, version_id: str) -> dict[str, str]:
    """Removes a version, or the object; gives the headers that tell which way."""
    bucket, settings = call.bucket, call.bucket.settings
    checked_version_id(version_id)
    with bucket.lock:
        if version_id:
            version = bucket.find(key, version_id)
            guard_loss(call, version)
            if version:
                bucket.remove(version)
            marker = {"x-oss-delete-marker": "true"} if version and version.deleted else {}
            return {"x-oss-version-id": version_id} | marker
        current = bucket.current(key)
        if not settings.keeps_versions:
            guard_loss(call, current)
            if current:
                bucket.remove(current)
            return {}
        if settings.versioning == "Suspended":
            guard_loss(call, bucket.find(key, NULL))
        marked = Version(key, new_version_id(settings), call.now, "DeleteMarker", moved=call.now)
        bucket.keep(marked)
        return {"x-oss-delete-marker": "true", "x-oss-version-id": marked.id}


def delete_many(call: Call) -> Answer:
    """DeleteMultipleObjects: up to 1000, `quiet` for a short answer."""
    body = call.body.all()
    check_digest(call, body)
    root = element(body, "Delete")
    rows = [(text_of(one, "Key"), text_of(one, "VersionId")) for one in root.findall("Object")]
    if not 1 <= len(rows) <= MOST or any(not key for key, _ in rows):
        raise malformed()
    for _, version_id in rows:
        checked_version_id(version_id)
    encoded = call.asked.query.get("encoding-type") == "url" or call.asked.headers.get("encoding-type") == "url"
    deleted: list[Node] = []
    refused: list[Refusal] = []
    for key, version_id in rows:
        try:
            authorize(call, "oss:DeleteObjectVersion" if version_id else "oss:DeleteObject", call.asked.bucket, key)
            headers = removed(call, key, version_id)
        except Refusal as refusal:
            refused.append(refusal)
            continue
        deleted.append(_row(quote(key, safe="") if encoded else key, version_id, headers))
    if refused and not deleted:
        raise refused[0]
    if text_of(root, "Quiet").strip().lower() == "true":
        return done(200, {"Content-Type": "application/xml"})
    return xml_answer("DeleteResult", {"EncodingType": "url" if encoded else None, "Deleted": deleted})


def _row(key: str, version_id: str, headers: dict[str, str]) -> Node:
    marker = "x-oss-delete-marker" in headers
    return {
        "Key": key,
        "VersionId": version_id or None,
        "DeleteMarker": True if marker else None,
        "DeleteMarkerVersionId": headers["x-oss-version-id"] if marker else None,
    }
