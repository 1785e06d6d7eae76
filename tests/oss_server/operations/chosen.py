"""Which version a request is about."""

from __future__ import annotations

from tests.oss_server.refusal import Refusal, no_such_key
from tests.oss_server.service import Call
from tests.oss_server.versions import Version


def chosen(call: Call) -> Version:
    """The version asked for, refused with what OSS says of delete markers and missing ones."""
    bucket, key = call.bucket, call.asked.key
    wanted = call.asked.query.get("versionId", "")
    if wanted:
        version = bucket.find(key, wanted)
        if version is None:
            text = "The specified version does not exist."
            details = {"Key": key, "VersionId": wanted}
            raise Refusal(404, "NoSuchVersion", text, ec="0026-00000003", details=details)
        if version.deleted:
            text = "The specified method is not allowed against this resource."
            marks = {"x-oss-delete-marker": "true", "x-oss-version-id": version.id}
            raise Refusal(405, "MethodNotAllowed", text, marks, ec="0026-00000004")
        return version
    current = bucket.current(key)
    if current is None:
        raise no_such_key(key)
    if current.deleted:
        refusal = no_such_key(key)
        refusal.headers = {"x-oss-delete-marker": "true", "x-oss-version-id": current.id}
        raise refusal
    return current


def target_of(call: Call, version: Version) -> Version:
    """What a link leads to; links don't chain."""
    if version.kind != "Symlink":
        return version
    target = call.bucket.current(version.target)
    if target is None or target.deleted:
        text = "The symlink target does not exist."
        raise Refusal(404, "SymlinkTargetNotExist", text, ec="0026-00000012")
    if target.kind == "Symlink":
        raise Refusal(400, "InvalidTargetType", "The symbolic link's target is a link.", ec="0026-00000013")
    return target
