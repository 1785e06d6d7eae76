"""Copying a complete image to another store: bytes as they are, verified by their hashes, resumable."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from bkpc_grammar.image_objects import JOB_AT_ONCE, JOB_MEMORY, SMALL
from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part, encode_manifest
from bkpc_runtime.steps.backup import verify_sizes
from bkpc_runtime.steps.reading import spare_leftovers
from bkpc_runtime.steps.storing import Storing
from bkpc_runtime.stores.store import ObjectWriter, Store
from bkpc_runtime.transfer.ahead import ahead
from bkpc_runtime.transfer.ranges import read_checked, stored_crc64
from bkpc_runtime.transfer.throttle import Throttle

log = logging.getLogger(__name__)


def copy_image(
    image: Image,
    source: Store,
    target: Store,
    *,
    limit: int | None = None,
    go_on: Callable[[], None] = lambda: None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """The image in `target`; returns how many bytes had to move. Parts that are there as they should be are not sent
    again; what lies in their place otherwise is replaced.

    `go_on` raises where it is to be broken off; `progress` is told how many bytes have moved.

    Raises:
        DamagedBackup: a part in `source` is not what its manifest says; the copy then does not appear.
        StoreLocked: something else lies where a part belongs, and may not be replaced; neither does the copy then.
    """
    spare_leftovers(target, image.prefix, image.manifest.id)
    throttle = Throttle(limit) if limit else None
    moved = 0
    pace = Pace(limit, throttle, go_on)
    # Small ones beside what is copied in its turn: what a request takes is not paid for each. Of that the last bytes
    # are written while the next is read.
    with Storing() as storing:
        coming = ahead(
            (_beside(key, part, source, target, pace, storing) for key, part in missing(image, target, pace)),
            most=JOB_AT_ONCE, room=JOB_MEMORY,
        )  # fmt: skip
        with closing(coming):
            for size, copy in coming:
                copy()
                moved += size
                progress(moved)
        storing.finish()
    verify_sizes(target, image.prefix, image.manifest)
    target.put(layout.manifest_key(image.prefix, image.manifest.id), encode_manifest(image.manifest))
    return moved


def _beside(
    key: str, part: Part, source: Store, target: Store, pace: Pace, storing: Storing
) -> tuple[int, Callable[[], tuple[int, Callable[[], None]]]]:
    """A small part is copied ahead: read, and held once more to be written. A larger one in its turn, by who has it."""
    size = part.sums.stored_size
    copy = partial(_copy_part, key, part, source, target, pace)
    if size > SMALL:
        return 0, lambda: (size, lambda: storing.commit([copy()], size))

    def now() -> tuple[int, Callable[[], None]]:
        copy().commit()
        return size, lambda: None

    return 2 * size, now


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast each connection may go, and all together; and whether to go on."""

    limit: int | None = None
    throttle: Throttle | None = None
    go_on: Callable[[], None] = lambda: None


def missing(image: Image, target: Store, pace: Pace) -> Iterator[tuple[str, Part]]:
    """The parts that `target` does not hold as they should be, by key."""
    held = {one.key: one.size for one in target.list(layout.image_folder(image.prefix, image.manifest.id))}
    for part in image.manifest.parts:
        key = layout.part_key(image.prefix, image.manifest.id, part.name)
        if held.get(key) != part.sums.stored_size:
            yield key, part
        elif not _is_right(key, part, target, pace):
            log.warning("%s in store `%s` is not what belongs there: it is copied again", key, target.name)
            yield key, part


def _is_right(key: str, part: Part, target: Store, pace: Pace) -> bool:
    """By the sum that the store keeps; else its bytes are read."""
    there, ours = target.head(key), stored_crc64(part.sums)
    if there is None or there.size != part.sums.stored_size:
        return False
    if there.crc64 is not None and ours is not None:
        return there.crc64 == ours
    if there.cold:
        return False
    digest = hashlib.sha256()
    try:
        for chunk in read_checked(target, key, part.sums, limit=pace.limit):
            pace.go_on()
            digest.update(chunk)
    except DamagedBackup:
        return False
    return digest.hexdigest() == part.sums.stored_sha256


def _copy_part(key: str, part: Part, source: Store, target: Store, pace: Pace) -> ObjectWriter:
    """What has all bytes of the part, and is still to be committed."""
    digest = hashlib.sha256()
    writer = target.writer(key, part.sums.stored_size, resumes=True, limit=pace.limit)
    try:
        for chunk in read_checked(source, key, part.sums, limit=pace.limit):
            pace.go_on()
            if pace.throttle:
                pace.throttle.take(len(chunk))
            digest.update(chunk)
            writer.write(chunk)
        if digest.hexdigest() != part.sums.stored_sha256:
            raise DamagedBackup(f"{key} in store `{source.name}` is not what was written: its SHA-256 differs")
    except BaseException:
        writer.abort()
        raise
    return writer
