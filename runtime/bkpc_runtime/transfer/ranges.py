"""Sums of each range of a stored object: what came in wrong is got again, and what lies there wrong is named.

Without them (images of format 1) only the hash of the whole object tells, when its last byte has gone out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from bkpc_runtime.errors import DamagedBackup, Spoiled
from bkpc_runtime.stores.crc64 import combined, crc64
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.sums import Sums

RANGE = 8 * 1024 * 1024
"""As much as is in memory before it goes out; what a store fetches at once, too."""
_TRIES = 3

log = logging.getLogger(__name__)


class RangeSums:
    """Of bytes as they pass: CRC-64/XZ of each `RANGE` of them, in hexadecimal."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._crc = self._size = 0

    def update(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            piece, view = view[: RANGE - self._size], view[RANGE - self._size :]
            self._crc = crc64(piece, self._crc)
            self._size += len(piece)
            if self._size == RANGE:
                self._end()

    def _end(self) -> None:
        self._done.append(f"{self._crc:016x}")
        self._crc = self._size = 0

    def finish(self) -> tuple[str, ...]:
        if self._size:
            self._end()
        return tuple(self._done)


def stored_crc64(sums: Sums) -> int | None:
    """CRC-64/XZ of the whole object; None where its ranges are not known."""
    if not sums.ranges:
        return None
    last = sums.stored_size - RANGE * (len(sums.ranges) - 1)
    sizes = [RANGE] * (len(sums.ranges) - 1) + [last]
    return combined([(int(one, 16), size) for one, size in zip(sums.ranges, sizes, strict=True)])


def read_checked(store: Store, key: str, sums: Sums, *, limit: int | None = None) -> Iterator[bytes]:
    """The bytes under `key`; where `sums` has its ranges, each is given out once it is what was written.

    Raises:
        DamagedBackup: a range is not, however often it is read; it is named.
    """
    if not sums.ranges:
        yield from store.read(key, limit=limit)
        return
    number = 0
    try:
        for chunks in _in_ranges(store.read(key, limit=limit)):
            if number == len(sums.ranges):
                raise DamagedBackup(f"{key} in store `{store.name}` is damaged: it is longer than what was written")
            yield from _right(store, key, sums, number, chunks, limit)
            del chunks  # else two ranges are in memory while the next one comes
            number += 1
    except Spoiled:  # what was wrong on the way was got again: all is as it was written
        if number < len(sums.ranges):
            raise
    if number < len(sums.ranges):
        raise DamagedBackup(f"{key} in store `{store.name}` is damaged: it ends before byte {number * RANGE:,}")


def _right(store: Store, key: str, sums: Sums, number: int, chunks: list[bytes], limit: int | None) -> Iterator[bytes]:
    """A range as it was written; read again where it is not."""
    start, end = number * RANGE, min((number + 1) * RANGE, sums.stored_size)
    for attempt in range(_TRIES):
        if attempt:
            log.warning("%s in store `%s`: bytes %d to %d were wrong, read again", key, store.name, start, end)
            # An empty one would be taken for the end.
            chunks = [chunk for chunk in store.read(key, start, end, limit=limit) if chunk]
        running = RangeSums()
        for chunk in chunks:
            running.update(chunk)
        if running.finish() == (sums.ranges[number],):
            yield from chunks
            return
    raise DamagedBackup(
        f"{key} in store `{store.name}` is damaged: bytes {start:,} to {end:,} are not what was written",
        help="restore another image, or read the same one from another store",
    )


def _in_ranges(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The chunks, cut where ranges end; that they were spoiled is raised once all are out."""
    waiting, size = list[bytes](), 0
    spoiled: Spoiled | None = None
    try:
        for chunk in chunks:
            rest = chunk
            while size + len(rest) >= RANGE:
                cut = RANGE - size
                yield [*waiting, rest[:cut]]
                waiting, size, rest = [], 0, rest[cut:]
            if rest:
                waiting.append(rest)
                size += len(rest)
    except Spoiled as problem:
        spoiled = problem
    if waiting:
        yield waiting
    if spoiled:
        raise spoiled
