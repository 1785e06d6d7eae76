"""What a store holds of a database: servers, complete images, and the log that continues them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.repository.manifest import Manifest, decode_manifest
from bkpc_runtime.stores.store import Store


@dataclass(frozen=True, slots=True)
class Image:
    """A complete image in one store."""

    prefix: str
    manifest: Manifest

    @property
    def position(self) -> Position:
        return Position(self.manifest.binlog_file, self.manifest.binlog_offset)


@dataclass(frozen=True, slots=True)
class Window:
    """What can be restored from one image: any transaction of `epoch` from its position up to `end`."""

    image: Image
    epoch: int
    end: Position


def prefixes(store: Store, database: str) -> list[str]:
    """The folders of all servers that this database was backed up from."""
    folder = layout.database_folder(database)
    return [f"{folder}/{name.rstrip('/')}" for name in store.folders(f"{folder}/")]


def images(store: Store, prefix: str) -> Iterator[Image]:
    """Complete images, newest first."""
    names = [name.rstrip("/") for name in store.folders(layout.images_folder(prefix))]
    for name in sorted(filter(layout.is_image_id, names), reverse=True):
        key = layout.manifest_key(prefix, name)
        if store.head(key) is not None:
            yield Image(prefix, decode_manifest(store.get(key), key))


def all_images(store: Store, database: str) -> list[Image]:
    """Complete images of all servers of a database, newest first."""
    found = [image for prefix in prefixes(store, database) for image in images(store, prefix)]
    return sorted(found, key=lambda image: image.manifest.id, reverse=True)


def window(store: Store, image: Image) -> Window | None:
    """How far the log continues an image without a gap; None where no log reaches its position."""
    start = image.position
    if not start.file:
        return None
    for epoch in reversed(segments.epochs(store, image.prefix)):
        end = _continued(store, image.prefix, epoch, start)
        if end is not None:
            return Window(image, epoch, end)
    return None


def _continued(store: Store, prefix: str, epoch: int, start: Position) -> Position | None:
    end: Position | None = None
    expected = segments.sequence(start.file)
    for file in segments.files(store, prefix, epoch):
        if segments.sequence(file) < expected:
            continue
        archived = segments.archived_file(store, prefix, epoch, file)
        if segments.sequence(file) != expected or archived.reach == 0:
            break
        if file == start.file and archived.reach < start.offset:
            return None
        end = Position(file, archived.reach)
        if not archived.whole:
            break
        expected += 1
    return end
