"""How far log leads on from an image: through one server's log, and those of servers that took its place.

A file is called as its server calls it; in the log of a later server `<server>/<epoch>/<file>`, as its folder in the
store, so that places in the logs of several servers never look the same (`segments.order` sorts them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import NONE, Gtids, split_gtid
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.repository.segments import ArchivedFile, Segment
from bkpc_runtime.stores.store import Store

if TYPE_CHECKING:
    from bkpc_runtime.repository.catalogue import Image


@dataclass(frozen=True, slots=True)
class Stretch:
    """One epoch of one server's log, from `start` to `end` as that server calls them.

    `label` stands before its files' names; empty for the image's own server. `held`: what comes a second time in it,
    the last of that before `passed`.
    """

    prefix: str
    epoch: int
    start: Position
    end: Position
    label: str = ""
    held: Gtids = NONE
    passed: Position | None = None

    @property
    def server(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def full_label(self) -> str:
        """What stands before its files' names where another server's image is begun from."""
        return layout.log_label(self.prefix, self.epoch)

    def named(self, position: Position) -> Position:
        return Position(f"{self.label}{position.file}", position.offset)

    def last(self, end: Position) -> Position:
        """Where it ends, of a window that ends at `end`."""
        label, file = split_label(end.file)
        return Position(file, end.offset) if label == self.label else self.end

    def first(self, start: Position) -> Position:
        """Where it begins, for who begins at `start`."""
        label, file = split_label(start.file)
        return Position(file, start.offset) if label == self.label else self.start


@dataclass(frozen=True, slots=True)
class Window:
    """What can be restored from one image: any transaction of `epoch` from its position up to `end`.

    `way`: where the log leads through those of several servers, all of them in order, the image's own first.
    `begun_anew`: the server's log was, so that its files in several epochs may have the same names.
    """

    image: Image
    epoch: int
    end: Position
    way: tuple[Stretch, ...] = ()
    begun_anew: bool = field(default=False, compare=False)
    _held: dict[str, Gtids] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._held.update({one.label: one.held for one in self.way})

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return self.way or (Stretch(self.image.prefix, self.epoch, self.image.position, self.end),)

    @property
    def tip(self) -> Stretch:
        """The last of them: that of the server which has the database now."""
        return self.stretches[-1]

    @property
    def tip_end(self) -> Position:
        """The end, as the last server itself calls it."""
        return self.tip.last(self.end)

    @property
    def reach(self) -> tuple[int, tuple[int, int, int]]:
        """Grows with what it holds, along one way; those of several stores may lead other ways: `furthest`."""
        return len(self.stretches), segments.order(self.tip_end)

    def in_full(self, position: Position, *, always: bool = False) -> Position:
        """A place as it must be asked for: with the server and epoch that it is of, where there are several."""
        label, file = split_label(position.file)
        known = self.stretches if self.begun_anew or always else self.way
        of = next((one.full_label for one in known if one.label == label), label)
        return Position(f"{of}{file}", position.offset)

    def repeats(self, one: Transaction) -> bool:
        """Whether a transaction is one that an earlier server's log in this window holds as well."""
        if not self.way or "/" not in one.file or not one.gtid:
            return False
        held = self._held.get(split_label(one.file)[0])
        return held is not None and held.holds(*split_gtid(one.gtid))

    def failovers(self, end: Position) -> Iterator[str]:
        """Where the way to `end` leads from one server's log into another's, in words."""
        for before, one in pairwise(self.stretches):
            if one.epoch <= segments.order(end)[0]:
                yield f"goes on at server {one.server}, where that of {before.server} ends at {before.end.text}"

    def between(self, start: Position, end: Position) -> Iterator[tuple[Stretch, Position, Position]]:
        """The stretches from `start` to `end`, with where each is entered and left."""
        first, last = segments.order(start)[0], segments.order(end)[0]
        for one in self.stretches:
            number = one.epoch if one.label else 0
            if first <= number <= last:
                yield one, one.first(start), one.last(end)


def split_label(file: str) -> tuple[str, str]:
    """What stands before a file's name, and the name."""
    at = file.rfind("/") + 1
    return file[:at], file[at:]


def read(
    store: Store,
    window: Window,
    start: Position,
    end: Position,
    *,
    unpack: Callable[[bytes, int], bytes],
    skip: bool = False,
) -> Iterator[tuple[str, int, bytes]]:
    """Archived log from `start` to `end`, both in the window; as `segments.read_log`, for all of its servers."""
    for one, first, last in window.between(start, end):
        skips = skip and one.label == split_label(start.file)[0]
        pieces = segments.read_log(store, one.prefix, one.epoch, first, last, unpack=unpack, skip=skips)
        for file, offset, body in pieces:
            yield f"{one.label}{file}", offset, body


