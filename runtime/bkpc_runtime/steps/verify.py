"""Reading back what is stored: hashes of every part and segment, the log's continuity, decryptability."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bkpc_runtime.errors import DamagedBackup, ObjectMissing, Refused, StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout, segments, windows
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.log_damage import DamagedLog
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound, segment_opener
from bkpc_runtime.transfer.ranges import read_checked
from bkpc_runtime.transfer.throttle import Throttle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read back of one image and the log that continues it. `problems` is empty when all is well; `damage`:
    those of the image itself; `severed`: why log that is newer than it can't be reached from it, which is no problem of
    an image that others have followed: log that nothing needs expires, and gaps are known. `log_damage`: segments that
    are not what was written, each with its server's folder."""

    image: str
    parts: int
    bytes_read: int
    window_end: Position | None
    problems: tuple[str, ...]
    damage: tuple[str, ...] = ()
    severed: str = ""
    log_damage: tuple[tuple[str, Segment], ...] = ()


def verify_image(image: Image, store: Store, identities: Sequence[Secret], *, newest: bool = True) -> Verified:
    """Reads every byte of an image and of its log; with `identities` also decrypts, expands and hashes again.

    `newest`: whether no other image has followed it in the store, so that log must continue it.
    """
    damage, read = read_back(image, store, identities)
    problems = list(damage)
    window = catalogue.window(store, image)
    severed = catalogue.severed_after(store, image, window)
    if severed and newest:
        problems.append(severed)
    log_damage: list[tuple[str, Segment]] = []
    if window:
        problems += _log_problems(store, window, identities, log_damage)
    end = window.end if window else None
    parts, told = len(image.manifest.parts), tuple(problems)
    return Verified(image.manifest.id, parts, read, end, told, damage, severed, tuple(log_damage))


def read_back(
    image: Image, store: Store, identities: Sequence[Secret], limit: int | None = None
) -> tuple[tuple[str, ...], int]:
    """What is wrong with an image, every byte of which is read, and how many those are; `limit`: bytes per second."""
    read = 0
    problems: list[str] = []
    throttle = Throttle(limit) if limit else None
    for part in image.manifest.parts:
        key = layout.part_key(image.prefix, image.manifest.id, part.name)
        try:
            try:
                _read_part(
                    image, part, _paced(read_checked(store, key, part.sums, limit=limit), throttle), key, identities
                )
            except (DamagedBackup, StoreFailed) as problem:
                if isinstance(problem, StoreFailed) and not problem.retryable:
                    raise
                # What was spoiled on the way only must not be told as damage: nobody looks twice at what is lost.
                log.warning("%s: read again", problem)
                _read_part(
                    image, part, _paced(read_checked(store, key, part.sums, limit=limit), throttle), key, identities
                )
            read += part.sums.stored_size
        except (DamagedBackup, Refused, ObjectMissing) as problem:
            problems.append(str(problem))
    problems += _manifest_problems(image)
    problems += _chain_problems(image, store)
    return tuple(problems), read


def _paced(chunks: Iterator[bytes], throttle: Throttle | None) -> Iterator[bytes]:
    for chunk in chunks:
        if throttle:
            throttle.take(len(chunk))
        yield chunk


def _chain_problems(image: Image, store: Store) -> Iterator[str]:
    """What an incremental image builds on must be there; it is read when its own turn comes."""
    try:
        catalogue.chain(image, catalogue.images(store, image.prefix) if image.manifest.parent else ())
    except DamagedBackup as problem:
        yield str(problem)


def _read_part(image: Image, part: Part, chunks: Iterator[bytes], key: str, identities: Sequence[Secret]) -> None:
    if identities or not image.manifest.encrypted:
        plain = inbound(chunks, name=key, encrypted=image.manifest.encrypted, identities=identities, expected=part.sums)
        for _ in plain:
            pass
        return
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    if digest.hexdigest() != part.sums.stored_sha256:
        raise DamagedBackup(f"{key} is damaged: its SHA-256 is not the one in the manifest")


def _manifest_problems(image: Image) -> Iterator[str]:
    """What a manifest says against itself."""
    manifest = image.manifest
    if manifest.physical:
        if not manifest.parts:
            yield f"the manifest of {manifest.id} names no parts"
        return
    parts = {(one.schema, one.table) for one in manifest.parts if one.kind == "table"}
    missing = [
        f"{one.schema}.{table}"
        for one in manifest.inventory
        for table in one.tables
        if (one.schema, table) not in parts
    ]
    # A sequence of MariaDB is in its schema's part.
    missing = [name for name in missing if name not in manifest.sequences]
    if missing:
        yield f"the manifest of {manifest.id} names no part for {', '.join(missing[:5])}"
    if layout.prefix_of(manifest.database, manifest.identity) != image.prefix:
        whose = f"{manifest.database} ({manifest.identity})"
        yield f"the manifest of {manifest.id} is of {whose}, it lies in {image.prefix}"


def _log_problems(
    store: Store, window: catalogue.Window, identities: Sequence[Secret], damage: list[tuple[str, Segment]]
) -> Iterator[str]:
    """What is wrong with a log; segments that are damaged are put into `damage`."""
    if not identities and _sealed(store, window):
        yield from _hash_problems(store, window, damage)
        return
    try:
        pieces = windows.read(store, window, window.image.position, window.end, unpack=segment_opener(identities))
        for _ in pieces:
            pass
    except DamagedLog as problem:
        # Reading ends there, and what comes after it is to be known as well.
        yield from _hash_problems(store, window, damage)
        met = problem.segment
        if met is not None and (problem.prefix, met) not in damage:
            if not problem.spoiled:
                damage.append((problem.prefix, met))
            yield str(problem)
    except Refused as problem:
        yield str(problem)


def _sealed(store: Store, window: catalogue.Window) -> bool:
    tip = window.tip
    archived = segments.archived_file(store, tip.prefix, tip.epoch, window.tip_end.file)
    return any(segment.encrypted for segment in archived.segments)


def _hash_problems(store: Store, window: catalogue.Window, damage: list[tuple[str, Segment]]) -> Iterator[str]:
    for prefix, segment in windows.segments_of(store, window):
        if not sound(store, prefix, segment):
            damage.append((prefix, segment))
            yield f"{segment.key(prefix)} is damaged: its SHA-256 is not the one in its name"


def sound(store: Store, prefix: str, segment: Segment) -> bool:
    """Whether a segment is what was written: read again where it seems not to be, as spoiled on the way."""
    return any(hashlib.sha256(store.get(segment.key(prefix))).hexdigest() == segment.sha256 for _ in range(2))
