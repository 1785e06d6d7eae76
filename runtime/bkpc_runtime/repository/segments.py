"""Binlog segments in a store: their keys, what is there, and reading them back as binlog files.

    <prefix>/logs/<epoch>/<binlog>/<from>-<to>[.part][.g<GTIDs>[.o<GTID>]][.e<ending>].<sha256>.zst[.age]
    <prefix>/logs/<epoch>/<binlog>/<to>.end        the file ends there: the server went on to the next
    <prefix>/logs/<epoch>/<binlog>/<to>.<time>.known   known_until.py
    <prefix>/logs/<epoch>/<binlog>/ORIGIN.json     the hash of the file's first event, and GTIDs before it
    <prefix>/logs/<epoch>/GAP.json                 why this epoch began

Segments are byte ranges of the server's files. Ranges may overlap when two runners were at work; the
reader takes each byte once. `.part`: the segment ends inside an event too large for one segment. `.g…`: which
transactions it holds, for who goes on at another server and can't read what is encrypted: `gtid_marks.py`. `.e…`: by
which event the log is recognised there, `ending.py`. The hash is of the stored bytes. Damaged ones: `log_damage.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from bkpc_runtime.errors import DamagedBackup, ObjectMissing, Refused, StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.log_damage import damaged_log, damaged_of
from bkpc_runtime.repository.log_names import told
from bkpc_runtime.repository.notes import NOTE, listed
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.ahead import ahead

log = logging.getLogger(__name__)
_NAME = re.compile(
    r"(\d{12,})-(\d{12,})(\.part)?(\.g[0-9a-fx_-]*(?:\.o[0-9a-fx-]*)?)?(?:\.e(\d+-[0-9a-f]{8}))?"
    r"\.([0-9a-f]{64})\.zst(\.age)?"
)
_END = re.compile(r"(\d{12,})\.end")
_BINLOG = re.compile(r"[^/\0]*\.\d{6,}")
_EPOCH = re.compile(r"\d{6}")
ANOTHER = "another file of the same name"
"""In the reason of a gap: the log was begun anew. Gaps that are stored are told by these very words."""


class LogGap(Refused):
    """The archived log lacks bytes between two positions."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes `[start, end)` of binlog `file`; `sha256` is that of the stored (packed) bytes.

    `part`: the bytes end inside an event. `gtids`: which transactions it holds, as its name says; empty: it does not.
    `ending`: an event near its end, see `ending.py`.
    """

    epoch: int
    file: str
    start: int
    end: int
    sha256: str
    encrypted: bool
    part: bool = False
    gtids: str = ""
    ending: str = ""

    def key(self, prefix: str) -> str:
        """The object's key below `prefix` (`<database>/<identity>`)."""
        suffix = ".zst.age" if self.encrypted else ".zst"
        folder = file_folder(prefix, self.epoch, self.file)
        part = ".part" if self.part else ""
        ending = f".e{self.ending}" if self.ending else ""
        return f"{folder}{self.start:012d}-{self.end:012d}{part}{self.gtids}{ending}.{self.sha256}{suffix}"


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """What a store holds of one binlog: segments by start, the longest first.

    `end` is where the server's file ends, once the server is known to have gone on to the next. `notes`: how many
    notes of until when it is complete (`known_until.py`) are there, two of a place count. `damaged`: `log_damage.py`.
    """

    segments: tuple[Segment, ...]
    end: int | None
    notes: int = 0
    damaged: tuple[Segment, ...] = ()

    @property
    def reach(self) -> int:
        """How far the segments go without a gap."""
        return self._reach()[0]

    @property
    def boundary(self) -> int:
        """The last end of an event within reach that is known without looking into a segment."""
        return self._reach()[1]

    @property
    def whole(self) -> bool:
        """Whether every byte of the server's file is here, and the log goes on in the next file."""
        return self.end is not None and self.reach == self.end

    def _reach(self) -> tuple[int, int]:
        reach = boundary = 0
        for segment in self.segments:
            if segment.start > reach:
                break
            reach = max(reach, segment.end)
            if not segment.part:
                boundary = max(boundary, segment.end)
        return reach, boundary


