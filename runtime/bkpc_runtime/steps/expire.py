"""Expiry in two phases: a tombstone first, and after the grace the deletion, if it is still due then.

An image goes manifest first: what is left is parts that nothing ever reads. What builds on it has gone before. A
binlog goes from its first segment on: without that, none of it is reached. So it can break off at any request, and the
next run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bkpc_runtime.errors import StoreLocked
from bkpc_runtime.repository import expiry, layout, marks, segments
from bkpc_runtime.repository.expiry import TOLERANCE, Decision, Rules
from bkpc_runtime.repository.holdings import Holding, holdings_where_known
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.steps.expire_notes import drop_superseded
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """What the protected server says of itself: which it is, and what time it has."""

    identity: str
    now: datetime


@dataclass(slots=True)
class Expired:
    """What one run did in one store. `resting`: why it did nothing; `locked`: objects that a retention lock kept."""

    store: str
    resting: str = ""
    condemned: int = 0
    spared: int = 0
    images: int = 0
    binlogs: int = 0
    leftovers: int = 0
    objects: int = 0
    locked: int = 0
    notes: int = 0

    @property
    def text(self) -> str:
        if self.resting:
            return f"{self.store}: nothing expires: {self.resting}"
        told = [
            (self.condemned, "marked to go after the grace"),
            (self.spared, "needed again: marks taken back"),
            (self.images, "images deleted"),
            (self.binlogs, "binlogs deleted"),
            (self.leftovers, "broken-off images swept"),
            (self.notes, "notes of how far a log is complete deleted that a later one says again"),
            (self.locked, "objects kept by the retention lock"),
        ]
        return f"{self.store}: " + (
            ", ".join(f"{count} {what}" for count, what in told if count) or "nothing to expire"
        )


def expire(
    stores: Sequence[Store],
    database: str,
    rules: Mapping[str, Rules],
    source: Source,
    now: datetime,
    barred: Mapping[str, str] | None = None,
) -> tuple[Expired, ...]:
    """Expires what `rules` (by store) no longer keep; `stores` are all that keep something of the database. `barred`:
    stores from which nothing may go, and why."""
    holdings = holdings_where_known(stores, database, now)
    resting = {
        one.store: why
        for one in holdings
        if (why := expiry.why_resting(one, rules[one.store], now, identity=source.identity, source_now=source.now))
    } | dict(barred or {})
    decisions = expiry.decide(holdings, rules, now, resting)
    runs = [
        _Run(store, holding, decision, rules[store.name], now)
        for store, holding, decision in zip(stores, holdings, decisions, strict=True)
    ]
    for run in runs:
        run.done.resting = resting.get(run.store.name, "")
    active = [run for run in runs if not run.done.resting]
    for run in active:
        run.condemn()
    for run in active:
        run.delete(lambda: _readers(stores, holdings))
        run.thin()
    return tuple(run.done for run in runs)


def _readers(stores: Sequence[Store], holdings: Sequence[Holding]) -> int:
    """How many restores have begun since the holdings were looked at."""
    begun = 0
    for store, holding in zip(stores, holdings, strict=True):
        for prefix, known in holding.marks:  # none of a store that is unknown
            begun += sum(one.kind == marks.READING for one in set(marks.marks(store, prefix)) - set(known))
    return begun


class _Run:
    """One store: tombstones that are no longer right taken back, new ones set, and what is due deleted."""

    def __init__(self, store: Store, holding: Holding, decision: Decision, rules: Rules, now: datetime) -> None:
        self.store, self.holding, self.rules, self.now = store, holding, rules, now
        self.gone = decision.gone
        self.below = decision.logs_below
        self.tombstones: dict[str, dict[str, Mark]] = {}
        self.done = Expired(store.name)

    def condemn(self) -> None:
        for prefix, found in self.holding.marks:
            wanted = self._wanted(prefix)
            standing = self.tombstones[prefix] = self._still_right(prefix, found, wanted)
            for subject in wanted:
                if subject not in standing:
                    why = "nothing that is kept needs it"
                    after = (self.now + self.rules.grace).isoformat()
                    marks.put(self.store, prefix, marks.EXPIRING, subject, "due", self.now, why=why, not_before=after)
                    self.done.condemned += 1

    def delete(self, readers: Callable[[], int]) -> None:
        """`readers`: restores that began since this run looked; for their sake nothing is deleted now."""
        due = {
            prefix: {subject for subject, one in standing.items() if self.now - one.at >= self.rules.grace}
            for prefix, standing in self.tombstones.items()
        }
        announced = [
            (prefix, marks.put(self.store, prefix, marks.EXPIRING, subject, "deleting", self.now))
            for prefix, subjects in due.items()
            for subject in sorted(subjects)
        ]
        if announced and readers():
            self.done.resting = "a restore has begun"
        for prefix, found in self.holding.marks:
            if not self.done.resting:
                self._delete(prefix, due[prefix])
            self._clear(prefix, found, self.tombstones[prefix])
        for prefix, mark in announced:
            marks.remove(self.store, prefix, mark)

    def thin(self) -> None:
        """Notes of how far a log is complete need no grace: a later one that is there says all that they say."""
        if not self.rules.for_ever and not self.done.resting:
            before = self.now - self.rules.lock - TOLERANCE
            gone, locked = drop_superseded(self.store, self.holding, before)
            self.done.notes += gone
            self.done.locked += locked

    def _wanted(self, prefix: str) -> list[str]:
        """The subjects of one server that are to go: what builds on others first."""
        images = [one.id for one in self.gone if one.prefix == prefix]
        garbage = [name for folder, name in self.holding.garbage if folder == prefix and self._old(name)]
        logs = [marks.log_subject(epoch, number) for (folder, epoch), number in self.below.items() if folder == prefix]
        return [*images, *garbage, *logs]

    def _old(self, image: str) -> bool:
        """Whether whoever wrote parts without a manifest has given up: no job takes as long as the grace."""
        return self.now - marks.time_of(image) >= self.rules.grace

    def _still_right(self, prefix: str, found: Iterable[Mark], wanted: Iterable[str]) -> dict[str, Mark]:
        """Tombstones that count; others are taken back: of what is needed again, or set by a clock that was wrong."""
        right = {}
        subjects = set(wanted)
        for subject, one in marks.tombstones(found).items():
            if one.at > self.now + TOLERANCE or not (subject in subjects or self._spent(prefix, subject)):
                marks.revoke(self.store, prefix, one, why="it is needed, or the clock was wrong")
                self.done.spared += 1
            else:
                right[subject] = one
        return right

    def _spent(self, prefix: str, subject: str) -> bool:
        """Whether a tombstone asks for nothing that is kept: its image is gone, or it spares more than must be."""
        log_ = marks.parse_log_subject(subject)
        if log_ is not None:
            epoch, number = log_
            return number <= self.below.get((prefix, epoch), 0) or not self._binlogs(prefix, epoch, number)
        there = {one.key for one in self.holding.images} | set(self.holding.garbage)
        return (prefix, subject) not in there

    def _binlogs(self, prefix: str, epoch: int, number: int) -> list[str]:
        """Those of an epoch below a number, oldest first."""
        epochs = dict(self.holding.logs).get(prefix, ())
        return [log_.file for one in epochs if one.number == epoch for log_ in one.binlogs if log_.number < number]

    def _delete(self, prefix: str, due: set[str]) -> None:
        known = {one.id for one in self.gone if one.prefix == prefix}
        left = {name for folder, name in self.holding.garbage if folder == prefix}
        for subject in self._wanted(prefix):
            if subject in due and subject in known and self._delete_image(prefix, subject):
                self.done.images += 1
            elif subject in due and subject in left and self._delete_parts(prefix, subject):
                self.done.leftovers += 1
        for subject in sorted(due):
            log_ = marks.parse_log_subject(subject)
            if log_ is not None and log_[1] <= self.below.get((prefix, log_[0]), 0):
                self._delete_binlogs(prefix, *log_)

    def _delete_image(self, prefix: str, image: str) -> bool:
        log.info("store `%s`: deleting image %s/%s", self.store.name, prefix, image)
        return self._gone(layout.manifest_key(prefix, image)) and self._delete_parts(prefix, image)

    def _delete_parts(self, prefix: str, image: str) -> bool:
        """Whether all are gone. Of an image whose manifest has come meanwhile nothing goes."""
        if self.store.head(layout.manifest_key(prefix, image)) is not None:
            return False
        parts = [one.key for one in self.store.list(f"{layout.images_folder(prefix)}{image}/")]
        return self._all_gone(parts)

    def _delete_binlogs(self, prefix: str, epoch: int, number: int) -> None:
        for file in self._binlogs(prefix, epoch, number):
            # In the order of keys: the segment at 0 first, without which none of the file counts.
            keys = [one.key for one in self.store.list(segments.file_folder(prefix, epoch, file))]
            if not self._all_gone(keys):
                return
            self.done.binlogs += bool(keys)

    def _all_gone(self, keys: Sequence[str]) -> bool:
        """The first alone: without it the others are reached by nobody, and may go in any order."""
        if not keys:
            return True
        if not self._gone(keys[0]):
            return False
        locked = self.store.delete_many(keys[1:])
        self.done.locked += locked
        self.done.objects += len(keys) - 1 - locked
        return not locked

    def _gone(self, key: str) -> bool:
        try:
            self.store.delete(key)
        except StoreLocked:
            self.done.locked += 1
            return False
        self.done.objects += 1
        return True

    def _clear(self, prefix: str, found: Sequence[Mark], tombstones: Mapping[str, Mark]) -> None:
        """Removes marks of what is no longer there, tombstones last."""
        names = {name.rstrip("/") for name in self.store.folders(layout.images_folder(prefix))}
        names -= {name for name in names & tombstones.keys() if self._hollow(prefix, name)}
        known = [one for one in found if not marks.parse_log_subject(one.subject)]
        old = [one for one in found if self.now - one.at >= self.rules.grace]
        orphans = [one for one in old if one in known and one.subject not in names]
        orphans += [one for one in old if one.word == "deleting"]  # a run that was broken off left it
        for one in sorted(orphans, key=lambda mark: mark.kind == marks.EXPIRING):
            marks.remove(self.store, prefix, one)
        for subject, one in tombstones.items():
            log_ = marks.parse_log_subject(subject)
            if log_ is not None and not self._there(prefix, *log_):
                marks.remove(self.store, prefix, one)
        marks.clear_revoked(self.store, prefix, found)

    def _hollow(self, prefix: str, image: str) -> bool:
        """Whether nothing of ours is in its folder, which is there for what others have put into it."""
        return next(iter(self.store.list(layout.image_folder(prefix, image))), None) is None

    def _there(self, prefix: str, epoch: int, number: int) -> bool:
        files = segments.files(self.store, prefix, epoch)
        return any(
            segments.sequence(file) < number
            and next(iter(self.store.list(segments.file_folder(prefix, epoch, file))), None) is not None
            for file in files
        )
