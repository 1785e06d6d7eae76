"""What the stores of a database hold, read once: images, log and marks, with all that expiry is decided from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout, marks, segments
from bkpc_runtime.repository.archive import Epoch, archive_of, with_joins
from bkpc_runtime.repository.joins import Join, joins_of
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.stores.store import Store

READING_LASTS = timedelta(days=14)
"""A restore that began longer ago has ended, or nobody waits for it."""


@dataclass(frozen=True, slots=True)
class KnownImage:
    """A complete image in one store.

    `held`: why it is kept until somebody releases it, in words; empty where it isn't. `judged`: whether it was compared
    with its predecessors. `verified`, `damaged`: what was found when it was last read back. `reading`: whether a
    restore may be reading it. `windows`: for each store whose log continues it, the epoch there and how far.
    `later`: where that leads through the logs of other servers: store, folder, epoch, and the first binlog's number.
    """

    prefix: str
    id: str
    began: datetime
    finished: datetime
    position: Position
    parent: str = ""
    held: str = ""
    judged: bool = False
    verified: bool = False
    damaged: bool = False
    reading: bool = False
    windows: tuple[tuple[str, int, Position], ...] = ()
    later: tuple[tuple[str, str, int, int], ...] = ()
    stored_size: int = 0
    plain_size: int = 0
    parts: int = 0
    kind: str = "full"
    engine: str = "logical"
    taken: datetime | None = None
    """When, by the server's own clock, which its log goes by, too: that of who took the image may have been wrong."""

    @property
    def since(self) -> datetime:
        """The first instant to which the log after it leads."""
        return max(self.finished, self.taken or self.finished)

    @property
    def trusted(self) -> bool:
        """Whether others may go because it is there."""
        return not self.held and not self.damaged

    @property
    def key(self) -> tuple[str, str]:
        return (self.prefix, self.id)

    def tip(self, log: str) -> tuple[str, int]:
        """Folder and epoch of the log to which that in the store `log` leads in the end."""
        links = [(prefix, epoch) for store, prefix, epoch, _ in self.later if store == log]
        own = [(self.prefix, epoch) for store, epoch, _ in self.windows if store == log]
        return (links or own)[-1]


@dataclass(frozen=True, slots=True)
class Holding:
    """What one store holds of a database. `logs` and `marks` by server's folder; `garbage`: folders of parts that
    no manifest names; `unreadable`: what is wrong with manifests that can't be read; `unknown`: why the store could not
    be looked at, in short `what` it does, and all else is empty."""

    store: str
    images: tuple[KnownImage, ...] = ()
    logs: tuple[tuple[str, tuple[Epoch, ...]], ...] = ()
    marks: tuple[tuple[str, tuple[Mark, ...]], ...] = ()
    garbage: tuple[tuple[str, str], ...] = ()
    unreadable: tuple[str, ...] = ()
    unknown: str = ""
    what: str = ""


def holdings_of(stores: Iterable[Store], database: str, now: datetime) -> tuple[Holding, ...]:
    """What each of `stores`, which are all that keep something of a database, holds of it."""
    looks = [_Look(store, database) for store in stores]
    return tuple(look.holding(looks, now) for look in looks)


def holdings_where_known(stores: Iterable[Store], database: str, now: datetime) -> tuple[Holding, ...]:
    """The same, where some of `stores` may not answer, or have their manifests in a class that must thaw."""
    looks: dict[str, _Look] = {}
    failed: dict[str, StoreFailed] = {}
    names = []
    for store in stores:
        names.append(store.name)
        try:
            looks[store.name] = _Look(store, database)
        except StoreFailed as problem:
            failed[store.name] = problem
    known = list(looks.values())
    return tuple(
        looks[name].holding(known, now)
        if name in looks
        else Holding(name, unknown=str(failed[name]), what=failed[name].words)
        for name in names
    )


@dataclass(frozen=True, slots=True)
class _Reached:
    """What of one store's log continues an image; as in `KnownImage`."""

    store: str
    epoch: int
    end: Position
    later: tuple[tuple[str, str, int, int], ...]


