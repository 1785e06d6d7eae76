"""The log on its way from a store to a replay: read once, checked, and kept on disk while the image loads.

What is kept are binlog files as the server had them, without what must not be replayed: what was before the image,
what is not before the asked point, and statements about accounts. A replay takes files, or one stream, as they come.
"""

from __future__ import annotations

import shutil
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from bkpc_runtime.errors import DamagedBackup, StepFailed, StoreFailed
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.transactions import Reader, Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.placement import names_a_place, without_places
from bkpc_runtime.recovery.accounts import is_of_accounts
from bkpc_runtime.recovery.event_status import is_of_event
from bkpc_runtime.recovery.point import Course
from bkpc_runtime.repository.segments import LogGap

_CHUNK = 1 << 20
_LEFT_FREE = 64 << 20
_KIND_AT = 4
_GTID_AT = slice(events.HEADER + 1, events.HEADER + 1 + 16 + 8)
_TIMES_AT = slice(_GTID_AT.stop + 1, _GTID_AT.stop + 1 + 2 * 8)
"""Behind a byte that says that there are logical times: after which transaction of the file one may run, and which it
is."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A binlog on disk, `size` bytes of it to be replayed. `name` is the source's; its last byte was at `end` there.

    `gtids`: of MariaDB, the last transaction of each domain. `tagged`: it holds GTIDs of MySQL that stay as they are.
    """

    path: Path
    name: str
    size: int
    end: Position
    gtids: tuple[str, ...] = ()
    tagged: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Where the log ends that is to be replayed."""

    stop: Position
    last: Transaction | None


@dataclass(slots=True)
class _File:
    """A file that is written. `removed`: how much less it holds than the source's up to `written` (of the source)."""

    path: Path
    name: str
    out: IO[bytes]
    removed: int = 0
    safe: int = 0
    end: int = 0
    whole: bool = False
    gtids: dict[str, str] = field(default_factory=dict)
    tagged: bool = False
    begun: bool = False
    """Whether it has a transaction that is replayed."""

    def seen(self) -> LogFile:
        end = Position(self.name, self.end)
        return LogFile(self.path, self.name, self.safe, end, tuple(self.gtids.values()), self.tagged)


