"""What may not be changed: the bucket's retention policy (WORM), forbidden overwrites."""

from __future__ import annotations

import secrets
from xml.etree.ElementTree import Element

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.clock import iso
from tests.oss_server.operations.attributes import element
from tests.oss_server.refusal import Refusal, invalid_argument, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.settings import Lock
from tests.oss_server.versions import Version
from tests.oss_server.xml import number_of

_DAY = 86_400_000
LONGEST_DAYS = 70 * 365


def lock_of(call: Call) -> Lock | None:
    """The retention policy in force: one that wasn't completed within 24 hours has lapsed."""
    lock = call.bucket.settings.lock
    if lock and lock.state == "InProgress" and call.now >= lock.begun + _DAY:
        call.bucket.settings.lock = lock = None
        call.bucket.save()
    return lock


def held_by_itself(call: Call, version: Version) -> bool:
    """Whether a version is held, or retained now; GOVERNANCE gives way to a request that says so."""
    if version.held:
        return True
    bypass = call.asked.headers.get("x-oss-bypass-governance-retention", "").lower() == "true"
    return call.now < version.retained_until and not (bypass and version.retention == "GOVERNANCE")


def guard_loss(call: Call, version: Version | None) -> None:
    """Refuses to overwrite or remove what is still retained."""
    lock = lock_of(call)
    if version is None or version.deleted:
        return
    if (lock and call.now < version.modified + lock.days * _DAY) or held_by_itself(call, version):
        raise Refusal(409, "FileImmutable", "The object you specified is immutable.", ec="0055-00000011")


def guard_write(call: Call, key: str) -> None:
    """Refuses a write that would overwrite against the request's or the bucket's will.

    `x-oss-forbid-overwrite` is ignored where versions are kept: so does OSS.
    """
    if len(key.encode()) > 1023 or key.startswith(("/", "\\")):
        raise Refusal(400, "InvalidObjectName", "The specified object is not valid.", ec="0016-00000005")
    if call.bucket.settings.versioning == "Enabled":
        return
    current = call.bucket.current(key)
    forbids = call.asked.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if current and forbids and not call.bucket.settings.keeps_versions:
        text = "The object you specified already exists and can not be overwritten."
        raise Refusal(409, "FileAlreadyExists", text, ec="0026-00000002")
    replaced = call.bucket.find(key, "null") if call.bucket.settings.keeps_versions else current
    guard_loss(call, replaced)


def begin(call: Call) -> Answer:
    """InitiateBucketWorm."""
    days = _days(element(call.body.all(), "InitiateWormConfiguration"))
    if lock_of(call):
        text = "The bucket already has a retention policy."
        raise Refusal(403, "WORMConfigurationLocked", text, ec="0055-00000003")
    if call.bucket.settings.versioning == "Suspended":
        raise Refusal(400, "InvalidWORMConfiguration", "Versioning is suspended.", ec="0055-00000008")
    lock = Lock(secrets.token_hex(16).upper(), days, call.now)
    call.bucket.settings.lock = lock
    call.bucket.save()
    return done(200, {"x-oss-worm-id": lock.id})


def look(call: Call) -> Answer:
    """GetBucketWorm."""
    lock = _lock(call)
    expires = lock.begun + (_DAY if lock.state == "InProgress" else lock.days * _DAY)
    return xml_answer(
        "WormConfiguration",
        {
            "WormId": lock.id,
            "State": lock.state,
            "RetentionPeriodInDays": lock.days,
            "CreationDate": iso(lock.begun),
            "ExpirationDate": iso(expires),
        },
    )


def complete(call: Call) -> Answer:
    """CompleteBucketWorm: from here on it can only be extended."""
    lock = _lock(call, named=True)
    if lock.state == "Locked":
        raise Refusal(403, "WORMConfigurationLocked", "The WORM configuration is locked.", ec="0055-00000004")
    lock.state = "Locked"
    call.bucket.save()
    return done()


def extend(call: Call) -> Answer:
    """ExtendBucketWorm: only a completed policy, only to more days."""
    lock = _lock(call, named=True)
    days = _days(element(call.body.all(), "ExtendWormConfiguration"))
    if lock.state != "Locked" or days < lock.days:
        raise Refusal(400, "InvalidWORMConfiguration", "The WORM configuration can't be extended.", ec="0055-00000005")
    lock.days = days
    call.bucket.save()
    return done()


def abort(call: Call) -> Answer:
    """AbortBucketWorm: only before it is completed."""
    if _lock(call).state == "Locked":
        raise Refusal(403, "WORMConfigurationLocked", "The WORM configuration is locked.", ec="0055-00000004")
    call.bucket.settings.lock = None
    call.bucket.save()
    return done(204)


def _lock(call: Call, *, named: bool = False) -> Lock:
    lock = lock_of(call)
    wanted = call.asked.query.get("wormId")
    if lock is None or (named and wanted != lock.id):
        raise Refusal(404, "NoSuchWORMConfiguration", "The WORM Configuration does not exist.", ec="0055-00000001")
    return lock


def _days(root: Element) -> int:
    days = number_of(root, "RetentionPeriodInDays")
    if days is None:
        raise malformed()
    if not 1 <= days <= LONGEST_DAYS:
        raise invalid_argument("The retention period is out of range.", "RetentionPeriodInDays", str(days))
    return days