def logs_folder(prefix: str) -> str:
    """The folder of all epochs, with its `/`."""
    return f"{prefix}/logs/"


def epoch_folder(prefix: str, epoch: int) -> str:
    """An epoch's folder, with its `/`."""
    return f"{logs_folder(prefix)}{epoch:06d}/"


def file_folder(prefix: str, epoch: int, file: str) -> str:
    """A binlog's folder, with its `/`."""
    if not _BINLOG.fullmatch(file) or file.startswith("."):
        raise DamagedBackup(f"not the name of a binlog: {file!r}")
    return f"{epoch_folder(prefix, epoch)}{file}/"


def sequence(file: str) -> int:
    """A binlog's number: files of one epoch are ordered by it (names are not: 1000000 follows 999999)."""
    return int(file.rpartition(".")[2])


def order(position: Position) -> tuple[int, int, int]:
    """Sorts positions of one epoch; those that name the server and epoch of their file (`windows.py`) come later."""
    folder = position.file.rpartition("/")[0].rpartition("/")[2]
    return (int(folder) if folder.isdigit() else 0, sequence(position.file), position.offset)


def parse_key(key: str) -> Segment | None:
    """The segment a key names; None for other objects."""
    parts = key.split("/")
    found = _NAME.fullmatch(parts[-1])
    if len(parts) < 3 or not found or not _EPOCH.fullmatch(parts[-3]) or not _BINLOG.fullmatch(parts[-2]):
        return None
    start, end, part, gtids, ending, digest, sealed = found.groups()
    where = int(parts[-3]), parts[-2], int(start), int(end)
    return Segment(*where, digest, bool(sealed), bool(part), gtids or "", ending or "")


def epochs(store: Store, prefix: str) -> list[int]:
    """The epochs that have anything, oldest first."""
    folder = logs_folder(prefix)
    names = (name.rstrip("/") for name in told(store, folder, lambda: store.folders(folder)))
    return sorted(int(name) for name in names if _EPOCH.fullmatch(name))


def folders(store: Store, prefix: str, epoch: int) -> list[str]:
    """The names of all folders of an epoch: of binlogs, and of where it goes on."""
    folder = epoch_folder(prefix, epoch)
    return [name.rstrip("/") for name in told(store, folder, lambda: store.folders(folder))]


def files(store: Store, prefix: str, epoch: int) -> list[str]:
    """The binlogs of an epoch, oldest first."""
    return sorted((name for name in folders(store, prefix, epoch) if _BINLOG.fullmatch(name)), key=sequence)


def end_key(prefix: str, epoch: int, file: str, end: int) -> str:
    """The key of the empty object that says where a binlog ends."""
    return f"{file_folder(prefix, epoch, file)}{end:012d}.end"


def keys_of(store: Store, prefix: str, epoch: int, file: str) -> list[str]:
    """All that is in a binlog's folder, but for notes that tell nothing."""
    folder = file_folder(prefix, epoch, file)
    return told(store, folder, lambda: listed(store, folder))


def archived_file(store: Store, prefix: str, epoch: int, file: str) -> ArchivedFile:
    """What a store holds of a binlog."""
    keys = keys_of(store, prefix, epoch, file)
    found = sorted((one for one in map(parse_key, keys) if one), key=lambda one: (one.start, -one.end))
    bad = damaged_of(keys)
    damaged = tuple(one for one in found if (one.start, one.end, one.sha256) in bad)
    ends = [int(end[1]) for key in keys if (end := _END.fullmatch(key.rpartition("/")[2]))]
    notes = sum(key.endswith(NOTE) for key in keys)
    return ArchivedFile(tuple(one for one in found if one not in damaged), max(ends, default=None), notes, damaged)


def archived_files(store: Store, prefix: str, epoch: int, names: Iterable[str]) -> Iterator[tuple[str, ArchivedFile]]:
    """The same of several, in order; their names are asked for ahead."""
    yield from ahead((0, partial(_named, store, prefix, epoch, one)) for one in names)


def _named(store: Store, prefix: str, epoch: int, file: str) -> tuple[str, ArchivedFile]:
    return file, archived_file(store, prefix, epoch, file)


