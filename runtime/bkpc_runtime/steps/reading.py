"""A restore holds what it reads: nothing of it expires while its mark is fresh.

Restore and expiry each write a mark first and then look for the other's: whichever comes second sees the first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bkpc_runtime.errors import StepFailed, StoreFailed
from bkpc_runtime.repository import layout, marks, segments
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
DELETION_LASTS = timedelta(hours=7)
"""An expiry that began longer ago has ended, or was broken off."""


def hold_for_reading(store: Store, image: Image, now: datetime, *, log_too: bool, why: str) -> Mark | None:
    """Marks an image, and with it what it builds on and the log that continues it, as being read. None: the store
    takes no marks (a key that may only read); then the grace of expiry is all the time there is.

    Raises:
        StepFailed: it is being deleted at this moment.
    """
    mark, unheld = None, ""
    try:
        mark = marks.put(store, image.prefix, marks.READING, image.manifest.id, "reading", now, why=why)
    except StoreFailed as problem:
        unheld = str(problem)
    there = marks.marks(store, image.prefix)
    if unheld:
        condemned = marks.tombstones(there).get(image.manifest.id)
        ends = (
            f"it is to go since {condemned.at:%Y-%m-%d %H:%M} UTC" if condemned else "it may begin to expire meanwhile"
        )
        log.warning(
            "the restore can't hold image %s in store `%s`, so expiry may delete it while it is read: %s; keep expiry "
            "from running until then: %s",
            image.manifest.id, store.name, ends, unheld,
        )  # fmt: skip
    deleting = [one for one in there if one.word == "deleting" and one.at > now - DELETION_LASTS]
    gone = store.head(layout.manifest_key(image.prefix, image.manifest.id)) is None
    if gone or any(_concerns(image, one.subject, log_too) for one in deleting):
        if mark is not None:
            marks.remove(store, image.prefix, mark)
        raise StepFailed(
            f"image {image.manifest.id} or its log in store `{store.name}` is being deleted: nothing keeps it any more",
            help="`bkpc list` shows what stays",
        )
    return mark


class Reading:
    """What a restore reads from one store, for as long as its block runs."""

    def __init__(self, store: Store, clock: Callable[[], datetime], why: str) -> None:
        self._store, self._clock, self._why = store, clock, why
        self._held: list[tuple[str, Mark]] = []
        self._known: set[tuple[str, bool]] = set()

    def hold(self, image: Image, *, log_too: bool) -> None:
        """Raises StepFailed where it is being deleted at this moment."""
        if (image.manifest.id, log_too) in self._known:
            return
        self._known.add((image.manifest.id, log_too))
        mark = hold_for_reading(self._store, image, self._clock(), log_too=log_too, why=self._why)
        if mark is not None:
            self._held.append((image.prefix, mark))

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        for prefix, mark in self._held:
            try:
                marks.remove(self._store, prefix, mark)
            except StoreFailed as problem:
                log.warning("the mark that holds what was read stays for two weeks: %s", problem)


def _concerns(image: Image, subject: str, log_too: bool) -> bool:
    """Whether a restore reads what is being deleted. What an image builds on goes after it."""
    below = marks.parse_log_subject(subject)
    if below is None:
        return subject == image.manifest.id
    # Another epoch may have a binlog of the same number: that one is taken for ours.
    return log_too and bool(image.position.file) and segments.sequence(image.position.file) < below[1]


def spare_leftovers(store: Store, prefix: str, image: str) -> None:
    """Whoever goes on writing an image takes back the tombstone of what an earlier try left of it."""
    for subject, one in marks.tombstones(marks.marks(store, prefix)).items():
        if subject == image:
            marks.revoke(store, prefix, one, why="it is written again")
