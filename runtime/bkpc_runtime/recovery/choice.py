"""From what a person asks for (`--to`) to an image, its log, and the exact position to stop before."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bkpc_runtime.errors import BadUsage, DamagedBackup, PolicyBroken, Refused
from bkpc_runtime.mysql.binlog.transactions import Reader, Transaction, transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import NONE, Gtids
from bkpc_runtime.recovery.moment import Stored, stored_with
from bkpc_runtime.recovery.narrowing import Narrowing
from bkpc_runtime.recovery.point import (
    AfterGtids,
    AtPosition,
    AtTime,
    BeforeEvent,
    Course,
    Latest,
    NewestImage,
    NotHere,
    OfImage,
    Point,
    parse_point,
    search_for,
)
from bkpc_runtime.recovery.shown import executed_before, goes_beyond, holds
from bkpc_runtime.repository import catalogue, windows
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.known_until import known_until
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.thawing import spared
from bkpc_runtime.transfer.inbound import segment_opener

log = logging.getLogger(__name__)
_CLOCKS_DIFFER = timedelta(hours=1)
"""A server's clock and the one of whoever takes its images differ by less."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a recovery to `point` begins: load `image`, then follow the log of `window`; None: no log.

    `sure`: the point lies behind this image, or nowhere; else only the log can tell, and an older image may do.
    `narrowing`: only some tables are recovered. `stored`: see `moment`.
    """

    image: Image
    window: Window | None
    point: Point
    before: Gtids = NONE
    sure: bool = True
    narrowing: Narrowing | None = None
    stored: Stored | None = field(default=None, compare=False, repr=False)

    def course(self) -> Course:
        assert self.window is not None
        search = search_for(self.point, self.before, self.stored, self.window.in_full)
        return Course(self.image.position, self.window.end, search, self.window.repeats)

    def to(self, stop: Position) -> Start:
        """The same image and log, to a position."""
        if order(stop) > order(self.image.position):
            return Start(self.image, self.window, AtPosition(stop))
        return Start(self.image, None, OfImage(self.image.manifest.id))

    @property
    def fixed(self) -> Point:
        """The point as it will still be when the archive has grown."""
        match self.point:
            case Latest() if self.window:
                return AtPosition(self.window.in_full(self.window.end))
            case AtPosition(stop) if self.window:
                return AtPosition(self.window.in_full(stop))
            case AtPosition() | AtTime() | AfterGtids() | OfImage():
                return self.point
            case Latest():
                return OfImage(self.image.manifest.id)
            case _:
                raise AssertionError(self.point)

    @property
    def skips_to(self) -> int:
        """From where on the first file is read, its head apart. A GTID may have been committed before the snapshot."""
        return 0 if isinstance(self.point, AfterGtids) else self.image.position.offset

    @property
    def failovers(self) -> tuple[str, ...]:
        """Where the log leads on at another server, in words."""
        return tuple(self.window.failovers(self.reach)) if self.window and self.reach else ()

    @property
    def until(self) -> str:
        """Where it ends, in words, before the log is read."""
        match self.point:
            case AtTime(moment):
                return f"what was committed until {moment.isoformat()}"
            case AfterGtids(gtids):
                return f"until after {gtids.text}"
            case BeforeEvent():
                return f"until before: {self.point.text}"
            case _:
                return f"to {self.reach.text}" if self.reach else "none"

    @property
    def reach(self) -> Position | None:
        """How far the log is to be read at most."""
        return self.point.stop if isinstance(self.point, AtPosition) else self.window.end if self.window else None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a restore will do: load `image`, then replay up to (not including) `stop`; None: no log."""

    image: Image
    window: Window | None
    stop: Position | None
    last_commit: datetime | None

    @property
    def start(self) -> Start:
        """The same, to be done."""
        stop = self.stop if self.window and self.stop else self.image.position
        return Start(self.image, self.window, AtPosition(stop)).to(stop)


def choose(
    store: Store, database: str, to: str | Point, identities: Sequence[Secret], *, physical: bool = False
) -> Choice:
    """The newest image from before the asked point whose log reaches it; reads that log once.

    A running server takes logical images, an empty data directory `physical` ones with all that they build on.

    Raises:
        PolicyBroken: no image, or nothing that reaches the point.
        BadUsage: `to` is no point.
    """
    point = parse_point(to) if isinstance(to, str) else to
    missing: NotHere | None = None
    for start in starts(store, database, point, identities, physical=physical):
        try:
            return _followed(store, start, identities)
        except NotHere as problem:
            missing = problem
    raise missing or _nothing(store, database, point)