def origin_key(prefix: str, epoch: int, file: str) -> str:
    """The key of what lets a later start recognise a binlog."""
    return f"{file_folder(prefix, epoch, file)}ORIGIN.json"


def gap_key(prefix: str, epoch: int) -> str:
    """The key of what says why an epoch began."""
    return f"{epoch_folder(prefix, epoch)}GAP.json"


def origin(store: Store, prefix: str, epoch: int, file: str) -> str:
    """SHA-256 of the first event of an archived binlog; empty where it is not known."""
    key = origin_key(prefix, epoch, file)
    return "".join(told(store, key, lambda: [_origin(store, key)]))


def _origin(store: Store, key: str) -> str:
    try:
        return str(json.loads(store.get(key)).get("first_event_sha256", ""))
    except (ObjectMissing, ValueError):
        return ""


def gtids_before(store: Store, prefix: str, epoch: int, file: str) -> str:
    """What was executed before an archived binlog began; empty where it is not known."""
    try:
        return str(json.loads(store.get(origin_key(prefix, epoch, file))).get("gtids", ""))
    except (ObjectMissing, ValueError):
        return ""


def gap(store: Store, prefix: str, epoch: int) -> tuple[str, float]:
    """Why an epoch began, in words, and when that was seen (Unix seconds); nothing for the first."""
    try:
        found = json.loads(store.get(gap_key(prefix, epoch)))
        return str(found.get("reason", "")), float(found.get("detected_at", 0))
    except (ObjectMissing, ValueError):
        return "", 0.0


def begins_at(store: Store, prefix: str, epoch: int) -> str:
    """The binlog with which an epoch after a gap was to begin; empty where nothing says so."""
    try:
        file, _, offset = str(json.loads(store.get(gap_key(prefix, epoch))).get("to", "")).rpartition(":")
        return file if offset == "0" else ""
    except (ObjectMissing, ValueError):
        return ""


def broke_off(store: Store, prefix: str, other: str) -> set[str]:
    """Where the log of another server ended that the epochs of this one say they could not go on from."""
    found = set()
    for epoch in epochs(store, prefix):
        with contextlib.suppress(ObjectMissing, ValueError):
            told = json.loads(store.get(gap_key(prefix, epoch)))
            if told.get("server") == other:
                found.add(str(told.get("from")))
    return found


def newest_end(store: Store, prefix: str, epoch: int) -> Position | None:
    """The newest end of an event in the archived log of an epoch; looks into its newest binlogs only."""
    for file in reversed(files(store, prefix, epoch)):
        end = archived_file(store, prefix, epoch, file).boundary
        if end:
            return Position(file, end)
    return None


def read_log(
    store: Store,
    prefix: str,
    epoch: int,
    start: Position,
    end: Position | None,
    *,
    unpack: Callable[[bytes, int], bytes],
    skip: bool = False,
) -> Iterator[tuple[str, int, bytes]]:
    """Archived log as `(binlog, offset, bytes)`, in order, every byte once; several objects are fetched ahead.

    The first file comes from its beginning (a reader needs its format description), the last up to
    `end`; without `end`, all there is. `skip`: of the first file only the segment with its beginning comes, and
    then what is from `start` on. Raises `LogGap` with the exact range that is missing and
    `DamagedBackup` when stored bytes are not those their name promises.
    """
    pieces = _pieces(store, prefix, epoch, start, end, skip=skip)
    for piece, body in ahead((one.end - one.start, partial(_fetched, store, prefix, one, unpack)) for one in pieces):
        yield piece.segment.file, piece.start, body


def log_size(store: Store, prefix: str, epoch: int, start: Position, end: Position) -> int:
    """How many bytes of log lie between two positions, by the names of segments."""
    pieces = _pieces(store, prefix, epoch, start, end, skip=True)
    return sum(one.end - one.start for one in pieces if (one.segment.file, one.end) != (start.file, start.offset))


