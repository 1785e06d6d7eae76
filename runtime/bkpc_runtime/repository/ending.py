"""An event near the end of a segment, in its name: `.e<bytes from where it begins to the end>-<hash>`.

Binlogs of one name may have the same first event, and where a stream begins again the log that it has stored may be
encrypted. Only events that tell nothing of anybody's data are named: of GTIDs and of commits. Their numbers and times
are others in another log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.stream_parser import HEADER, LastEvents
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import archived_file
from bkpc_runtime.stores.store import Store

_NAMED = events.BEGINS | {events.XID}
_SIZE_AT = 9


@dataclass(frozen=True, slots=True)
class Ending:
    """An event that begins at `start`, by the beginning of its hash."""

    start: int
    digest: str

    def matches(self, there: bytes) -> bool | None:
        """Whether `there` begins with it; None: more of it is needed."""
        size = int.from_bytes(there[_SIZE_AT : _SIZE_AT + 4], "little")
        return _digest(there[:size]) == self.digest if len(there) >= max(size, HEADER.size) else None


Mark = LastEvents | Ending
"""What is compared with what a server has at its `start`."""


def ending_of(last: Mark | None, end: int) -> str:
    """What a name tells of the `last` events before `end`; empty where none of them may be told."""
    found, at = "", 0
    known = last.beginning if isinstance(last, LastEvents) else b""
    while last and at + HEADER.size <= len(known):
        _, kind, _, size, _, _ = HEADER.unpack_from(known, at)
        if kind in _NAMED and at + size <= len(known):
            found = f"{end - last.start - at}-{_digest(known[at : at + size])}"
        at += size
    return found


def stored_ending(store: Store, prefix: str, epoch: int, place: Position) -> Ending | None:
    """What the names of segments that end at `place` tell."""
    for one in archived_file(store, prefix, epoch, place.file).segments:
        if one.end == place.offset and one.ending:
            before, _, digest = one.ending.partition("-")
            return Ending(place.offset - int(before), digest)
    return None


def _digest(event: bytes) -> str:
    return hashlib.sha256(event).hexdigest()[:8]
