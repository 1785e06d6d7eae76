"""A whole recovery: the log is read ahead while the image loads, and replayed when it is loaded."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.image_first import ImageFirst
from bkpc_runtime.recovery.load import load_image, quiet_target, ready_target
from bkpc_runtime.recovery.marker import Marker, alone
from bkpc_runtime.recovery.point import NotHere
from bkpc_runtime.recovery.replay import open_spool, replay
from bkpc_runtime.recovery.spool import Spool
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By, Way, find_way
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.temporary_folder import temporary_folder


@dataclass(frozen=True, slots=True)
class Means:
    """With what a recovery is done: `work` holds the log meanwhile, where the target's own directory doesn't.

    `other_engines`: a table whose storage engine the target lacks gets its default one. `first`: how its log gives way
    to its image.
    """

    identities: Sequence[Secret] = ()
    work: Path = field(default_factory=temporary_folder)
    by: By = "auto"
    clients: int | None = None
    other_engines: bool = False
    first: ImageFirst = field(default_factory=ImageFirst)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. `accounts`: transactions of the log about accounts, which were left out. Times in seconds.

    `other_engines`: tables that have the target's default engine, with the one that it lacks.
    """

    position: Position
    last: Transaction | None
    accounts: tuple[Transaction, ...]
    loading: float
    replaying: float
    other_engines: Mapping[tuple[str, str], str] = field(default_factory=dict)


class Teller(Protocol):
    """Who follows a recovery."""

    def certain(self, start: Start, facts: ServerFacts, way: Way | None, /) -> None:
        """It is known what will be done, and nothing is changed yet; raises to keep it so."""
        ...

    def begins(self, marker: Marker, /) -> None:
        """The target is quiet and marked: the load begins."""
        ...

    def before_views(self) -> None: ...
    def loaded(self) -> None:
        """All of the image."""
        ...

    def loading(self, part: Part, number: int, of: int, /) -> None: ...
    def replaying(self, file: str, size: int, /) -> None:
        """So many bytes more of a binlog were given to the target."""
        ...


class Silent:
    """Follows a recovery, and says nothing."""

    def certain(self, start: Start, facts: ServerFacts, way: Way | None) -> None:
        pass

    def begins(self, marker: Marker) -> None:
        pass

    def before_views(self) -> None:
        pass

    def loaded(self) -> None:
        pass

    def loading(self, part: Part, number: int, of: int) -> None:
        pass

    def replaying(self, file: str, size: int) -> None:
        pass


def recover(starts: Iterable[Start], store: Store, target: Target, means: Means, teller: Teller) -> Restored:
    """Into an empty target, or one in which the same recovery broke off.

    Raises:
        RuntimeFailure: the target is not restored. Until the replay begins, running it again goes on.
    """
    # Before the log is read: its files in the server's directory are those of one restore.
    with alone(target) as connection:
        missing: NotHere | None = None
        for start in starts:
            facts = ready_target(target, start.image)
            with _log(start, store, target, facts, means) as (spool, way):
                if spool and not start.sure:
                    try:
                        spool.found()
                    except NotHere as problem:
                        missing = problem
                        continue
                teller.certain(start, facts, way)
                marker = Marker(connection, start.image.manifest.id)
                return _restored(start, store, target, facts, means, teller, marker, spool, way)
    raise missing or PolicyBroken(f"no log in store `{store.name}` holds what was asked for behind an image")


def way_of(target: Target, facts: ServerFacts, means: Means) -> Way:
    """How the log would be replayed."""
    with closing(target.connect()) as connection:
        return find_way(connection, target.address, facts, means.work, means.by)


@contextmanager
def _log(
    start: Start, store: Store, target: Target, facts: ServerFacts, means: Means
) -> Iterator[tuple[Spool | None, Way | None]]:
    if start.window is None:
        yield None, None
        return
    with tempfile.TemporaryDirectory(prefix="bkpc-replay-", dir=means.work) as folder:
        way = way_of(target, facts, Means(means.identities, Path(folder), means.by))
        with ExitStack() as stack:
            if start.sure:  # else all of it is read before the image is
                means.first.begin()
            spool = stack.enter_context(open_spool(start, means.first.log_of(store), means.identities, way))
            stack.callback(means.first.end)  # the spool waits, when it ends, for what it reads just then
            yield spool, way


def _restored(
    start: Start,
    store: Store,
    target: Target,
    facts: ServerFacts,
    means: Means,
    teller: Teller,
    marker: Marker,
    spool: Spool | None,
    way: Way | None,
) -> Restored:
    image = start.image

    def loading(part: Part, number: int, of: int) -> None:
        if spool:  # while nothing is replayed the load can be gone on with
            spool.check()
        teller.loading(part, number, of)

    began = time.monotonic()
    quiet_target(target)
    teller.begins(marker)
    with means.first:
        others = load_image(
            image, store, target, facts, means.identities, loading, teller.before_views,
            clients=means.clients, marker=marker, other_engines=means.other_engines,
        )  # fmt: skip
    teller.loaded()
    loaded = time.monotonic()
    if spool is None or way is None:
        marker.done()
        return Restored(image.position, None, (), loaded - began, 0.0, others)
    spool.check()
    marker.replaying()
    found = replay(spool, target, facts, way, teller.replaying)
    marker.done()
    replayed = time.monotonic() - loaded
    return Restored(found.stop, found.last, tuple(spool.accounts), loaded - began, replayed, others)
