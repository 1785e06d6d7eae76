"""What was found out about segments whose bytes are not what was written: empty objects beside them.

    <prefix>/logs/<epoch>/<binlog>/<from>-<to>.<sha256>.<time>.damaged     and .mended, when it was looked at again

`<sha256>` is the one in the segment's name, `<time>` in seconds since 1970; the newest counts. Who lists the log sees
them by the way: a segment that is damaged does not count, as if it were not there, unless another holds its bytes. They
are never written again, so that a bucket under a retention lock takes them, and go with their binlog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from bkpc_runtime.errors import DamagedBackup, StoreDenied
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.store import Store

if TYPE_CHECKING:
    from bkpc_runtime.repository.segments import ArchivedFile, Segment

_NAME = re.compile(r"(\d{12,})-(\d{12,})\.([0-9a-f]{64})\.(\d+)\.(damaged|mended)")
Named = tuple[int, int, str]
"""Where a segment begins and ends, and its hash."""


class DamagedLog(DamagedBackup):
    """A segment, of the server's folder `prefix`, is not what was written. `spoiled`: or was not when it arrived."""

    prefix: str = ""
    segment: Segment | None = None
    spoiled: bool = False


def damaged_log(store: str, prefix: str, segment: Segment, why: str, *, spoiled: bool = False) -> DamagedLog:
    """The failure in words. Others of its kind may be made of it, with more words."""
    place = f"{layout.log_label(prefix, segment.epoch)}{segment.file}:{segment.start}"
    before = f"--to {place} brings back what came before it; " if segment.start else ""
    problem = DamagedLog(
        f"{segment.key(prefix)} in {store} {why}",
        help=f"{before}another store's log is read with --store or --without-store; once it is noted (by bkpc verify, "
        "too) a new image is taken, and `list` says how far the log goes",
    )
    problem.prefix, problem.segment, problem.spoiled = prefix, segment, spoiled
    return problem


def damaged_of(keys: Iterable[str]) -> set[Named]:
    """Of the keys in a binlog's folder, the segments that are damaged as far as is known."""
    last: dict[Named, tuple[int, str]] = {}
    for key in keys:
        if key.endswith((".damaged", ".mended")) and (found := _NAME.fullmatch(key.rpartition("/")[2])):
            start, end, digest, time, word = found.groups()
            named = int(start), int(end), digest
            last[named] = max(last.get(named, (0, "")), (int(time), word))
    return {named for named, (_, word) in last.items() if word == "damaged"}


def lost(archived: ArchivedFile) -> tuple[Segment, ...]:
    """The damaged ones beyond reach: no other holds their bytes."""
    return tuple(one for one in archived.damaged if one.end > archived.reach)


def note(store: Store, prefix: str, segment: Segment, now: datetime) -> None:
    """A segment is damaged."""
    store.put(_key(prefix, segment, now, "damaged"), b"")


def mend(store: Store, prefix: str, segment: Segment, now: datetime) -> None:
    """It is not any more: the notes go, or another says so where they may not."""
    store.put(_key(prefix, segment, now, "mended"), b"")
    for word in (".damaged", ".mended"):
        for one in [one.key for one in store.list(_begins(prefix, segment)) if one.key.endswith(word)]:
            try:
                store.delete(one)
            except StoreDenied:
                return


def _key(prefix: str, segment: Segment, now: datetime, word: str) -> str:
    return f"{_begins(prefix, segment)}{int(now.timestamp()):010d}.{word}"


def _begins(prefix: str, segment: Segment) -> str:
    """The names of all notes of one segment begin so."""
    folder = segment.key(prefix).rpartition("/")[0]
    return f"{folder}/{segment.start:012d}-{segment.end:012d}.{segment.sha256}."
