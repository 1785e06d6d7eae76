"""Verification as a job: the newest image after it was taken, and one of the others, so that each gets its turn."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from bkpc_runtime.errors import ObjectFrozen, ObjectMissing, StoreFailed
from bkpc_runtime.repository import catalogue, layout, log_damage, marks, segments
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.log_damage import DamagedLog
from bkpc_runtime.repository.manifest import decode_manifest
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.verify import read_back, sound
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)


def due_images(store: Store, database: str, since: datetime) -> list[Image]:
    """The newest image where nothing tells that it was read back; and, if none was since `since`, the one whose last
    time is longest ago."""
    newest = catalogue.newest(store, database)
    if newest is None:
        return []
    told = {prefix: marks.marks(store, prefix) for prefix in catalogue.prefixes(store, database)}
    verified = [one for found in told.values() for one in found if one.kind == marks.VERIFIED]
    found = []
    if marks.newest(verified, marks.VERIFIED, newest.manifest.id) is None:
        found.append(newest)
    if max((one.at for one in verified), default=since) <= since:
        found += _turn(store, told, verified, newest)
    return found


def _turn(store: Store, told: dict[str, tuple[Mark, ...]], verified: Sequence[Mark], newest: Image) -> list[Image]:
    last = {one.subject: one.stamp for one in sorted(verified)}
    others = [
        (last.get(name, ""), name, prefix)
        for prefix, found in told.items()
        for name in (one.rstrip("/") for one in store.folders(layout.images_folder(prefix)))
        if layout.is_image_id(name) and name != newest.manifest.id and name not in marks.tombstones(found)
    ]
    for _, name, prefix in sorted(others):
        key = layout.manifest_key(prefix, name)
        try:
            return [Image(prefix, decode_manifest(store.get(key), key))]
        except ObjectMissing:
            continue  # parts without a manifest
    return []


def verify_into_mark(
    image: Image, store: Store, identities: Sequence[Secret], limit: int | None, now: datetime
) -> tuple[str, ...]:
    """Reads an image back and leaves a mark of it; what is wrong with it."""
    problems, read = read_back(image, store, identities, limit)
    tell(image, store, problems, read, now, content=bool(identities) or not image.manifest.encrypted)
    return problems


def look_again(store: Store, database: str, now: datetime) -> Iterator[str]:
    """Segments of the log that were found damaged and still are: they do not count. Those that are not count again."""
    for prefix in catalogue.prefixes(store, database):
        for epoch in segments.epochs(store, prefix):
            for _, archived in segments.archived_files(store, prefix, epoch, segments.files(store, prefix, epoch)):
                for one in archived.damaged:
                    try:
                        well = sound(store, prefix, one)
                    except ObjectFrozen:
                        yield f"{one.key(prefix)} was found damaged, and must thaw before it can be looked at again"
                        continue
                    if not well:
                        yield f"{one.key(prefix)} is damaged: its SHA-256 is not the one in its name"
                        continue
                    try:
                        log_damage.mend(store, prefix, one, now)
                    except StoreFailed as problem:
                        log.warning("%s is sound again, and no note is left of it: %s", one.key(prefix), problem)


def note_damage(store: Store, damaged: Iterable[tuple[str, Segment]], now: datetime) -> None:
    """So that these segments count no more; a key that may only read leaves no notes."""
    for prefix, segment in damaged:
        try:
            log_damage.note(store, prefix, segment, now)
        except StoreFailed as problem:
            log.warning("no note is left that %s is damaged: %s", segment.key(prefix), problem)


def note_met(store: Store, problem: BaseException, now: datetime) -> None:
    """The same of log that was met while it was read for something else, where it still is damaged."""
    met: BaseException | None = problem
    while met and not (isinstance(met, DamagedLog) and met.segment):
        met = met.__cause__
    if isinstance(met, DamagedLog) and met.segment:
        with suppress(StoreFailed):
            if not (met.spoiled and sound(store, met.prefix, met.segment)):
                note_damage(store, [(met.prefix, met.segment)], now)


def tell(image: Image, store: Store, problems: Sequence[str], read: int, now: datetime, *, content: bool) -> None:
    """The mark of a verification; a key that may only read leaves none."""
    word = "damaged" if problems else "ok"
    depth = "content" if content else "stored bytes"
    told = {"problems": list(problems), "bytes_read": read, "depth": depth}
    try:
        marks.put(store, image.prefix, marks.VERIFIED, image.manifest.id, word, now, **told)
    except StoreFailed as problem:
        log.warning("no mark is left of the verification of %s: %s", image.manifest.id, problem)
