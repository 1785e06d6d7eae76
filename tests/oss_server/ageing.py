"""Running lifecycle rules: once a day, at midnight UTC (08:00 in Beijing), on the virtual clock."""

from __future__ import annotations

from dataclasses import replace

from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.lifecycle import Rule, Transition, rules_in
from tests.oss_server.operations.attributes import STORAGE_CLASSES
from tests.oss_server.versions import NULL, Version

_HOUR, _DAY = 3_600_000, 86_400_000


def age(bucket: BucketOnDisk, now: int, loads: int = 24) -> list[str]:
    """Does what is due at `now`; gives a line per action. Rules younger than `loads` hours don't run yet.

    Objects younger than 24 hours are left alone, and what a retention policy protects stays.
    """
    document = bucket.settings.documents.get("lifecycle", "")
    if not document or now < bucket.settings.since.get("lifecycle", 0) + loads * _HOUR:
        return []
    done: list[str] = []
    with bucket.lock:
        for rule in rules_in(document.encode()):
            if rule.enabled:
                done += _uploads(bucket, rule, now)
                for key in [raw.decode() for raw in bucket.keys]:
                    done += _object(bucket, rule, key, now)
    return done


def _uploads(bucket: BucketOnDisk, rule: Rule, now: int) -> list[str]:
    done = []
    for upload in list(bucket.uploads.values()):
        if rule.abort and upload.key.startswith(rule.prefix) and rule.abort.due(upload.begun, now):
            bucket.forget_upload(upload)
            done.append(f"abort {upload.key} {upload.id}")
    return done


def _object(bucket: BucketOnDisk, rule: Rule, key: str, now: int) -> list[str]:
    rows = list(bucket.versions.get(key, ()))
    done = []
    for number in range(len(rows) - 1, 0, -1):
        done += _old(bucket, rule, rows[number], rows[number - 1].modified, now)
    current = bucket.current(key)
    if current is None or not rule.covers(current):
        return done
    if current.deleted:
        lonely = len(bucket.versions[key]) == 1
        timed = rule.expiration is not None and rule.expiration.due(current.modified, now)
        if lonely and (rule.removes_markers or timed):
            bucket.remove(current)
            done.append(f"remove marker {key}")
        return done
    if now < current.modified + _DAY or _retained(bucket, current, now):
        return done
    if rule.expiration and rule.expiration.due(current.modified, now):
        _expire(bucket, current, now)
        return [*done, f"expire {key}"]
    return done + _move(bucket, current, rule.transitions, current.modified, now)


def _old(bucket: BucketOnDisk, rule: Rule, version: Version, since: int, now: int) -> list[str]:
    if not rule.covers(version) or _retained(bucket, version, now):
        return []
    due = -(-since // _DAY) * _DAY
    if rule.old_expiration is not None and due + rule.old_expiration * _DAY <= now:
        bucket.remove(version)
        return [f"expire {version.key} {version.id}"]
    return [] if version.deleted else _move(bucket, version, rule.old_transitions, since, now)


def _move(bucket: BucketOnDisk, version: Version, moves: tuple[Transition, ...], since: int, now: int) -> list[str]:
    """To the coldest class that is due; never back to a warmer one."""
    best = STORAGE_CLASSES.index(version.storage_class)
    for move in moves:
        at = max(version.accessed, since) if move.by_access else since
        if move.when.due(at, now):
            best = max(best, STORAGE_CLASSES.index(move.storage_class))
    if STORAGE_CLASSES[best] == version.storage_class:
        return []
    bucket.replace(replace(version, storage_class=STORAGE_CLASSES[best], moved=now, thaw=None))
    return [f"move {version.key} {version.id} to {STORAGE_CLASSES[best]}"]


def _expire(bucket: BucketOnDisk, version: Version, now: int) -> None:
    versioning = bucket.settings.versioning
    if not versioning:
        bucket.remove(version)
        return
    marker = NULL if versioning == "Suspended" else f"CAEQ{now:x}{version.crc64:x}"
    bucket.keep(Version(version.key, marker, now, "DeleteMarker", moved=now))


def _retained(bucket: BucketOnDisk, version: Version, now: int) -> bool:
    lock = bucket.settings.lock
    if lock is None or (lock.state == "InProgress" and now >= lock.begun + _DAY):
        return False
    return now < version.modified + lock.days * _DAY
