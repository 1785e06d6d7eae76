"""Until when an archived log is known to be complete: empty objects beside its segments, whose names say all.

    <prefix>/logs/<epoch>/<binlog>/<position>.<time>.known

All that the server had let return by `<time>`, which is its own, lies before `<position>` of that binlog. The log
itself does not tell that nothing was committed. A later one of the same binlog says all that an earlier one does; so
the newest is kept, and the others may go at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.notes import NOTE, TIME
from bkpc_runtime.repository.segments import epochs, file_folder, files, keys_of, origin, sequence
from bkpc_runtime.stores.store import Store

_NAME = re.compile(r"(\d{12,})\.(\d{8}T\d{6}\.\d{6})Z" + re.escape(NOTE))
_LOOKED_AT = 8
"""Binlogs at the end of a log in which the newest is looked for: with each the server has been asked again."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that was committed until `until` lies before `position`."""

    position: Position
    until: datetime

    def key(self, prefix: str, epoch: int) -> str:
        folder = file_folder(prefix, epoch, self.position.file)
        return f"{folder}{self.position.offset:012d}.{self.until.astimezone(UTC).strftime(TIME)}Z{NOTE}"


def parse_known(key: str) -> Known | None:
    """What a key says; None for other objects."""
    *_, file, name = ("", *key.split("/"))
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        until = datetime.strptime(found[2], TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Known(Position(file, int(found[1])), until)


def known_until(store: Store, prefix: str, epoch: int, begin: Position, end: Position) -> datetime | None:
    """Until when the log of an epoch that goes from `begin` to `end` is said to be complete; None: nothing says it."""
    there = [one for one in files(store, prefix, epoch) if sequence(begin.file) <= sequence(one) <= sequence(end.file)]
    for file in there[: -_LOOKED_AT - 1 : -1]:
        said = [
            known
            for known in _in_binlog(store, prefix, epoch, file)
            # What is said of bytes that are not there is not said of this log.
            if file != end.file or known.position.offset <= end.offset
        ]
        if said:
            return max(said, key=_age).until
    return None


def known_elsewhere(
    other: Store, store: Store, prefix: str, epoch: int, begin: Position, end: Position
) -> datetime | None:
    """The same by what another store says of the same log, whose epochs are its own. None where it can't be asked."""
    with suppress(RuntimeFailure):
        for file in dict.fromkeys((end.file, begin.file)):
            ours = origin(store, prefix, epoch, file)
            for number in reversed(epochs(other, prefix)):
                if ours and origin(other, prefix, number, file) == ours:
                    return known_until(other, prefix, number, begin, end)
    return None


def superseded(store: Store, prefix: str, epoch: int, file: str) -> Iterator[Known]:
    """Those of a binlog that say nothing beyond the newest; listed as they are taken, for there may be millions."""
    newest = max(_in_binlog(store, prefix, epoch, file), key=_age, default=None)
    for stored in store.list(file_folder(prefix, epoch, file)):
        known = parse_known(stored.key)
        if known and newest and _age(known) < _age(newest):
            yield known


def _age(known: Known) -> tuple[int, datetime]:
    """By where the log was, whatever became of the server's clock meanwhile."""
    return known.position.offset, known.until


def _in_binlog(store: Store, prefix: str, epoch: int, file: str) -> Iterator[Known]:
    for key in keys_of(store, prefix, epoch, file):
        if known := parse_known(key):
            yield known
