"""A point near the end of a log, found from its end on: what lies before is not read for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from bkpc_grammar.log_objects import AT_ONCE, IN_MEMORY, LOOKED_OBJECTS
from bkpc_runtime.mysql.binlog.transactions import Reader, Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.point import OUT_OF_ORDER, AtTime, Course, Latest
from bkpc_runtime.repository import windows
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import segment_opener

if TYPE_CHECKING:
    from bkpc_runtime.recovery.choice import Start

MOST = IN_MEMORY
"""Bytes from the end of a log, in `LOOKED_OBJECTS` objects, in which a moment is looked for before anything is loaded.
"""
_AT_LEAST = 256 << 10
_TIMES = 4
"""So many times as much is looked at next, where what was is not enough: what is proved of a group counts on that."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a log ends, between transactions, and when its last was committed; None: there is none after the image.

    `gtid`: of that last one, where it has any; `tail`: itself.
    """

    stop: Position
    last: datetime | None
    gtid: str = ""
    tail: Transaction | None = field(default=None, compare=False)


def ending(store: Store, start: Start, identities: Sequence[Secret]) -> Ending:
    """Of the whole log of `start`: found in the last objects that hold a whole transaction, wherever they begin."""
    assert isinstance(start.point, Latest)
    for began in _beginnings(store, start):
        course = start.course()
        for _ in _walked(store, start, began, course, identities):
            pass
        if course.last or began == start.image.position:
            # Where a transaction was whole, what follows it is seen from its beginning on.
            last = course.last
            return Ending(course.conclude(), last.committed if last else None, last.gtid if last else "", last)
    raise AssertionError("the image's own position comes last")


def stop_at(store: Store, start: Start, identities: Sequence[Secret]) -> Position | None:
    """Where to stop for the moment of `start`; None: more than `MOST` or `LOOKED_OBJECTS` would have to be read.

    It is what reading all of the log gives, but where its times go back: once a transaction is older than the moment by
    more than side by side explains, so is all that was committed before it, whatever times that tells.

    Raises:
        Refused: the log does not go on beyond the moment, or its times go back after it.
    """
    assert isinstance(start.point, AtTime)
    surely = start.point.moment - OUT_OF_ORDER
    for began in _beginnings(store, start, MOST):
        course, known = start.course(), began == start.image.position
        for before, committed in _walked(store, start, began, course, identities):
            known = known or (before and committed < surely)
        if known:
            return course.conclude()
    return None


def _walked(
    store: Store, start: Start, began: Position, course: Course, identities: Sequence[Secret]
) -> Iterator[tuple[bool, datetime]]:
    """Each transaction from `began` on: whether it is before the point, and when it was committed."""
    assert start.window is not None
    reader = Reader(began.offset)
    pieces = windows.read(
        store, start.window, began, start.window.end,
        unpack=segment_opener(identities), skip=True,
    )  # fmt: skip
    for piece in pieces:
        for one in reader.feed(*piece):
            # What the object with the head of the file has besides may end anywhere.
            beyond = one.file != began.file or one.start >= began.offset
            if beyond and not start.window.repeats(one):
                yield course.take(one), one.committed
        course.passed(Position(piece[0], reader.boundary))


def _beginnings(store: Store, start: Start, most: int | None = None) -> Iterator[Position]:
    """Where to begin to read, ever farther back, `most` bytes before the end; at last where the image stands."""
    last_size = last_count = 0
    before: Position | None = None
    for count, (began, size) in enumerate(_objects(store, start), 1):
        if most is not None and (size > most or count > LOOKED_OBJECTS):
            if before:
                yield before
            return
        # What does not fit into memory is read again each time: then only its bytes count.
        many = size <= IN_MEMORY and count >= max(AT_ONCE, _TIMES * last_count)
        enough = many or size >= max(_AT_LEAST, _TIMES * last_size)
        before = began
        if not last_count or enough or began == start.image.position:
            yield began
            last_size, last_count, before = size, count, None


def _objects(store: Store, start: Start) -> Iterator[tuple[Position, int]]:
    """The beginnings of objects that are at one of an event, the newest first, down to the image's position."""
    assert start.window is not None
    window, image = start.window, start.image.position
    size = 0
    for stretch, file, archived in windows.files_backwards(store, window):
        end = stretch.last(window.end)
        ends = end.offset if file == end.file else archived.reach
        for before, one in reversed([*pairwise((None, *archived.segments))]):
            if one is None or (before and before.part):
                continue
            began = stretch.named(Position(file, one.start))
            if order(began) <= order(image):
                break
            if one.start < ends:
                yield began, size + ends - one.start
        size += ends
    yield image, max(0, size - image.offset)


class _Kept:
    """`inner`; the newest bytes of log that were read, `IN_MEMORY` of them at most, are not read again."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._kept: dict[str, bytes] = {}
        self._held = 0
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> bytes:
        if (there := self._kept.get(key)) is not None:
            return there
        body = self._inner.get(key)
        with self._lock:
            if key not in self._kept and self._held + len(body) <= IN_MEMORY:
                self._kept[key] = body
                self._held += len(body)
        return body


def kept(store: Store) -> Store:
    """`store`, for looks at its log that overlap."""
    return cast(Store, _Kept(store))
