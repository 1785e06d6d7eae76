"""One database of a scope in a process of its own: what it is told, and what it tells of itself."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, cast

from bkpc_grammar.canonical import read_plan
from bkpc_runtime import events
from bkpc_runtime.commands.restore_folder import restore_folder
from bkpc_runtime.commands.restore_whole import Wish, restore_whole
from bkpc_runtime.commands.scope_prepared import Place, Ways
from bkpc_runtime.commands.thaw_first import Thaws
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.leaving import listen
from bkpc_runtime.recovery.point import Point, point_text
from bkpc_runtime.repository.log_names import remembered
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.throttled import paced
from bkpc_runtime.stores.two_stores import ImagesAndLog
from bkpc_runtime.transfer.pace import Pace
from bkpc_runtime.world import World

_UNTIL_TOLD = 1
"""Bytes per second before the first rate is heard."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a process is started with."""

    document: bytes
    folder: str
    database: str
    stores: tuple[str, str]
    point: Point
    place: Place
    ways: Ways


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second that it may read, of the image and of the log; None: no limit."""

    image: int | None
    log: int | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The image is there."""


@dataclass(frozen=True, slots=True)
class Restored:
    """All is there, up to `position`."""

    position: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not restored."""

    kind: type[RuntimeFailure]
    message: str
    help: str


def restore_member(member: Member, pipe: Connection) -> None:
    """What the process does."""
    listen(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began it tells it to stop
    told, tells = cast(IO[str], _Named(member.database, sys.stderr)), _Tells(pipe)
    with contextlib.redirect_stderr(told), events.listening(tells.tell):
        logging.basicConfig(level=logging.INFO, stream=told, format="%(levelname)s %(message)s")
        image, log = Pace(_UNTIL_TOLD), Pace(_UNTIL_TOLD)
        threading.Thread(target=_obey, args=(pipe, image, log), daemon=True).start()
        try:
            world = World(read_plan(member.document, "the plan"), Path(member.folder), os.environ)
            images, logs = (world.store(name) for name in member.stores)
            both = ImagesAndLog(paced(images, image), paced(remembered(logs), log))
            store = Thaws(world, member.ways.terms).reading(member.database, both, None)
            position = _restored(member, world, store, lambda: tells.send(Loaded()))
            tells.send(Restored(position))
        except RuntimeFailure as problem:
            tells.send(Failed(type(problem), str(problem), problem.help))


class _Tells:
    """One thing after the other, whichever thread tells it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.RLock()

    def tell(self, event: events.Event) -> None:
        with contextlib.suppress(OSError):  # whoever hears it has gone: `_obey` ends this process
            self.send(event)

    def send(self, told: object) -> None:
        with self._lock:
            self._pipe.send(told)


def _obey(pipe: Connection, image: Pace, log: Pace) -> None:
    """Rates as they come. When whoever sends them is gone, nobody waits for this process any more."""
    try:
        while True:
            rates = pipe.recv()
            image.set(rates.image)
            log.set(rates.log)
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _restored(member: Member, world: World, store: Store, loaded: Callable[[], None]) -> str:
    means = member.ways.means()
    with contextlib.redirect_stdout(sys.stderr):  # it is the whole scope that has a result
        if member.place.folder:
            with Reading(store, world.clock, f"restore into {member.place.text}") as reading:
                restore_folder(
                    store, member.database, member.point, member.place.path, means.identities, reading, dry_run=False,
                    loaded=loaded,
                )  # fmt: skip
        else:
            wish = Wish(without_accounts=member.ways.without_accounts)
            which = (member.database, store)
            return restore_whole(wish, world, which, member.place.target(), means, member.point, loaded)
    return point_text(member.point)


class _Named:
    """Lines, each behind the name of its database, whole."""

    def __init__(self, name: str, to: IO[str]) -> None:
        self._name, self._to, self._line = name, to, ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            *whole, self._line = (self._line + text).split("\n")
            if whole:
                self._to.write("".join(f"{self._name}: {line}\n" for line in whole))
                self._to.flush()
        return len(text)

    def flush(self) -> None:
        self._to.flush()
