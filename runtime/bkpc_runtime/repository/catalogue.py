"""What a store holds of a database: servers, complete images, and the log that continues them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bkpc_runtime.errors import DamagedBackup, ObjectMissing
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import parse_state, writers
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.repository.joins import Ended, Join, begun, ended_at, joins_of, left_at
from bkpc_runtime.repository.log_damage import lost
from bkpc_runtime.repository.manifest import Manifest, decode_manifest
from bkpc_runtime.repository.windows import Stretch, Window
from bkpc_runtime.stores.store import Store

__all__ = [
    "Image", "Stretch", "Window", "ahead", "all_images", "chain", "images", "left_behind", "newest", "newest_by",
    "prefixes", "severed", "severed_after", "survey", "unreadable", "unreadable_of", "window",
]  # fmt: skip

log = logging.getLogger(__name__)
_CLOCKS_DIFFER = timedelta(minutes=5)
"""As much as expiry lets them."""


@dataclass(frozen=True, slots=True)
class Image:
    """A complete image in one store."""

    prefix: str
    manifest: Manifest

    @property
    def position(self) -> Position:
        return Position(self.manifest.binlog_file, self.manifest.binlog_offset)


def prefixes(store: Store, database: str) -> list[str]:
    """The folders of all servers that this database was backed up from."""
    folder = layout.database_folder(database)
    return [f"{folder}/{name.rstrip('/')}" for name in store.folders(f"{folder}/")]


def images(store: Store, prefix: str) -> Iterator[Image]:
    """Complete images, newest first."""
    for found in _manifests(store, prefix):
        if isinstance(found, Image):
            yield found
        else:
            # One that can't be read must not keep the others from being restored.
            log.error("not counted: %s", found)


def unreadable(store: Store, database: str) -> list[str]:
    """What is wrong with the manifests that can't be read, of all servers of a database."""
    return [one for prefix in prefixes(store, database) for one in unreadable_of(store, prefix)]


def unreadable_of(store: Store, prefix: str) -> list[str]:
    """What is wrong with the manifests of one server that can't be read."""
    return [str(one) for one in _manifests(store, prefix) if isinstance(one, DamagedBackup)]


def survey(store: Store, prefix: str) -> Iterator[tuple[str, Image | DamagedBackup | None]]:
    """Every folder of an image by its id, newest first: the image, or why it can't be read; None: no manifest."""
    names = [name.rstrip("/") for name in store.folders(layout.images_folder(prefix))]
    for name in sorted(filter(layout.is_image_id, names), reverse=True):
        yield name, _read(store, prefix, name)


def _manifests(store: Store, prefix: str) -> Iterator[Image | DamagedBackup]:
    return (found for _, found in survey(store, prefix) if found is not None)


def _read(store: Store, prefix: str, name: str) -> Image | DamagedBackup | None:
    """An image, or why its manifest can't be read; None where it has none."""
    key = layout.manifest_key(prefix, name)
    try:
        return Image(prefix, decode_manifest(store.get(key), key))
    except ObjectMissing:
        return None
    except DamagedBackup as problem:
        return problem


def has_image(store: Store, database: str) -> bool:
    """Whether the manifest of an image is there, told by its name alone: for keys that may list and not read."""
    return any(
        found.key == key
        for prefix in prefixes(store, database)
        for name in store.folders(layout.images_folder(prefix))
        if layout.is_image_id(name.rstrip("/"))
        for key in (layout.manifest_key(prefix, name.rstrip("/")),)
        for found in store.list(key)
    )


def newest(store: Store, database: str, fits: Callable[[Manifest], bool] = lambda _: True) -> Image | None:
    """The newest complete image of all servers of a database that `fits`; no older manifest is read."""
    found = [
        (name.rstrip("/"), prefix)
        for prefix in prefixes(store, database)
        for name in store.folders(layout.images_folder(prefix))
    ]
    for name, prefix in sorted((one for one in found if layout.is_image_id(one[0])), reverse=True):
        image = _read(store, prefix, name)
        if isinstance(image, Image):
            if fits(image.manifest):
                return image
        elif image is not None:
            log.error("not counted: %s", image)
    return None


def newest_by(
    store: Store, database: str, now: datetime, fits: Callable[[Manifest], bool] = lambda _: True
) -> Image | None:
    """As `newest`, of those that are not `ahead`."""
    return newest(store, database, lambda manifest: not ahead(manifest, now) and fits(manifest))


def ahead(manifest: Manifest, now: datetime) -> bool:
    """Whether an image says that it was begun later than now: a clock was wrong. It is none of today's, nor of any day
    until that comes, but can be restored as any other."""
    return datetime.fromisoformat(manifest.began) > now + _CLOCKS_DIFFER


def lacking(store: Store, image: Image) -> tuple[str, ...]:
    """The parts of an image that are not there, or not of their size: one listing, nothing is read."""
    held = {one.key: one.size for one in store.list(layout.image_folder(image.prefix, image.manifest.id))}
    keys = {layout.part_key(image.prefix, image.manifest.id, one.name): one for one in image.manifest.parts}
    return tuple(one.name for key, one in keys.items() if held.get(key) != one.sums.stored_size)


