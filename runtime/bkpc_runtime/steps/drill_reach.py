"""Which image a drill restores, and how far: one that log leads on from, to where the source was asked what it holds.

Images before a gap in the log, or of a server that another took the place of without its log, are passed over: they
come back as far as their own log goes, which a drill shows where it is told to, and compare with nothing that is there
today.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bkpc_runtime.errors import DamagedBackup, PolicyBroken, Refused
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, segments, windows
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.drills import drills
from bkpc_runtime.steps.drill_compare import Held
from bkpc_runtime.stores.store import Store

_LOOK_SECONDS = 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a drill of `image` goes: to `stop` in the log of `window`; None: no log. `source` is what is compared."""

    image: Image
    window: Window | None
    stop: Position | None
    source: Held | None

    @property
    def point(self) -> Position:
        return self.stop or self.image.position


def image_of(store: Store, database: str, wanted: str) -> Image:
    """The one that is asked for."""
    images = _all(store, database)
    for image in images:
        if image.manifest.id == wanted:
            return image
    known = ", ".join(one.manifest.id for one in images[:_SHOWN])
    raise PolicyBroken(f"store `{store.name}` has no image {wanted}", help=f"it has: {known}")


def image_in_turn(store: Store, database: str, source: Held | None, openable: Callable[[Image], None]) -> Image:
    """Of those that can be restored now the one whose turn it is: never drilled, then drilled longest ago; newer ones
    first. `openable` raises what keeps one from being read.

    Raises:
        PolicyBroken: there is none, and why.
        Refused: what is there can't be read.
    """
    last = {one.image: one.began for one in reversed(drills(store, database))}
    refused: Refused | None = None
    images = _all(store, database)
    for image in sorted(images, key=lambda one: last.get(one.manifest.id, "")):
        if why_not(store, image, images, source):
            continue
        try:
            openable(image)
        except Refused as problem:
            refused = refused or problem
        else:
            return image
    if refused:
        raise refused
    raise PolicyBroken(
        f"no image of `{database}` in store `{store.name}` leads to what the source holds now: of the newest, "
        f"{images[0].manifest.id}, {why_not(store, images[0], images, source)}",
        help="a new full image is due: `bkpc apply` takes it, and a running agent by itself; `bkpc drill --image ID` "
        "restores an older one as far as its own log goes",
    )


def _all(store: Store, database: str) -> list[Image]:
    images = catalogue.all_images(store, database)
    if not images:
        raise PolicyBroken(f"store `{store.name}` has no image of `{database}`")
    return images


def why_not(store: Store, image: Image, images: list[Image], source: Held | None) -> str:
    """Why an image can't be restored to where the source was asked, however long one waits; empty where it can."""
    try:
        catalogue.chain(image, images)
    except DamagedBackup as problem:
        return str(problem)
    return next(_parted(store, image, catalogue.window(store, image), source), "")


def _parted(store: Store, image: Image, window: Window | None, source: Held | None) -> Iterator[str]:
    if source is None or source.position is None:
        return
    if reason := catalogue.severed_after(store, image, window):
        yield reason
    prefix, epoch = image.prefix, max(segments.epochs(store, image.prefix), default=0)
    if window:
        prefix, epoch = window.tip.prefix, window.tip.epoch
    server = prefix.rpartition("/")[2]
    if source.identity != server:
        yield f"its log is of server {server}, and does not go on at {source.identity}, which has the database now"
    archived = segments.origin(store, prefix, epoch, source.position.file) if epoch else ""
    if archived and source.origin and archived != source.origin:
        yield f"the archived {source.position.file} is another file than the server's: its log was begun anew"


def reached(
    store: Store, image: Image, source: Held | None, patience: float, told: Callable[[str], None], *, streamed: bool
) -> Aim:
    """The log that continues the image, and where to stop: where the source was asked, once log leads there.

    Where log never leads there, or is not `streamed` any more, or the source can't be asked, all that was archived
    comes back; without log the image itself.

    Raises:
        PolicyBroken: it did not arrive within `patience` seconds.
    """
    stop = source.position if source else None
    if source and stop == image.position and source.identity == image.prefix.rpartition("/")[2]:
        return Aim(image, None, None, source)
    deadline = time.monotonic() + patience
    while True:
        window = catalogue.window(store, image)
        if stop is None or source is None:
            return Aim(image, window, window.end if window else None, None)
        if parted := next(_parted(store, image, window, source), ""):
            told(f"rows are not compared, for log does not lead to what the source holds now: {parted}")
            return Aim(image, window, window.end if window else None, None)
        there = windows.places(store, window, stop)[0] if window else {}
        if source.identity in there:
            return Aim(image, window, there[source.identity][0], source)
        if not streamed:
            return Aim(image, window, window.end if window else None, None)
        where = f"ends at {window.end.text}" if window else "does not reach the image"
        if time.monotonic() > deadline:
            raise PolicyBroken(
                f"the log in store `{store.name}` {where}: {stop.text}, where the source was asked what it holds, "
                f"did not arrive within {patience:.0f} s",
                help="is `bkpc agent` running? `bkpc status` tells how far the log is",
            )
        told(f"waiting for the log to {stop.text}: it {where}")
        time.sleep(_LOOK_SECONDS)
