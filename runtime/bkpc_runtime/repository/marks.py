"""Marks: small objects beside images and log that say what was found out or decided about them.

    <prefix>/marks/<kind>/<subject>.<stamp>.<word>.json

`<subject>` is the id of an image, or `log-<epoch>-<number>`: all binlogs of that epoch below that number. `<stamp>` is
when, and never the same twice. All that is decided is decided by names; what is inside is for people. A mark is never
written again, so that a bucket under a retention lock takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bkpc_runtime.errors import StoreDenied
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.store import Store

EXPIRING, VERIFIED, JUDGED, RELEASED, READING = "expiring", "verified", "judged", "released", "reading"
_WORDS = {
    EXPIRING: {"due", "revoked", "deleting"},
    VERIFIED: {"ok", "damaged"},
    JUDGED: {"ok", "warn", "hold"},
    RELEASED: {"released"},
    READING: {"reading"},
}
_NAME = re.compile(r"([^/.]+)\.(\d{8}T\d{6}Z-[0-9a-f]{8})\.([a-z]+)\.json")
_LOG = re.compile(r"log-(\d{6})-(\d{6,})")


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One mark of a server's folder; ordered by its stamp."""

    stamp: str
    kind: str
    subject: str
    word: str

    @property
    def at(self) -> datetime:
        return time_of(self.stamp)

    def key(self, prefix: str) -> str:
        return f"{folder(prefix)}{self.kind}/{self.subject}.{self.stamp}.{self.word}.json"


def time_of(stamp: str) -> datetime:
    """When a stamp or the id of an image was made, to the second."""
    return datetime.fromisoformat(stamp[:16])


def folder(prefix: str) -> str:
    """The folder of all marks of a server, with its `/`."""
    return f"{prefix}/marks/"


def log_subject(epoch: int, number: int) -> str:
    """The subject of a mark about all binlogs of an epoch below a number."""
    return f"log-{epoch:06d}-{number:06d}"


def parse_log_subject(subject: str) -> tuple[int, int] | None:
    """Epoch and number of a log's subject; None for others."""
    found = _LOG.fullmatch(subject)
    return (int(found[1]), int(found[2])) if found else None


def marks(store: Store, prefix: str) -> tuple[Mark, ...]:
    """All marks of a server, oldest first; objects that are none are passed over."""
    found = (_parsed(one.key, prefix) for one in store.list(folder(prefix)))
    return tuple(sorted(one for one in found if one is not None))


def put(store: Store, prefix: str, kind: str, subject: str, word: str, now: datetime, **told: Any) -> Mark:
    """A new mark; `told` is what people read in it."""
    mark = Mark(layout.new_image_id(now), kind, subject, word)
    _write(store, prefix, mark, told)
    return mark


def put_again(store: Store, prefix: str, mark: Mark) -> None:
    """The same mark in another store."""
    _write(store, prefix, mark, {"copied": True})


def revoke(store: Store, prefix: str, mark: Mark, **told: Any) -> None:
    """Takes a tombstone back. It no longer counts once this has begun, even where it can't be removed."""
    revoked = Mark(mark.stamp, mark.kind, mark.subject, "revoked")
    _write(store, prefix, revoked, told)
    if remove(store, prefix, mark):
        remove(store, prefix, revoked)


def remove(store: Store, prefix: str, mark: Mark) -> bool:
    """Whether it is gone: under a retention lock it stays until that ends, and with a key that may not delete."""
    try:
        store.delete(mark.key(prefix))
    except StoreDenied:
        return False
    return True


def read(store: Store, prefix: str, mark: Mark) -> dict[str, Any]:
    """What a mark tells people; nothing where that can't be read."""
    try:
        told = json.loads(store.get(mark.key(prefix)))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def newest(found: Iterable[Mark], kind: str, subject: str) -> Mark | None:
    """The last that was said about a subject."""
    return max((one for one in found if (one.kind, one.subject) == (kind, subject)), default=None)


def tombstones(found: Iterable[Mark]) -> dict[str, Mark]:
    """What is to go, by subject: the oldest tombstone of each that was not taken back."""
    known = [one for one in found if one.kind == EXPIRING]
    revoked = {(one.subject, one.stamp) for one in known if one.word == "revoked"}
    due = [one for one in known if one.word == "due" and (one.subject, one.stamp) not in revoked]
    return {one.subject: one for one in sorted(due, reverse=True)}


def clear_revoked(store: Store, prefix: str, found: Iterable[Mark]) -> None:
    """Removes tombstones that were taken back, and then what took them back: never the other way round."""
    known = [one for one in found if one.kind == EXPIRING]
    due = {(one.subject, one.stamp): one for one in known if one.word == "due"}
    for revoked in (one for one in known if one.word == "revoked"):
        tombstone = due.get((revoked.subject, revoked.stamp))
        if tombstone is None or remove(store, prefix, tombstone):
            remove(store, prefix, revoked)


def _write(store: Store, prefix: str, mark: Mark, told: dict[str, Any]) -> None:
    body = {"format_version": 1, "kind": mark.kind, "subject": mark.subject, "word": mark.word, **told}
    store.put(mark.key(prefix), json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def _parsed(key: str, prefix: str) -> Mark | None:
    kind, _, name = key.removeprefix(folder(prefix)).partition("/")
    found = _NAME.fullmatch(name)
    if found is None or found[3] not in _WORDS.get(kind, ()):
        return None
    subject, stamp, word = found.groups()
    try:
        time_of(stamp)
    except ValueError:
        return None
    known = layout.is_image_id(subject) or parse_log_subject(subject) is not None
    return Mark(stamp, kind, subject, word) if known else None