class Spool:
    """Reads `pieces` on a thread of its own from `begin` on; used as a context manager, which removes its files.

    Where the point lies is known as soon as it is passed: what is before it is given out from then on, whole. Reading
    goes on while something that comes later may show that the point is none; only `found` waits for that.

    `place(n)` is the path of the n-th file (from 1). `anonymous`: MySQL's GTIDs are taken off, so that no server
    takes a transaction for one it has. `with_accounts`: what is about accounts is replayed too. What is not `wanted` is
    left out. A failure is raised wherever something is asked of it.
    """

    def __init__(
        self,
        pieces: Iterable[tuple[str, int, bytes]],
        course: Course,
        place: Callable[[int], Path],
        *,
        skips_to: int = 0,
        anonymous: bool = False,
        with_accounts: bool = False,
        needed: int = 0,
        wanted: Callable[[Transaction], bool] = lambda _: True,
    ) -> None:
        self._pieces, self._course, self._place = pieces, course, place
        self._reader = Reader(skips_to)
        self._anonymous, self._with_accounts = anonymous, with_accounts
        self._wanted = wanted
        self._files: list[_File] = []
        self._news = threading.Condition()
        self._found: Found | None = None
        self.failure: BaseException | None = None
        """What ended the reading, if anything has."""
        self._stopped = self._passed = False
        self.accounts: list[Transaction] = []
        """What is about accounts, and was left out."""
        self.server_ids: set[int] = set()
        self.of_events: list[Statement] = []
        """What creates or alters events."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        _room(place(1).parent, needed)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join()
        for one in self._files:
            one.out.close()
            one.path.unlink(missing_ok=True)

    @property
    def broken_names(self) -> frozenset[tuple[str, str]]:
        """Tables with a line end in their name, of all that was given out."""
        return frozenset(self._reader.broken_names)

    def check(self) -> None:
        """Raises what has gone wrong so far; waits for nothing."""
        with self._news:
            self._raise()

    def found(self) -> Found:
        """Waits until all is read that can show that the point is none."""
        with self._news:
            self._news.wait_for(lambda: self._found or self.failure)
            self._raise()
            assert self._found is not None
            return self._found

    def files(self, after: int) -> list[LogFile]:
        """The files beyond the first `after` that are whole: waits for one; none: there are no more."""
        with self._news:
            self._news.wait_for(lambda: self.failure or self._complete or self._whole() > after)
            self._raise()
            return [one.seen() for one in self._files[after : self._whole()]]

    def stream(self, after: int = 0) -> Iterator[tuple[LogFile, bytes]]:
        """All bytes that are to be replayed beyond the first `after` files, as they come, each with its file."""
        number, sent = after, 0
        while (news := self._beyond(number, sent)) is not None:
            one, whole = news
            with one.path.open("rb") as file:
                file.seek(sent)
                while sent < one.size and (chunk := file.read(min(_CHUNK, one.size - sent))):
                    sent += len(chunk)
                    yield one, chunk
            if whole:
                number, sent = number + 1, 0

    def _beyond(self, number: int, sent: int) -> tuple[LogFile, bool] | None:
        """Waits until more of a file than `sent` bytes may be replayed, or it is whole; None: there is no such file."""

        def there() -> bool:
            return number < len(self._files) and (self._files[number].safe > sent or self._files[number].whole)

        with self._news:
            self._news.wait_for(lambda: self.failure or self._complete or there())
            self._raise()
            return (self._files[number].seen(), self._files[number].whole) if number < len(self._files) else None

    @property
    def _complete(self) -> bool:
        """Whether all that is to be replayed is there."""
        return self._passed or self._found is not None

    def _whole(self) -> int:
        return sum(one.whole for one in self._files)

    def _raise(self) -> None:
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as problem:  # noqa: BLE001 - raised again where something is asked
            if self._course.first_after and isinstance(problem, DamagedBackup | LogGap | StoreFailed):
                without = (
                    f"--to {self._course.first_after.text}, where the point is, does without the log from there on"
                )
                problem.help = "; ".join(filter(None, (problem.help, without)))
            with self._news:
                self.failure = problem
                self._news.notify_all()

    def _read(self) -> None:
        for file, offset, body in self._pieces:
            if self._stopped:
                raise StepFailed("the log is no longer wanted")
            self._take(file, offset, body)
            self._course.passed(Position(file, self._reader.boundary))
            if self._course.over:
                break
        last = self._files[-1] if self._files else None
        stop = self._course.conclude()
        with self._news:
            if last:
                self._end_file(last)
            self._found = Found(stop, self._course.last)
            self._news.notify_all()

    def _take(self, file: str, offset: int, body: bytes) -> None:
        found = list(self._reader.feed(file, offset, body))
        if self._course.first_after is not None:
            for one in found:
                self._course.take(one)
            return
        current = self._files[-1] if self._files else None
        if current is None or current.name != file:
            current = self._next_file(file, current)
        ended = self._write(current, offset, body, found)
        with self._news:
            current.safe = ended - current.removed
            current.end = ended
            if self._course.first_after is not None:
                self._end_file(current)
                self._passed = True
            self._news.notify_all()

    def _next_file(self, name: str, before: _File | None) -> _File:
        with self._news:
            if before:
                self._end_file(before)
            path = self._place(len(self._files) + 1)
            one = _File(path, name, path.open("w+b"))
            self._files.append(one)
            self._news.notify_all()
            return one

    def _end_file(self, one: _File) -> None:
        if not one.whole:
            one.out.truncate(one.safe)
            one.out.close()
            one.whole = True

    def _write(self, into: _File, offset: int, body: bytes, found: list[Transaction]) -> int:
        """Writes a piece; the end (in the source) of what may be replayed by now."""
        _room(into.path.parent, len(body))
        start = self._course.start
        if into.name == start.file and offset < start.offset:
            head = body[: max(0, self._reader.head - offset)]
            into.out.write(head)
            into.removed = start.offset - self._reader.head
            body, offset = body[max(0, start.offset - offset) :], max(offset, start.offset)
        ended = max(self._reader.boundary, start.offset if into.name == start.file else 0)
        at = offset
        for one in found:
            if self._left_out(one):
                at = self._cut(into, one, offset, body, at)
                continue
            at = _put(into, offset, body, at, one.end)
            if self._course.last is one:
                self._keep(into, one)
            elif self._course.first_after is not None:
                ended = min(ended, self._course.first_after.offset)
        _put(into, offset, body, at, offset + len(body))
        into.out.flush()
        return ended

    def _left_out(self, one: Transaction) -> bool:
        """Whether one that is before the point is not to be replayed; asks what that is."""
        if self._course.repeats(one):
            return True
        if not self._course.take(one):
            return False
        if not self._with_accounts and is_of_accounts(one):
            self.accounts.append(one)
            return True
        return not self._wanted(one)

    def _cut(self, into: _File, one: Transaction, offset: int, body: bytes, at: int) -> int:
        _put(into, offset, body, at, one.start)
        into.out.seek(one.start - into.removed)
        into.out.truncate()
        into.removed += one.end - one.start
        return one.end

    def _keep(self, into: _File, one: Transaction) -> None:
        self.server_ids.add(one.server_id)
        if any(names_a_place(statement.text) for statement in one.statements):
            self._forget_places(into, one)
        self.of_events += filter(is_of_event, one.statements)
        if one.kind == events.MARIADB_GTID:
            into.gtids[one.gtid.partition("-")[0]] = one.gtid
        elif one.kind == events.TAGGED_GTID:
            into.tagged = True
        elif self._anonymous and one.kind in {events.GTID, events.ANONYMOUS_GTID}:
            at = one.start - into.removed
            into.out.seek(at)
            size = events.size_of(into.out.read(events.HEADER))
            into.out.seek(at)
            event = into.out.read(size)
            into.out.seek(at)
            into.out.write(_anonymous(event, self._reader.checksums, first=not into.begun))
        into.begun = True

    def _forget_places(self, into: _File, one: Transaction) -> None:
        """Files of tables stay in the data directory: where they lay on the source its own may still lie."""
        at, end = one.start - into.removed, one.end - into.removed
        while at < end:
            into.out.seek(at)
            header = into.out.read(events.HEADER)
            size = events.size_of(header)
            if header[_KIND_AT] == events.QUERY:
                event = header + into.out.read(size - events.HEADER)
                into.out.seek(at)
                into.out.write(_without_places(event, self._reader.checksums))
            at += size


def _put(into: _File, offset: int, body: bytes, at: int, end: int) -> int:
    """Writes what of a piece, that begins at `offset`, lies between `at` and `end`; how far all is written then."""
    if end <= at:
        return at
    into.out.seek(at - into.removed)
    into.out.write(body[at - offset : end - offset])
    return end


def _without_places(event: bytes, checksums: bool) -> bytes:
    """A statement that says nowhere in which directory files lie, as long as it was."""
    end = len(event) - (4 if checksums else 0)
    at = events.text_at(event)
    # Each byte a character, so that nothing moves.
    text = without_places(event[at:end].decode("latin-1")).encode("latin-1")
    kept = event[:at] + text
    return kept + zlib.crc32(kept).to_bytes(4, "little") if checksums else kept


def _anonymous(event: bytes, checksums: bool, *, first: bool) -> bytes:
    """A GTID event as it would be of a server without GTIDs; all it says of what may run side by side stays.

    But the `first` of a file runs after all before it, and has no logical times. MySQL's applier counts them anew only
    where one has no parent, which else is the first of the source's file: were that left out, it would take those of
    the file before for those of this one, and run side by side what must not. Before 9 it stops, too, where a number is
    not higher than the last, unless the source has rotated its log between: one that was killed has not.
    """
    kept = bytearray(event)
    kept[_KIND_AT] = events.ANONYMOUS_GTID
    kept[_GTID_AT] = bytes(_GTID_AT.stop - _GTID_AT.start)
    if first:
        kept[_TIMES_AT] = bytes(_TIMES_AT.stop - _TIMES_AT.start)
    if checksums:
        kept[-4:] = zlib.crc32(kept[:-4]).to_bytes(4, "little")
    return bytes(kept)


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _LEFT_FREE:
        raise StepFailed(
            f"the log needs {needed:,} bytes in {folder}, where {free:,} are free",
            help="make room there, or name another folder: --work FOLDER; what was loaded stays, run it again",
        )
