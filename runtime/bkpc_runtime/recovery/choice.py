"""From what a person asks for (`--to`) to an image, its log, and the exact position to stop before."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bkpc_runtime.errors import BadUsage, DamagedBackup, PolicyBroken, Refused
from bkpc_runtime.mysql.binlog.transactions import Transaction, transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.segments import epochs, files, order, read_log
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import unpacked

log = logging.getLogger(__name__)
_FIRST = 4
_OUT_OF_ORDER = timedelta(minutes=1)
"""Statements that run side by side may be written in another order than they began in; more is a clock set back."""
_POSITION = re.compile(r"(.+\.\d{6,}):(\d+)")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a restore will do: load `image`, then replay up to (not including) `stop`; None: no log."""

    image: Image
    window: Window | None
    stop: Position | None
    last_commit: datetime | None
    by_time: bool = False


def choose(store: Store, database: str, to: str, identities: Sequence[Secret], *, physical: bool = False) -> Choice:
    """The newest image from before the asked point whose log reaches it.

    `to` is a time (ISO 8601; UTC unless it says otherwise), `FILE:POSITION`, the id of an image, or `latest`.
    A running server takes logical images, an empty data directory `physical` ones with all that they build on.

    Raises:
        PolicyBroken: no image, or nothing that reaches the point.
        BadUsage: `to` is none of the four.
    """
    images = _fitting(store, database, to, physical=physical)
    if to == "latest":
        return _latest(store, images[0], identities)
    if layout.is_image_id(to):
        return _image(store, images, to)
    found = _POSITION.fullmatch(to)
    if found:
        stop = Position(found[1], int(found[2]))
        if stop.offset < _FIRST:
            raise BadUsage(f"no transaction begins at {stop.text}: the first bytes of a binlog are its head")
        return _at_position(store, images, stop, identities)
    return _at_time(store, images, parse_time(to), identities)


def _fitting(store: Store, database: str, to: str, *, physical: bool) -> list[Image]:
    """The images that the target takes, newest first."""
    all_ = catalogue.all_images(store, database)
    if not all_:
        raise PolicyBroken(f"store `{store.name}` has no image of `{database}`")
    other, way = ("logical", "--into URL") if physical else ("physical", "--into-datadir FOLDER")
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


def parse_time(text: str) -> datetime:
    """A time with its zone; UTC where none is written."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadUsage(
            f"{text!r} is neither a time, a position, an image nor `latest`",
            help="such as 2026-11-23T14:05:00Z, binlog.000007:48213, 20261123T140500Z-0a1b2c3d, or latest",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def log_of(store: Store, window: Window, identities: Sequence[Secret]) -> Iterator[Transaction]:
    """Every transaction from the first byte of the image's binlog file to the end of the window."""
    pieces = read_log(
        store,
        window.image.prefix,
        window.epoch,
        window.image.position,
        window.end,
        unpack=lambda packed: unpacked(packed, "a log segment", identities),
    )
    return transactions(pieces)


def _latest(store: Store, image: Image, identities: Sequence[Secret]) -> Choice:
    window = catalogue.window(store, image)
    _nothing_later(store, image, window)
    last: Transaction | None = None
    for one in log_of(store, window, identities) if window else ():
        last = one
    stop = Position(last.file, last.end) if last else None
    if stop is None or order(stop) < order(image.position):
        stop = image.position
    return Choice(image, window, stop, last.committed if last else None)


def _nothing_later(store: Store, image: Image, window: Window | None) -> None:
    """`latest` must not quietly be less than what was archived."""
    reason = catalogue.severed(store, image)
    for prefix in catalogue.prefixes(store, image.manifest.database):
        later = prefix != image.prefix and epochs(store, prefix) and not any(catalogue.images(store, prefix))
        reason = reason or (f"there is log of another server, {prefix}, and no image of it" if later else "")
    if reason:
        reached = window.end.text if window else image.manifest.id
        raise Refused(
            f"store `{store.name}` has later log that can't be reached: {reason}",
            help=f"--to {reached} restores what can be",
        )


