"""The instant that a drill restores to before it goes on to where the source was asked.

It lies between two transactions anywhere in the log that is replayed. A stop that is a transaction too early or too
late shows when the rest of the log follows: in the rows, or as one that can't be replayed.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from bkpc_runtime.mysql.binlog.transactions import Reader
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import Start, log_pieces
from bkpc_runtime.recovery.into_data_folder import facts_of
from bkpc_runtime.recovery.point import AtPosition, OfImage
from bkpc_runtime.recovery.recover import Means, way_of
from bkpc_runtime.recovery.replay import open_spool, replay
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import windows
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.measuring import Measuring
from bkpc_runtime.stores.store import Store


def start_to(image: Image, window: Window | None, stop: Position | None) -> Start:
    """From an image to a position; the image alone where no log leads on."""
    if window and stop and order(stop) > order(image.position):
        return Start(image, window, AtPosition(stop))
    return Start(image, None, OfImage(image.manifest.id))


def random_instant(start: Start, store: Store, identities: Sequence[Secret], seed: int) -> Position | None:
    """Where a transaction begins, drawn by the bytes of log; None where there is none to go to."""
    if start.window is None or start.reach is None:
        return None
    whole = windows.size(store, start.window, start.image.position, start.reach)
    if not whole:
        return None
    wanted, passed = random.Random(seed).randrange(whole), 0  # noqa: S311 - the same for the same seed
    last: Position | None = None
    reader = Reader(start.skips_to)
    for file, offset, body in log_pieces(store, start, identities):
        for one in reader.feed(file, offset, body):
            begins = Position(one.file, one.start)
            if order(begins) < order(start.image.position) or start.window.repeats(one):
                continue
            if order(begins) >= order(start.reach):
                return last
            last = begins
            passed += one.end - one.start
            if passed > wanted:
                return last
    return last


def go_on(start: Start, instant: Position, store: Store, target: Target, means: Means, measuring: Measuring) -> None:
    """The log from `instant`, where `target` stands, to the end of `start`. Raises what a replay does."""
    manifest = replace(start.image.manifest, binlog_file=instant.file, binlog_offset=instant.offset)
    rest = Start(Image(start.image.prefix, manifest), start.window, start.point)
    facts = facts_of(target)
    moved: list[int] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bkpc-replay-", dir=means.work) as folder:
        way = way_of(target, facts, Means(means.identities, Path(folder), means.by))
        with open_spool(rest, store, means.identities, way) as spool:
            replay(spool, target, facts, way, lambda _, size: moved.append(size))
    measuring.add("restore.log", time.monotonic() - began, sum(moved))