def all_images(store: Store, database: str) -> list[Image]:
    """Complete images of all servers of a database, newest first."""
    found = [image for prefix in prefixes(store, database) for image in images(store, prefix)]
    return sorted(found, key=lambda image: image.manifest.id, reverse=True)


def chain(image: Image, there: Iterable[Image]) -> tuple[Image, ...]:
    """What brings an image back, in order: the full image first, `image` last.

    Raises:
        DamagedBackup: `there` (the images of its store) lacks one of them, or one is of another server.
    """
    known = {one.manifest.id: one for one in there if one.prefix == image.prefix}
    links = [image]
    while links[-1].manifest.kind == "incremental":
        child = links[-1].manifest
        parent = known.get(child.parent)
        if parent is None:
            raise DamagedBackup(f"image {image.manifest.id} needs image {child.parent}, which is not beside it")
        if (parent.manifest.engine, parent.manifest.to_lsn) != (child.engine, child.from_lsn):
            raise DamagedBackup(
                f"image {child.id} continues {child.parent} at LSN {child.from_lsn}, which ends at "
                f"{parent.manifest.to_lsn}"
            )
        links.append(parent)
    return tuple(reversed(links))


def window(store: Store, image: Image) -> Window | None:
    """How far the log continues an image without a gap, at servers that took the place of its own too; None where no
    log reaches its position."""
    start = image.position
    if not start.file:
        return None
    all_ = segments.epochs(store, image.prefix)
    for epoch in reversed(all_):
        end = _continued(store, image.prefix, epoch, start)
        if end is not None and _same_file(store, image, epoch) and not _begun_anew_since(store, image, epoch, all_):
            return _joined(store, Window(image, epoch, end, begun_anew=len(all_) > 1))
    return None


def _joined(store: Store, own: Window) -> Window:
    """With the logs of later servers, where each one's begins just where the log before it ends."""
    way = [own.tip]
    while (found := _next(store, way[-1])) is not None:
        join, end = found
        way[-1] = replace(way[-1], end=join.end)
        label = layout.log_label(join.prefix_there, join.epoch_there)
        way.append(Stretch(join.prefix_there, join.epoch_there, join.position, end, label, join.gtids, join.passed))
    return own if len(way) == 1 else replace(own, end=way[-1].named(way[-1].end), way=tuple(way))


def _next(store: Store, last: Stretch) -> tuple[Join, Position] | None:
    """The log that goes on from another, and how far; a server that lives on is not left."""
    for join in reversed(joins_of(store, last.prefix, last.epoch)):
        if join.end.file != last.end.file or segments.order(join.end) < segments.order(last.start):
            continue
        if segments.archived_file(store, last.prefix, last.epoch, join.end.file).boundary != join.end.offset:
            continue
        end = _continued(store, join.prefix_there, join.epoch_there, join.position)
        if end is not None:
            return join, end
    return None


def _same_file(store: Store, image: Image, epoch: int) -> bool:
    """Whether the archived binlog is the one the image stands in, and not another of its name."""
    origin = segments.origin(store, image.prefix, epoch, image.position.file)
    return not origin or not image.manifest.binlog_origin or origin == image.manifest.binlog_origin


def _begun_anew_since(store: Store, image: Image, epoch: int, all_: Sequence[int]) -> bool:
    """Whether a log was begun anew, within the second, after the one that an image stands in: names and first events of
    both are the same. One that was taken after that, and before it was seen, counts as of before: a new one is due."""
    before = [one for one in all_ if one <= epoch]
    if len(before) < 2:
        return False
    holding = (one for one in before if image.position.file in segments.files(store, image.prefix, one))
    first = next(holding, epoch)
    began = datetime.fromisoformat(image.manifest.began).timestamp()
    for one in before:
        if one > first:
            reason, seen = segments.gap(store, image.prefix, one)
            if segments.ANOTHER in reason and began <= seen:
                return True
    return False


def severed(store: Store, image: Image) -> str:
    """Why archived log that is newer than an image can't be reached from it; empty where all of it can.

    Then only a new image can be followed by that log.
    """
    return severed_after(store, image, window(store, image))


def severed_after(store: Store, image: Image, reached: Window | None) -> str:
    """The same, where `window` has found already how far the log continues the image."""
    tip = reached.tip if reached else None
    prefix = tip.prefix if tip else image.prefix
    epochs = segments.epochs(store, prefix)
    if not epochs or not image.position.file:
        return ""
    newest = epochs[-1]
    if reached is None or tip is None:
        return _unreached(store, image, newest, segments.newest_end(store, prefix, newest))
    if tip.epoch != newest:
        reason, _ = segments.gap(store, prefix, newest)
        return f"the log breaks off at {reached.end.text}: {reason or 'a new epoch begins'}"
    names = segments.files(store, prefix, newest)
    last = segments.archived_file(store, prefix, newest, names[-1])
    held = max((one.end for one in (*last.segments, *last.damaged)), default=0)
    if reached.tip_end.file == names[-1] and last.reach >= held:
        return ""
    if damage := _damaged_after(store, prefix, newest, reached.tip_end):
        return f"the archived log is damaged after {reached.end.text}: {damage.key(prefix)}"
    return f"the archived log lacks what comes after {reached.end.text}, and has later log"


