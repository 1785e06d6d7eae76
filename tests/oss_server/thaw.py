"""Thawing frozen objects: tiers, their times, and the quota queue that a crowd stands in."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from tests.oss_server.refusal import Refusal, invalid_argument
from tests.oss_server.versions import Thaw, Version

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
TB = 10**12
FROZEN = ("Archive", "ColdArchive", "DeepColdArchive")
# Longest time of each tier in milliseconds; quicker tiers have higher priority.
TIERS = {
    "Archive": {"Standard": _MINUTE},
    "ColdArchive": {"Expedited": _HOUR, "Standard": 5 * _HOUR, "Bulk": 12 * _HOUR},
    "DeepColdArchive": {"Expedited": 12 * _HOUR, "Standard": 48 * _HOUR},
}
LONGEST_STAY = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}


@dataclass(slots=True)
class Quota:
    """What an account may thaw in a region: objects per second and bytes per day."""

    objects: int
    size: int


@dataclass(slots=True)
class ThawQueue:
    """Beyond the quota requests wait in line and may miss their tier's time. Defaults are the lowest published."""

    quotas: dict[str, Quota] = field(
        default_factory=lambda: {"ColdArchive": Quota(500, 20 * TB), "DeepColdArchive": Quota(100, 10 * TB)}
    )
    free: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, version: Version, days: int, tier: str, now: int) -> Thaw:
        """When the object becomes readable, counted from its turn in the line; milliseconds."""
        turn = now
        quota = self.quotas.get(version.storage_class)
        if quota:
            with self.lock:
                turn = max(now, self.free.get(version.storage_class, now))
                takes = max(-(-1000 // quota.objects), -(-version.size * _DAY // quota.size))
                self.free[version.storage_class] = turn + takes
                turn += takes if takes > 1000 else 0
        ready = turn + TIERS[version.storage_class][tier]
        return Thaw(now, ready, ready + days * _DAY, tier)


def thawed(version: Version, days: int, tier: str, now: int, queue: ThawQueue) -> tuple[Version, int]:
    """The version after RestoreObject, and the status of the answer: 202 asked, 200 already readable."""
    if version.storage_class not in FROZEN:
        text = "The restore operation is not valid for the object's storage class"
        raise Refusal(400, "OperationNotSupported", text, ec="0016-00000702")
    if not 1 <= days <= LONGEST_STAY[version.storage_class]:
        raise invalid_argument("The restore days are out of range.", "Days", str(days))
    if tier not in TIERS[version.storage_class]:
        raise invalid_argument("The restore tier is not supported by the storage class.", "Tier", tier)
    old = version.thaw
    if old and now < old.ready:
        times = TIERS[version.storage_class]
        if times[tier] >= times[old.tier]:
            text = "The restore operation is in progress."
            raise Refusal(409, "RestoreAlreadyInProgress", text, ec="0016-00000701")
        raised = min(old.ready, now + times[tier])
        return replace(version, thaw=Thaw(old.asked, raised, raised + days * _DAY, tier)), 202
    if old and now < old.until:
        return replace(version, thaw=Thaw(old.asked, old.ready, now + days * _DAY, old.tier)), 200
    return replace(version, thaw=queue.ask(version, days, tier, now)), 202


def readable(version: Version, now: int) -> bool:
    """Whether its bytes can be had now."""
    return version.storage_class not in FROZEN or bool(version.thaw and version.thaw.ready <= now < version.thaw.until)
