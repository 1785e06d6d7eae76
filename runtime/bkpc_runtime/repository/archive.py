"""The archived log of a server as a whole: how far each binlog goes, without holding the names of its segments.

An archive has hundreds of thousands of segments. One listing of each binlog's folder is all that is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import segments
from bkpc_runtime.repository.log_damage import lost
from bkpc_runtime.stores.store import Store

_AT_ONCE = 8
"""Listings under way: a month of log are a thousand binlogs, each a request or more away."""


@dataclass(frozen=True, slots=True)
class ArchivedBinlog:
    """One binlog: bytes `[0, reach)` are there; `whole`: that is all of it, and the log goes on in the next.

    `notes`: as of `ArchivedFile`.
    `boundary`: the last end of an event in it that is known. `damaged`: what comes after `reach` was found so.
    """

    file: str
    reach: int
    whole: bool
    stored_size: int = 0
    notes: int = 0
    boundary: int = 0
    damaged: bool = False

    @property
    def number(self) -> int:
        return segments.sequence(self.file)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of log. `began` and `ended`: when it was seen to begin and at the latest to end; None: not known."""

    number: int
    binlogs: tuple[ArchivedBinlog, ...]
    began: datetime | None = None
    ended: datetime | None = None

    def boundary_of(self, file: str) -> int:
        """The last end of an event in a binlog that is known; 0 where it is not there."""
        return next((one.boundary for one in self.binlogs if one.file == file), 0)

    def damaged_after(self, end: Position) -> bool:
        """Whether the log ends there because what follows was found damaged."""
        here = segments.sequence(end.file)
        return any(
            one.damaged and (one.number, one.reach) in {(here, end.offset), (here + 1, 0)} for one in self.binlogs
        )

    def end_from(self, start: Position) -> Position | None:
        """How far the log goes on from `start` without a gap; None where it does not reach it."""
        end: Position | None = None
        expected = segments.sequence(start.file)
        for one in self.binlogs:
            if one.number < expected:
                continue
            if one.number != expected or one.reach == 0:
                break
            if one.number == segments.sequence(start.file) and (one.file != start.file or one.reach < start.offset):
                return None
            end = Position(one.file, one.reach)
            if not one.whole:
                break
            expected += 1
        return end


def archive_of(store: Store, prefix: str) -> tuple[Epoch, ...]:
    """The epochs of a server, oldest first."""
    files = {number: segments.files(store, prefix, number) for number in segments.epochs(store, prefix)}
    pairs = [(number, file) for number, there in files.items() for file in there]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        listed = pool.map(lambda pair: _binlog(store, prefix, *pair), pairs)
        binlogs = dict(zip(pairs, listed, strict=True))
    found = [Epoch(number, tuple(binlogs[number, file] for file in there)) for number, there in files.items()]
    return _bounded(found, [_seen(store, prefix, one.number) for one in found])


def with_joins(epochs: tuple[Epoch, ...], prefix: str, begun: Mapping[tuple[str, int], int]) -> tuple[Epoch, ...]:
    """The same, where some have begun as another server's log went on in them; when, by folder and number."""
    moments = [begun.get((prefix, one.number)) for one in epochs]
    told = [datetime.fromtimestamp(at, UTC) if at else one.began for one, at in zip(epochs, moments, strict=True)]
    return _bounded(epochs, told)


def _bounded(found: Iterable[Epoch], began: list[datetime | None]) -> tuple[Epoch, ...]:
    """An epoch has ended when the next was seen to begin."""
    ended = [*began[1:], None]
    return tuple(
        Epoch(one.number, one.binlogs, first, last) for one, first, last in zip(found, began, ended, strict=False)
    )


def _seen(store: Store, prefix: str, epoch: int) -> datetime | None:
    _, seen = segments.gap(store, prefix, epoch)
    return datetime.fromtimestamp(seen, UTC) if seen > 0 else None


def _binlog(store: Store, prefix: str, epoch: int, file: str) -> ArchivedBinlog:
    archived = segments.archived_file(store, prefix, epoch, file)
    size = sum(one.end - one.start for one in archived.segments)
    notes, boundary = archived.notes, archived.boundary
    return ArchivedBinlog(file, archived.reach, archived.whole, size, notes, boundary, bool(lost(archived)))