class _Look:
    """One store, read. Of manifests only what is needed is kept: they name every table."""

    def __init__(self, store: Store, database: str) -> None:
        self.store = store
        self.images: list[tuple[KnownImage, str]] = []
        self.unreadable: list[str] = []
        self.garbage: list[tuple[str, str]] = []
        prefixes = catalogue.prefixes(store, database)
        # Marks first: an image that comes later has no marks yet, and none is taken for another's.
        self.marks = {prefix: marks.marks(store, prefix) for prefix in prefixes}
        for prefix in prefixes:
            self._read_images(prefix)
        self.logs = {prefix: archive_of(store, prefix) for prefix in prefixes}
        self._origins: dict[tuple[str, int, str], str] = {}
        several = prefixes if len(prefixes) > 1 else []
        self.joins = {
            (prefix, epoch.number): joins_of(store, prefix, epoch.number)
            for prefix in several
            for epoch in self.logs[prefix]
        }
        begun = {(one.prefix_there, one.epoch_there): one.joined_at for found in self.joins.values() for one in found}
        self.logs = {prefix: with_joins(epochs, prefix, begun) for prefix, epochs in self.logs.items()}

    def _read_images(self, prefix: str) -> None:
        for name, found in catalogue.survey(self.store, prefix):
            if found is None:
                # A folder may be there for what others have put into it.
                if next(iter(self.store.list(layout.image_folder(prefix, name))), None) is not None:
                    self.garbage.append((prefix, name))
            elif isinstance(found, catalogue.Image):
                self.images.append((_known(found), found.manifest.binlog_origin))
            else:
                self.unreadable.append(str(found))

    def holding(self, looks: Iterable[_Look], now: datetime) -> Holding:
        found = []
        for image, origin in self.images:
            # A copy is held with the image it was copied from.
            told = [mark for look in looks for mark in look.marks.get(image.prefix, ())]
            verified = marks.newest(self.marks[image.prefix], marks.VERIFIED, image.id)
            reached = [window for look in looks for window in look.windows(image, origin)]
            readers = (one.at for one in told if (one.kind, one.subject) == (marks.READING, image.id))
            found.append(
                replace(
                    image,
                    held=held(image.id, told),
                    judged=any(one.subject == image.id and one.kind in {marks.JUDGED, marks.RELEASED} for one in told),
                    verified=verified is not None and verified.word == "ok",
                    damaged=verified is not None and verified.word == "damaged",
                    reading=any(at > now - READING_LASTS for at in readers),
                    windows=tuple((one.store, one.epoch, one.end) for one in reached),
                    later=tuple(link for one in reached for link in one.later),
                )
            )
        return Holding(
            self.store.name,
            tuple(sorted(found, key=lambda one: one.id)),
            tuple(sorted(self.logs.items())),
            tuple(sorted(self.marks.items())),
            tuple(self.garbage),
            tuple(self.unreadable),
        )

    def windows(self, image: KnownImage, origin: str) -> list[_Reached]:
        """The newest epoch here whose log continues an image."""
        if not image.position.file:
            return []
        for epoch in reversed(self.logs.get(image.prefix, ())):
            end = epoch.end_from(image.position)
            if end is not None and self._same(image, epoch.number, origin):
                return [self._reached(image, epoch, end)]
        return []

    def _reached(self, image: KnownImage, epoch: Epoch, end: Position) -> _Reached:
        """Through the logs of later servers, too, as `catalogue.window`."""
        later: list[tuple[str, str, int, int]] = []
        prefix, number, label = image.prefix, epoch.number, ""
        while (found := self._next(prefix, epoch, end, image.position if not later else None)) is not None:
            join, epoch, end = found
            prefix, label = join.prefix_there, layout.log_label(join.prefix_there, join.epoch_there)
            later.append((self.store.name, prefix, join.epoch_there, segments.sequence(join.file)))
        return _Reached(self.store.name, number, Position(f"{label}{end.file}", end.offset), tuple(later))

    def _next(
        self, prefix: str, epoch: Epoch, end: Position, start: Position | None
    ) -> tuple[Join, Epoch, Position] | None:
        for join in reversed(self.joins.get((prefix, epoch.number), [])):
            if join.end.file != end.file or epoch.boundary_of(end.file) != join.end.offset:
                continue
            if start and segments.order(join.end) < segments.order(start):
                continue
            for there in self.logs.get(join.prefix_there, ()):
                reached = there.end_from(join.position) if there.number == join.epoch_there else None
                if reached is not None:
                    return join, there, reached
        return None

    def _same(self, image: KnownImage, epoch: int, wanted: str) -> bool:
        key = (image.prefix, epoch, image.position.file)
        if key not in self._origins:
            self._origins[key] = segments.origin(self.store, *key)
        there = self._origins[key]
        return not there or not wanted or there == wanted


def _known(image: catalogue.Image) -> KnownImage:
    manifest = image.manifest
    return KnownImage(
        prefix=image.prefix,
        id=manifest.id,
        began=datetime.fromisoformat(manifest.began),
        finished=datetime.fromisoformat(manifest.finished),
        position=image.position,
        parent=manifest.parent,
        stored_size=manifest.stored_size,
        plain_size=manifest.plain_size,
        parts=len(manifest.parts),
        kind=manifest.kind,
        engine=manifest.engine,
        taken=datetime.fromisoformat(manifest.snapshot) if manifest.snapshot else None,
    )


def held(image: str, told: Iterable[Mark]) -> str:
    """Why an image is held; empty where it is not, or where a person has released it."""
    known = list(told)
    judged = marks.newest(known, marks.JUDGED, image)
    if judged is None or judged.word != "hold" or marks.newest(known, marks.RELEASED, image):
        return ""
    return "it differs from its predecessors"