def size(store: Store, window: Window, start: Position, end: Position) -> int:
    """How many bytes of log lie between two positions, by the names of segments."""
    found = window.between(start, end)
    return sum(segments.log_size(store, one.prefix, one.epoch, first, last) for one, first, last in found)


def keys(store: Store, window: Window, start: Position, end: Position, *, skip: bool) -> Iterator[str]:
    """What `read` would read, in order, by names alone."""
    for one, first, last in window.between(start, end):
        skips = skip and one.label == split_label(start.file)[0]
        for segment in segments.needed_segments(store, one.prefix, one.epoch, first, last, skip=skips):
            yield segment.key(one.prefix)


def holds_file(store: Store, window: Window, file: str) -> bool:
    """Whether a binlog, called as in the window, is there."""
    label, name = split_label(file)
    return any(one.label == label and name in segments.files(store, one.prefix, one.epoch) for one in window.stretches)


def places(store: Store, window: Window, asked: Position) -> tuple[dict[str, tuple[Position, Position]], str]:
    """Where a position, that may name its server, lies in a window: by server, as called here and in full; and why
    not, where the log has it and a way to it there is none."""
    found: dict[str, tuple[Position, Position]] = {}
    early = ""
    for one in window.stretches:
        label, file = split_label(asked.file)
        there = one.named(Position(file, asked.offset))
        last = one.named(one.last(window.end))
        if label not in {"", one.label, one.full_label}:
            continue
        # By the whole name: `mysql-bin.000007` is not `binlog.000007`, though their numbers are the same.
        if not segments.order(window.image.position) <= segments.order(there) <= segments.order(last) or not (
            holds_file(store, window, there.file)
        ):
            continue
        if one.passed and segments.order(there) < segments.order(one.named(one.passed)):
            early = f": server {one.server} had not yet executed there what the log of the one before it holds"
        else:
            found[one.server] = (there, Position(f"{one.full_label}{file}", asked.offset))
    return found, early


def alike(store: Store, prefix: str, asked: Position) -> list[Position]:
    """Where a place lies in the log of a server, in full: in several epochs, where that was begun anew."""
    found: dict[str, Position] = {}
    for epoch in segments.epochs(store, prefix):
        if asked.file not in segments.files(store, prefix, epoch):
            continue
        archived = segments.archived_file(store, prefix, epoch, asked.file)
        if archived.segments and archived.segments[0].start <= asked.offset <= archived.reach:
            label = Stretch(prefix, epoch, asked, asked).full_label
            # One file may be in two: when another server had the database meanwhile.
            found[segments.origin(store, prefix, epoch, asked.file) or label] = Position(
                f"{label}{asked.file}", asked.offset
            )
    return list(found.values())


def place_of(store: Store, window: Window, image: Image) -> Position | None:
    """Where in a window a later image stands, as it is called here; None where it does not."""
    for one in window.stretches:
        there, last = one.named(image.position), one.named(one.last(window.end))
        begins = one.named(one.passed or one.start)
        inside = segments.order(begins) <= segments.order(there) <= segments.order(last)
        if one.prefix == image.prefix and inside and holds_file(store, window, there.file):
            return there
    return None


def files_backwards(store: Store, window: Window) -> Iterator[tuple[Stretch, str, ArchivedFile]]:
    """The binlogs of a window, the newest first, each as its server calls it."""
    for one in reversed(window.stretches):
        there = reversed(segments.files(store, one.prefix, one.epoch))
        low, high = segments.sequence(one.start.file), segments.sequence(one.last(window.end).file)
        wanted = [file for file in there if low <= segments.sequence(file) <= high]
        for file, archived in segments.archived_files(store, one.prefix, one.epoch, wanted):
            yield one, file, archived


def segments_of(store: Store, window: Window) -> Iterator[tuple[str, Segment]]:
    """Every segment of the binlogs of a window, with its server's folder."""
    for one in window.stretches:
        low, high = segments.sequence(one.start.file), segments.sequence(one.last(window.end).file)
        for file in segments.files(store, one.prefix, one.epoch):
            if low <= segments.sequence(file) <= high:
                for segment in segments.archived_file(store, one.prefix, one.epoch, file).segments:
                    yield one.prefix, segment
