"""What a bucket is set to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Lock:
    """A retention policy (WORM): `begun` in milliseconds; InProgress until completed, then Locked."""

    id: str
    days: int
    begun: int
    state: str = "InProgress"


@dataclass(slots=True)
class Settings:
    """`documents` holds sub-resources as the XML or JSON they were put as; `since` when each was, in milliseconds.

    `region`: empty, the server's own; another, and its bucket is not served here.
    """

    created: int = 0
    owner: str = ""
    acl: str = "private"
    storage_class: str = "Standard"
    redundancy: str = "LRS"
    region: str = ""
    versioning: str = ""
    resource_group: str = "rg-acfmxmt3*****"
    lock: Lock | None = None
    documents: dict[str, str] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    numbered: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def keeps_versions(self) -> bool:
        """Whether versioning is enabled or suspended: the states in which forbid-overwrite is ignored."""
        return bool(self.versioning)


def settings_of(document: dict[str, Any]) -> Settings:
    """The inverse of `asdict`."""
    lock = Lock(**document["lock"]) if document["lock"] else None
    return Settings(**{**document, "lock": lock})


def document_of(settings: Settings) -> dict[str, Any]:
    """For the disk."""
    return asdict(settings)