def _followed(store: Store, start: Start, identities: Sequence[Secret]) -> Choice:
    if start.window is None:
        # `latest` without a log is the image itself.
        stop = start.image.position if isinstance(start.point, Latest) else None
        return Choice(start.image, None, stop, None)
    course, reader = start.course(), Reader(start.skips_to)
    for file, offset, body in log_pieces(store, start, identities):
        for one in reader.feed(file, offset, body):
            course.take(one)
        course.passed(Position(file, reader.boundary))
        if course.over:
            break
    stop = course.conclude()
    last = course.last.committed if course.last else None
    return Choice(start.image, start.window, stop, last)


def starts(
    store: Store,
    database: str,
    point: Point,
    identities: Sequence[Secret],
    *,
    physical: bool = False,
    by_names: bool = False,
) -> Iterator[Start]:
    """Images from which the point may be reached, the best first; reads few small objects of the log.

    `by_names`: none at all, since they may be cold.
    """
    images = _fitting(store, database, point, physical=physical)
    match point:
        case Latest():
            window = catalogue.window(store, images[0])
            _nothing_later(store, images[0], window)
            yield Start(images[0], window, point)
        case NewestImage():
            yield Start(images[0], None, OfImage(images[0].manifest.id))
        case OfImage(wanted):
            found = [Start(image, None, point) for image in images if image.manifest.id == wanted]
            if not found:
                raise PolicyBroken(f"store `{store.name}` has no image {wanted}", help=_windows(store, images))
            yield from found
        case AtPosition(stop):
            yield _at_position(store, images, stop)
        case AtTime(moment):
            start, complete = _at_time(store, images, moment, by_names=by_names)
            sure = point.beyond or (not by_names and goes_beyond(store, start, moment, identities))
            stored = stored_with(store, start.window) if start.window else None
            yield replace(start, point=AtTime(moment, sure, complete), sure=sure or complete, stored=stored)
        case AfterGtids() | BeforeEvent():
            yield from _anywhere(store, images, point, None if by_names else identities)


def snapshot_until(store: Store, database: str, moment: datetime, *, physical: bool) -> tuple[Start, datetime]:
    """The newest image alone whose snapshot is no later than a moment, and when that was by its server's clock.

    Raises:
        PolicyBroken: there is none.
    """
    images, silent = _fitting(store, database, Latest(), physical=physical), ""
    for image in images:
        manifest = image.manifest
        if not manifest.snapshot:
            silent = silent or f"image {manifest.id} does not tell when its snapshot was taken"
        elif (taken := datetime.fromisoformat(manifest.snapshot)) <= moment:
            if silent:
                log.warning("%s, and an older one of `%s` is taken", silent, database)
            return Start(image, None, OfImage(manifest.id)), taken
    raise PolicyBroken(
        f"no image of `{database}` in store `{store.name}` is of a snapshot until {moment.isoformat()}"
        f"{'; ' if silent else ''}{silent}",
        help=_windows(store, images),
    )


def _fitting(store: Store, database: str, point: Point, *, physical: bool) -> list[Image]:
    """The images that the target takes, newest first."""
    all_ = catalogue.all_images(store, database)
    if not all_:
        raise PolicyBroken(f"store `{store.name}` has no image of `{database}`")
    other, way = ("logical", "--into URL") if physical else ("physical", "--into-datadir FOLDER")
    to = point.id if isinstance(point, OfImage) else ""
    kind = [one for one in all_ if one.manifest.physical == physical]
    if not kind or to in {one.manifest.id for one in all_} - {one.manifest.id for one in kind}:
        which = f"image {to} is" if kind else f"all images of `{database}` in store `{store.name}` are"
        raise BadUsage(f"{which} {other}: the target can't take that", help=f"say {way}")
    whole = []
    for image in kind:
        try:
            catalogue.chain(image, all_)
            whole.append(image)
        except DamagedBackup as problem:
            if to == image.manifest.id:
                raise
            log.error("not counted: %s", problem)
    if not whole:
        raise PolicyBroken(f"store `{store.name}` has no image of `{database}` with all that it builds on")
    return whole


def log_pieces(store: Store, start: Start, identities: Sequence[Secret]) -> Iterator[tuple[str, int, bytes]]:
    """The log that a recovery must see, as `segments.read_log` gives it, from the snapshot on."""
    assert start.window is not None
    return windows.read(
        store,
        start.window,
        start.image.position,
        # Beyond the point too: what lies across it is named with both its ends. But not where that must thaw.
        (spared(store) and start.reach) or start.window.end,
        unpack=segment_opener(identities),
        skip=start.skips_to > 0,
    )