def _damaged_after(store: Store, prefix: str, epoch: int, end: Position) -> segments.Segment | None:
    """What is known to be damaged where a log ends, if that is why it does."""
    here = segments.sequence(end.file)
    near = [one for one in segments.files(store, prefix, epoch) if here <= segments.sequence(one) <= here + 1]
    found = [one for file in near for one in lost(segments.archived_file(store, prefix, epoch, file))]
    return found[0] if found else None


def left_behind(store: Store, image: Image, reached: Window | None) -> str:
    """Why log of another server is not reached; empty where there is none, or it ended before, or holds nothing that is
    not reached."""
    known = {one.prefix for one in reached.stretches} if reached else {image.prefix}
    here = ended_at(store, reached.tip.prefix, reached.tip.epoch) if reached else _stands(image)
    since = datetime.fromisoformat(image.manifest.began).timestamp()
    all_ = prefixes(store, image.manifest.database)
    for prefix in all_:
        newest = max(segments.epochs(store, prefix), default=0) if prefix not in known else 0
        end = segments.newest_end(store, prefix, newest) if newest else None
        if not newest or (end and _ended_before(store, prefix, newest, end, here, since, all_)):
            continue
        if end and any(images(store, prefix)):
            place = f"{layout.log_label(prefix, newest)}{end.text}"
            return f"the log of another server, {prefix}, has gone on since, to {place}"
        why, _ = segments.gap(store, prefix, newest)
        return f"there is log of another server, {prefix}, and no image of it{': ' if why else ''}{why}"
    return ""


def _ended_before(
    store: Store, prefix: str, epoch: int, end: Position, here: Ended | None, since: float, all_: Iterable[str]
) -> bool:
    """Whether a server's log is none that is missed: another one went on where it ends, or began anew then; or it holds
    nothing more than is `here`."""
    told = {one.end.text for one in joins_of(store, prefix, epoch) if begun(store, one)} | left_at(store, prefix, epoch)
    told |= {position for one in all_ for position in segments.broke_off(store, one, prefix.rpartition("/")[2])}
    if end.text in told:
        return True
    there = ended_at(store, prefix, epoch)
    if there and here and there.gtids and here.gtids:
        # Numbers of MariaDB are the same for two servers that have parted.
        parted = there.gtids.servers and not there.writers <= here.writers
        return not parted and there.gtids.less(here.gtids).empty
    return not told and any(images(store, prefix)) and _begun_at(store, prefix, epoch, all_) <= since


def _begun_at(store: Store, prefix: str, epoch: int, all_: Iterable[str]) -> float:
    """When an epoch was begun, if a gap or the log of another server before it tells; else 0."""
    joins = (
        one.joined_at
        for other in all_
        for number in segments.epochs(store, other)
        for one in joins_of(store, other, number)
        if (one.prefix_there, one.epoch_there) == (prefix, epoch)
    )
    return max(segments.gap(store, prefix, epoch)[1], *joins, 0.0)


def _stands(image: Image) -> Ended:
    """What is executed where an image stands that no log leads on from."""
    gtids = image.manifest.gtid
    return Ended(image.prefix, 0, image.position, parse_state(gtids) if gtids else None, writers(gtids))


def _unreached(store: Store, image: Image, newest: int, end: Position | None) -> str:
    begins = segments.files(store, image.prefix, newest)
    if not begins or end is None:
        return "the archived log has no beginning" if begins else ""
    first = segments.archived_file(store, image.prefix, newest, begins[0])
    held = first.segments[0].start if first.segments else 0
    late = segments.order(Position(begins[0], held)) > segments.order(image.position)
    if late or not _same_file(store, image, newest) or segments.order(end) >= segments.order(image.position):
        return f"the archived log does not reach back to {image.position.text}, where the image stands"
    reason, seen = segments.gap(store, image.prefix, newest)
    taken = datetime.fromisoformat(image.manifest.finished).timestamp()
    return f"the log broke off after the image: {reason}" if seen > taken else ""


def _continued(store: Store, prefix: str, epoch: int, start: Position) -> Position | None:
    end: Position | None = None
    expected = segments.sequence(start.file)
    later = [one for one in segments.files(store, prefix, epoch) if segments.sequence(one) >= expected]
    for file, archived in segments.archived_files(store, prefix, epoch, later):
        if segments.sequence(file) != expected or archived.reach == 0:
            break
        if file == start.file and archived.reach < start.offset:
            return None
        end = Position(file, archived.reach)
        if not archived.whole:
            break
        expected += 1
    return end
