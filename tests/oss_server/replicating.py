"""Running replication rules on the virtual clock: what is older than a delay is copied when the time moves on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.service import Service
from tests.oss_server.settings import Lock
from tests.oss_server.versions import Version
from tests.oss_server.xml import Node

_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Rule:
    """`status`: starting, doing, closing. `older`: what was there before `begun` (milliseconds) is copied, too."""

    id: str
    prefixes: tuple[str, ...]
    actions: tuple[str, ...]
    bucket: str
    location: str
    transfer: str
    older: bool
    begun: int
    role: str = ""
    selection: str = ""
    key: str = ""
    timed: str = "disabled"
    status: str = "starting"

    def covers(self, key: str) -> bool:
        return not self.prefixes or key.startswith(self.prefixes)

    @property
    def deletes(self) -> bool:
        """Whether deletions are copied."""
        return bool({"ALL", "DELETE"} & {*self.actions})


def rules_of(bucket: BucketOnDisk) -> list[Rule]:
    """In the order they were added."""
    return [_rule(json.loads(text)) for text in bucket.settings.numbered.get("replication", {}).values()]


def _rule(document: dict[str, Any]) -> Rule:
    lists = {name: tuple(document[name]) for name in ("prefixes", "actions")}
    return Rule(**{**document, **lists})


def kept(bucket: BucketOnDisk, rule: Rule, **changes: Any) -> Rule:
    """Keeps the rule, with these changes."""
    rule = replace(rule, **changes)
    bucket.settings.numbered.setdefault("replication", {})[rule.id] = json.dumps(asdict(rule))
    bucket.save()
    return rule


def written(rule: Rule) -> dict[str, Node]:
    """As XML has it."""
    selection: Node = {"SseKmsEncryptedObjects": {"Status": rule.selection}} if rule.selection else None
    return {
        "ID": rule.id,
        "RTC": {"Status": rule.timed},
        "PrefixSet": {"Prefix": list(rule.prefixes)} if rule.prefixes else None,
        "Action": ",".join(rule.actions),
        "Destination": {"Bucket": rule.bucket, "Location": rule.location, "TransferType": rule.transfer},
        "Status": rule.status,
        "HistoricalObjectReplication": "enabled" if rule.older else "disabled",
        "SyncRole": rule.role or None,
        "SourceSelectionCriteria": selection,
        "EncryptionConfiguration": {"ReplicaKmsKeyID": rule.key} if rule.key else None,
    }


def replicate(service: Service, bucket: BucketOnDisk) -> list[str]:
    """Does what is due now; a line per action. A closed rule goes; what it copied stays."""
    done: list[str] = []
    for rule in rules_of(bucket):
        if rule.status == "closing":
            del bucket.settings.numbered["replication"][rule.id]
            bucket.settings.numbered.pop(f"copied by {rule.id}", None)
            bucket.save()
            continue
        other = service.at(rule.location.removeprefix("oss-"))
        target = other.buckets.get(rule.bucket) if other else None
        if target is not None:
            kept(bucket, rule, status="doing")
            done += _run(service, bucket, rule, target)
    return done


def _run(service: Service, bucket: BucketOnDisk, rule: Rule, target: BucketOnDisk) -> list[str]:
    now, done = service.now(), list[str]()
    copied = bucket.settings.numbered.setdefault(f"copied by {rule.id}", {})
    with bucket.lock, target.lock:
        for version in _due(bucket, rule, now - service.options.replication_takes):
            name = f"{version.id} {version.key}"
            if copied.get(name) == version.etag + str(version.modified):
                continue
            if _retained(target, version.key, now):
                done.append(f"not copied over what is retained: {version.key}")
                continue
            target.keep(replace(version, pieces=target.link(version.pieces, bucket), thaw=None))
            copied[name] = version.etag + str(version.modified)
            done.append(f"copy {version.key} to {target.name}")
        for name in list(copied):
            version_id, _, key = name.partition(" ")
            if bucket.find(key, version_id) is None:
                del copied[name]
                gone = target.find(key, version_id) if rule.deletes else None
                if gone and not _retained(target, key, now):
                    target.remove(gone)
                    done.append(f"delete {key} in {target.name}")
    bucket.save()
    return done


def _due(bucket: BucketOnDisk, rule: Rule, until: int) -> Iterator[Version]:
    """The oldest version of each key first."""
    for raw in list(bucket.keys):
        key = raw.decode()
        if rule.covers(key):
            for version in reversed(bucket.versions[key]):
                if version.modified <= until and (rule.older or version.modified >= rule.begun):
                    yield version


def _retained(target: BucketOnDisk, key: str, now: int) -> bool:
    lock: Lock | None = target.settings.lock
    current = target.current(key)
    if lock is None or current is None or current.deleted or target.settings.versioning:
        return False
    lapsed = lock.state == "InProgress" and now >= lock.begun + _DAY
    return not lapsed and now < current.modified + lock.days * _DAY
