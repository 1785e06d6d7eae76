"""Copying a complete image to another store: bytes as they are, verified by their hashes, resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part, encode_manifest
from bkpc_runtime.steps.backup import verify_sizes
from bkpc_runtime.steps.reading import spare_leftovers
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.ranges import read_checked
from bkpc_runtime.transfer.throttle import Throttle


def copy_image(
    image: Image,
    source: Store,
    target: Store,
    *,
    limit: int | None = None,
    go_on: Callable[[], None] = lambda: None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """The image in `target`; returns how many bytes had to move. Parts that are there are not sent again.

    `go_on` raises where it is to be broken off; `progress` is told how many bytes have moved.

    Raises:
        DamagedBackup: a part in `source` is not what its manifest says; the copy then does not appear.
    """
    spare_leftovers(target, image.prefix, image.manifest.id)
    throttle = Throttle(limit) if limit else None
    moved = 0
    held = {one.key: one.size for one in target.list(layout.image_folder(image.prefix, image.manifest.id))}
    for part in image.manifest.parts:
        key = layout.part_key(image.prefix, image.manifest.id, part.name)
        if held.get(key) != part.sums.stored_size:
            _copy_part(key, part, source, target, _Pace(limit, throttle, go_on))
            moved += part.sums.stored_size
            progress(moved)
    verify_sizes(target, image.prefix, image.manifest)
    target.put(layout.manifest_key(image.prefix, image.manifest.id), encode_manifest(image.manifest))
    return moved


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast each connection may go, and all together; and whether to go on."""

    limit: int | None
    throttle: Throttle | None
    go_on: Callable[[], None]


def _copy_part(key: str, part: Part, source: Store, target: Store, pace: _Pace) -> None:
    digest = hashlib.sha256()
    with target.writer(key, part.sums.stored_size, resumes=True, limit=pace.limit) as writer:
        for chunk in read_checked(source, key, part.sums, limit=pace.limit):
            pace.go_on()
            if pace.throttle:
                pace.throttle.take(len(chunk))
            digest.update(chunk)
            writer.write(chunk)
        if digest.hexdigest() != part.sums.stored_sha256:
            raise DamagedBackup(f"{key} in store `{source.name}` is not what was written: its SHA-256 differs")
        writer.commit()