def log_of(store: Store, window: Window, identities: Sequence[Secret]) -> Iterator[Transaction]:
    """Every transaction from the first byte of the image's binlog file to the end of the window, each once."""
    pieces = windows.read(
        store,
        window,
        window.image.position,
        window.end,
        unpack=segment_opener(identities),
    )
    return (one for one in transactions(pieces) if not window.repeats(one))


def _nothing_later(store: Store, image: Image, window: Window | None) -> None:
    """`latest` must not quietly be less than what was archived."""
    reason = catalogue.severed_after(store, image, window) or catalogue.left_behind(store, image, window)
    if reason:
        reached = window.in_full(window.end).text if window else image.manifest.id
        raise Refused(
            f"store `{store.name}` has later log that can't be reached: {reason}",
            help=f"--to {reached} restores what can be",
        )


def _at_position(store: Store, images: list[Image], stop: Position) -> Start:
    """By the newest image. Files of two servers may have the same name: then the asked one must say whose it is."""
    several = len({image.prefix for image in images}) > 1
    for prefix in {image.prefix for image in images}:
        if len(epochs := windows.alike(store, prefix, stop)) > 1:
            lines = "\n".join(f"  --to {one.text}" for one in epochs)
            raise BadUsage(
                f"{stop.text} is in {len(epochs)} logs, which the server began anew", help=f"say in which:\n{lines}"
            )
    found: dict[str, tuple[Start, Position]] = {}
    early = ""
    for image in images:
        window = catalogue.window(store, image)
        if window is None:
            continue
        places, why = windows.places(store, window, stop)
        early = early or why
        for server, (there, named) in places.items():
            found.setdefault(server, (Start(image, window, AtPosition(there)), named))
        if found and not several and not window.way:
            break
    if len(found) > 1:
        lines = "\n".join(f"  --to {named.text}" for _, named in found.values())
        raise BadUsage(f"{stop.text} is a place in the logs of {len(found)} servers", help=f"say which:\n{lines}")
    for start, _ in found.values():
        return start
    raise PolicyBroken(
        f"no image in store `{store.name}` has log that reaches {stop.text}{early}", help=_windows(store, images)
    )


def _at_time(store: Store, images: list[Image], moment: datetime, *, by_names: bool) -> tuple[Start, bool]:
    """And whether it is noted that the log is complete until then."""
    for image in images:
        if datetime.fromisoformat(image.manifest.snapshot or image.manifest.finished) > moment:
            continue
        window = catalogue.window(store, image)
        if window is None:
            break
        tip = window.tip
        noted = known_until(store, tip.prefix, tip.epoch, tip.start, window.tip_end)
        if by_names or spared(store):
            window = _up_to(store, window, moment, images)
        return Start(image, window, AtTime(moment)), noted is not None and noted >= moment
    raise PolicyBroken(
        f"nothing in store `{store.name}` can be restored to {moment.isoformat()}", help=_windows(store, images)
    )


def _up_to(store: Store, window: Window, moment: datetime, images: list[Image]) -> Window:
    """The window up to the first image that was begun well after a moment: what follows is later still."""
    for image in reversed(images):
        begun = datetime.fromisoformat(image.manifest.began)
        if begun > moment + _CLOCKS_DIFFER and (place := windows.place_of(store, window, image)):
            return replace(window, end=place)
    return window


def _anywhere(
    store: Store, images: list[Image], point: AfterGtids | BeforeEvent, identities: Sequence[Secret] | None
) -> Iterator[Start]:
    """The newest image whose log holds it: only the log can tell."""
    for image in images:
        window = catalogue.window(store, image)
        if window is None:
            continue
        start = Start(image, window, point, sure=False)
        if isinstance(point, AfterGtids) and identities is not None:
            before = executed_before(store, window, image.position, identities)
            if point.gtids.less(before).empty and not before.less(point.gtids).empty:
                continue
            sure = holds(store, start, point.gtids.less(before), identities)
            start = replace(start, before=before, sure=sure)
        yield start


def _nothing(store: Store, database: str, point: Point) -> PolicyBroken:
    what = point.gtids.text if isinstance(point, AfterGtids) else getattr(point, "text", "")
    return PolicyBroken(
        f"no log in store `{store.name}` holds {what} behind an image of `{database}`",
        help=_windows(store, catalogue.all_images(store, database)),
    )


def _windows(store: Store, images: list[Image]) -> str:
    lines = ["what can be restored:"]
    for image in images[:5]:
        window = catalogue.window(store, image)
        end = f"log to {window.in_full(window.end).text}" if window else "no log"
        lines.append(f"  image {image.manifest.id} at {image.position.text} ({image.manifest.finished}), {end}")
    return "\n".join(lines)
