"""What a stream carries to its stores: segments, ends of files, gaps, joins. One parcel goes to several stores."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.joins import Join
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.repository.segments import Segment, end_key, gap_key, order, origin_key
from bkpc_runtime.steps.log_held import Gone, Readable, Whole


@dataclass(frozen=True, slots=True)
class Gap:
    """The log breaks off at `from_` and goes on at `position`, for `reason`: a new epoch begins. `server`: whose log it
    was, if another's."""

    from_: Position
    position: Position
    reason: str
    detected_at: int
    server: str = ""

    def body(self) -> bytes:
        """GAP.json."""
        gap = {
            "from": self.from_.text,
            "to": self.position.text,
            "reason": self.reason,
            "detected_at": self.detected_at,
        } | ({"server": self.server} if self.server else {})
        return json.dumps(gap, sort_keys=True).encode()


def same_gap(one: bytes, other: bytes) -> bool:
    """Whether two GAP.json say that an epoch begins at the same place, whoever saw it, and when."""
    try:
        first, second = json.loads(one), json.loads(other)
        return bool(first["to"] == second["to"]) and first.get("server") == second.get("server")
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The server's binlog ends at `position`: the server went on to binlog `then`."""

    position: Position
    then: str


Content = Segment | FileEnd | Gap | Join | Known
"""A `Segment` here is of no epoch yet: each store counts its own. A `Known` is told when all before is stored, and is
waited for by nobody."""


class Parcel:
    """Something on its way to `left` stores. A segment's packed bytes can be read until all have it, wherever they are.

    `arrived` (Unix seconds) is when its oldest byte came from the server, `committed` the timestamp of its last
    event, `origin` the hash of the first event of its file, if that is known; `before` what was executed before that
    file, where it begins here.
    """

    def __init__(
        self,
        content: Content,
        body: Readable | bytes = b"",
        *,
        arrived: float = 0.0,
        committed: float = 0.0,
        origin: str = "",
        before: str = "",
    ) -> None:
        self.content = content
        self.arrived, self.committed, self.origin, self.before = arrived, committed, origin, before
        self._lock = threading.Lock()
        self._body = Whole(body) if isinstance(body, bytes) else body
        self.size = self._body.size
        self._release: Callable[[], None] | None = None
        self._left = 0
        self.changed = threading.Event()
        """Set whenever a store has taken it."""

    @property
    def end(self) -> Position:
        """Where the log stands when this is stored."""
        if isinstance(self.content, Segment):
            return Position(self.content.file, self.content.end)
        if isinstance(self.content, FileEnd):
            return Position(self.content.then, 0)
        return self.content.position

    @property
    def left(self) -> int:
        """How many stores have still to take it."""
        with self._lock:
            return self._left

    def expect(self, stores: int) -> None:
        """So many stores are to take it."""
        with self._lock:
            self._left += stores

    def on_disk(self, body: Readable, release: Callable[[], None]) -> None:
        """The body is on disk from now on; `release` is called when nobody needs it any more."""
        with self._lock:
            before, self._body, self._release = self._body, body, release
            self.size = body.size
            done = self._left <= 0
        before.close()
        if done:
            release()

    def read(self, at: int) -> bytes:
        """Some of the packed bytes, from `at` on.

        Raises:
            Gone: no store needs it any more.
        """
        while True:
            with self._lock:
                body = self._body
            try:
                return body.read(at)
            except Gone:
                with self._lock:
                    if self._body is body:
                        raise

    def close(self) -> None:
        """What is held of it is no longer needed; what is in the spool stays."""
        self._body.close()

    def taken(self) -> None:
        """One store has it, or needs it no more."""
        with self._lock:
            self._left -= 1
            done, release = self._left <= 0, self._release
        self.changed.set()
        if done:
            self.close()
            if release:
                release()

    def new_to(self, position: Position) -> bool:
        """Whether a store whose log ends at `position` lacks any of this."""
        return isinstance(self.content, Gap | Join | Known) or order(self.end) > order(position)

    def objects(self, prefix: str, epoch: int) -> Iterator[tuple[str, Readable]]:
        """The keys to be written, in this order, and what under each."""
        content = self.content
        if isinstance(content, Gap):
            yield gap_key(prefix, epoch), Whole(content.body())
        elif isinstance(content, Known):
            yield content.key(prefix, epoch), Whole(b"")
        elif isinstance(content, Join):
            yield content.key, Whole(content.body())
        elif isinstance(content, FileEnd):
            yield end_key(prefix, epoch, content.position.file, content.position.offset), Whole(b"")
        else:
            if content.start == 0:
                yield origin_key(prefix, epoch, content.file), Whole(self._origin())
            yield replace(content, epoch=epoch).key(prefix), self

    def _origin(self) -> bytes:
        told = {"first_event_sha256": self.origin} | ({"gtids": self.before} if self.before else {})
        return json.dumps(told).encode()


def event_digest(event: bytes) -> str:
    """What a later start recognises a binlog by."""
    return hashlib.sha256(event).hexdigest()


def origin_of(beginning: bytes) -> str:
    """The digest of the first event of a file that begins with `beginning`."""
    size = int.from_bytes(beginning[13:17], "little")
    return event_digest(beginning[4 : 4 + size])