def needed_segments(
    store: Store, prefix: str, epoch: int, start: Position, end: Position, *, skip: bool
) -> Iterator[Segment]:
    """What `read_log` would read, in order, by names alone."""
    yield from (one.segment for one in _pieces(store, prefix, epoch, start, end, skip=skip))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `[start, end)` of a binlog, to be taken out of a segment of `archived`."""

    segment: Segment
    start: int
    end: int
    archived: ArchivedFile

    def others(self) -> Iterator[Segment]:
        """Segments that hold these bytes as well: of two runners, or cut anew after a break."""
        for one in self.archived.segments:
            if one is not self.segment and one.start <= self.start and self.end <= one.end:
                yield one


def _pieces(
    store: Store, prefix: str, epoch: int, start: Position, end: Position | None, *, skip: bool
) -> Iterator[_Piece]:
    wanted = [
        file
        for file in files(store, prefix, epoch)
        if sequence(start.file) <= sequence(file) and (end is None or sequence(file) <= sequence(end.file))
    ]
    _whole(wanted, start, end)
    for file, archived in archived_files(store, prefix, epoch, wanted):
        limit = end.offset if end is not None and end.file == file else None
        if file != wanted[-1] and not archived.whole:
            known = f"{archived.reach} to {archived.end}" if archived.end else f"from {archived.reach} on"
            raise LogGap(f"the archived log lacks bytes {known} of {file}")
        first = start.offset if file == start.file else 0
        yield from _pieces_of(archived, file, limit=limit, needed=max(limit or 0, first), skip_to=first if skip else 0)


def _whole(found: list[str], start: Position, end: Position | None) -> None:
    numbers = [sequence(file) for file in found]
    last = sequence(end.file) if end else max(numbers, default=sequence(start.file))
    missing = sorted(set(range(sequence(start.file), last + 1)) - set(numbers))
    if missing:
        stem = start.file.rpartition(".")[0]
        width = len(start.file.rpartition(".")[2])
        names = ", ".join(f"{stem}.{number:0{width}d}" for number in missing[:5])
        raise LogGap(f"the archived log lacks {names}" + (" and more" if len(missing) > 5 else ""))


def _pieces_of(archived: ArchivedFile, file: str, *, limit: int | None, needed: int, skip_to: int) -> Iterator[_Piece]:
    at = 0
    for segment in archived.segments:
        if segment.end <= at:
            continue
        if segment.start > at:
            raise LogGap(f"the archived log lacks bytes {at} to {segment.start} of {file}")
        end = segment.end if limit is None else min(segment.end, limit)
        if at == 0 or end > skip_to:
            yield _Piece(segment, at if at == 0 else max(at, skip_to), end, archived)
        at = end
        if limit is not None and at >= limit:
            return
    if at < needed:
        raise LogGap(f"the archived log lacks bytes {at} to {needed} of {file}")


def _fetched(store: Store, prefix: str, piece: _Piece, unpack: Callable[[bytes, int], bytes]) -> tuple[_Piece, bytes]:
    segment = piece.segment
    try:
        body = _fetch(store, prefix, segment, unpack)
    except DamagedBackup as problem:
        segment, body = _instead(store, prefix, piece, unpack, problem)
    if (piece.start, piece.end) != (segment.start, segment.end):
        body = body[piece.start - segment.start : piece.end - segment.start]
    return piece, body


def _instead(
    store: Store, prefix: str, piece: _Piece, unpack: Callable[[bytes, int], bytes], problem: DamagedBackup
) -> tuple[Segment, bytes]:
    """Another segment with the bytes of a damaged one; raises `problem` where no other is right."""
    for other in piece.others():
        with contextlib.suppress(DamagedBackup, StoreFailed):
            body = _fetch(store, prefix, other, unpack)
            log.warning("%s; the same bytes are read from %s", problem, other.key(prefix))
            return other, body
    raise problem


def _fetch(store: Store, prefix: str, segment: Segment, unpack: Callable[[bytes, int], bytes]) -> bytes:
    packed = store.get(segment.key(prefix))
    if hashlib.sha256(packed).hexdigest() != segment.sha256:
        raise damaged_log(store.name, prefix, segment, "is not what was written: its hash differs", spoiled=True)
    body = unpack(packed, segment.end - segment.start)
    if len(body) != segment.end - segment.start:
        raise damaged_log(store.name, prefix, segment, f"holds {len(body)} bytes, not {segment.end - segment.start}")
    return body