def _image(store: Store, images: list[Image], wanted: str) -> Choice:
    for image in images:
        if image.manifest.id == wanted:
            return Choice(image, None, None, None)
    raise PolicyBroken(f"store `{store.name}` has no image {wanted}", help=_windows(store, images))


def _at_position(store: Store, images: list[Image], stop: Position, identities: Sequence[Secret]) -> Choice:
    for image in images:
        window = catalogue.window(store, image)
        # By the whole name: `mysql-bin.000007` is not `binlog.000007`, though their numbers are the same.
        there = window and stop.file in files(store, image.prefix, window.epoch)
        if window and there and order(image.position) <= order(stop) <= order(window.end):
            return _stopped(store, window, identities, stop)
    raise PolicyBroken(
        f"no image in store `{store.name}` has log that reaches {stop.text}", help=_windows(store, images)
    )


def _at_time(store: Store, images: list[Image], moment: datetime, identities: Sequence[Secret]) -> Choice:
    for image in images:
        if datetime.fromisoformat(image.manifest.finished) > moment:
            continue
        window = catalogue.window(store, image)
        if window is None:
            break
        return _stopped(store, window, identities, moment)
    raise PolicyBroken(
        f"nothing in store `{store.name}` can be restored to {moment.isoformat()}", help=_windows(store, images)
    )


def _stopped(store: Store, window: Window, identities: Sequence[Secret], wanted: Position | datetime) -> Choice:
    """Walks the log to the first transaction that is not before what was asked."""
    last: Transaction | None = None
    first_after: Position | None = None
    for one in log_of(store, window, identities):
        begins = Position(one.file, one.start)
        if order(begins) < order(window.image.position):
            continue
        if first_after is None and not _beyond(one, wanted):
            last = one
            continue
        first_after = first_after or begins
        if isinstance(wanted, Position):
            break
        if one.committed < wanted - _OUT_OF_ORDER:
            raise _times_go_back(first_after, one)
    if isinstance(wanted, Position):
        _on_a_boundary(wanted, last, first_after)
        return Choice(window.image, window, wanted, last.committed if last else None)
    if first_after is None:
        end = last.committed.isoformat() if last else "the image itself"
        raise Refused(
            f"the archived log ends at {window.end.text}, its last transaction is of {end}: "
            "it does not show what came until the asked time",
            help="--to latest restores all there is",
        )
    return Choice(window.image, window, first_after, last.committed if last else None, by_time=True)


def _beyond(one: Transaction, wanted: Position | datetime) -> bool:
    if isinstance(wanted, Position):
        return order(Position(one.file, one.start)) >= order(wanted)
    return one.committed + one.uncertainty > wanted


def _times_go_back(first_after: Position, later: Transaction) -> Refused:
    """A session may set its own clock, and MariaDB writes when a statement began: then a time names no one place."""
    return Refused(
        f"the log's times go back: what begins at {first_after.text} is later than asked, "
        f"but {later.file}:{later.start} after it is not",
        help=f"`bkpc log` finds the position to stop before; --to {first_after.text} stops at the first of them",
    )


def _on_a_boundary(exactly: Position, last: Transaction | None, first_after: Position | None) -> None:
    inside = last is not None and last.file == exactly.file and last.start < exactly.offset < last.end
    if inside:
        assert last is not None
        raise BadUsage(
            f"{exactly.text} is inside a transaction",
            help=f"it goes from {last.file}:{last.start} to {last.file}:{last.end}; name one of its ends",
        )
    if first_after is not None and first_after.file == exactly.file and first_after.offset < exactly.offset:
        raise BadUsage(f"{exactly.text} is not where a transaction begins")


def _windows(store: Store, images: list[Image]) -> str:
    lines = ["what can be restored:"]
    for image in images[:5]:
        window = catalogue.window(store, image)
        end = f"log to {window.end.text}" if window else "no log"
        lines.append(f"  image {image.manifest.id} at {image.position.text} ({image.manifest.finished}), {end}")
    return "\n".join(lines)
