"""What is set on an object after it was written: ACL, tags, thawing, sealing."""

from __future__ import annotations

from dataclasses import replace

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.authorization import blocked
from tests.oss_server.clock import http_date
from tests.oss_server.operations.attributes import element, object_acl, tags_in, version_header
from tests.oss_server.operations.chosen import chosen
from tests.oss_server.refusal import Refusal, access_denied, invalid_argument, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.thaw import thawed
from tests.oss_server.versions import Version
from tests.oss_server.xml import number_of, text_of


def _headers(call: Call, version: Version) -> dict[str, str]:
    return version_header(call.bucket.settings, version.id)


def put_acl(call: Call) -> Answer:
    """PutObjectACL."""
    acl = object_acl(call.asked.headers)
    if acl.startswith("public") and blocked(call):
        raise access_denied("Put public object acl is not allowed")
    with call.bucket.lock:
        version = chosen(call)
        call.bucket.replace(replace(version, acl=acl))
    return done(200, _headers(call, version))


def get_acl(call: Call) -> Answer:
    """GetObjectACL."""
    version, uid = chosen(call), call.bucket.settings.owner
    content = {"Owner": {"ID": uid, "DisplayName": uid}, "AccessControlList": {"Grant": version.acl}}
    return xml_answer("AccessControlPolicy", content, _headers(call, version))


def put_tags(call: Call) -> Answer:
    """PutObjectTagging."""
    tags = tags_in(call.body.all())
    with call.bucket.lock:
        version = chosen(call)
        call.bucket.replace(replace(version, tags=tags))
    return done(200, _headers(call, version))


def get_tags(call: Call) -> Answer:
    """GetObjectTagging."""
    version = chosen(call)
    tags = [{"Key": name, "Value": value} for name, value in version.tags.items()]
    return xml_answer("Tagging", {"TagSet": {"Tag": tags}}, _headers(call, version))


def delete_tags(call: Call) -> Answer:
    """DeleteObjectTagging."""
    with call.bucket.lock:
        version = chosen(call)
        call.bucket.replace(replace(version, tags={}))
    return done(204, _headers(call, version))


def restore(call: Call) -> Answer:
    """RestoreObject: days and tier from the document, or one day at the standard tier."""
    body = call.body.all()
    days, tier = 1, "Standard"
    if body.strip():
        root = element(body, "RestoreRequest")
        if root.find("JobParameters") is not None and chosen(call).storage_class == "Archive":
            raise malformed()
        days = number_of(root, "Days") or 1
        tier = text_of(root, "JobParameters/Tier", text_of(root, "Tier", tier)).strip() or tier
    with call.bucket.lock:
        version, status = thawed(chosen(call), days, tier, call.now, call.service.thaws)
        call.bucket.replace(version)
    cold = version.storage_class != "Archive"
    return done(status, _headers(call, version) | ({"x-oss-object-restore-priority": tier} if cold else {}))


def clean_restored(call: Call) -> Answer:
    """CleanRestoredObject: the thawed copy goes before its time."""
    with call.bucket.lock:
        version = chosen(call)
        if version.thaw is None or call.now >= version.thaw.until:
            text = "The object is not in restored state."
            raise Refusal(409, "ArchiveRestoreFileStale", text, ec="0016-00000704")
        if call.now < version.thaw.ready:
            text = "The archive file's restore is not finished."
            raise Refusal(409, "ArchiveRestoreNotFinished", text, ec="0016-00000719")
        call.bucket.replace(replace(version, thaw=None))
    return done(200, _headers(call, version))


def seal(call: Call) -> Answer:
    """SealAppendObject: nothing can be appended any more."""
    with call.bucket.lock:
        version = chosen(call)
        if version.kind != "Appendable":
            raise Refusal(409, "ObjectNotAppendable", "The object is not appendable", ec="0026-00000021")
        if call.asked.query.get("position", "") != str(version.size):
            raise invalid_argument("Position is not equal to file length", "position")
        call.bucket.replace(replace(version, sealed=True, moved=call.now))
    return done(200, _headers(call, version) | {"x-oss-sealed-time": http_date(call.now)})
