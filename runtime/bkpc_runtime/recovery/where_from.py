"""Which stores a recovery reads: the newest image that is ready at once, log from the store that has most of it.

Several stores may have images of their own by turns; of two that are alike, the first by name is read. What must thaw,
and copies that OSS keeps, come after all others: a log goes on from an older image as well. Without one the newest
image counts, wherever it is.

Every store's log is a beginning without holes, so the one that goes furthest has every commit that any of them has.
With `hot sync to 2 of …` only that one may have the last of them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from bkpc_runtime.errors import DamagedBackup, PolicyBroken, RuntimeFailure, StoreFailed
from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.point import AtPosition, AtTime, Point
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.furthest import furthest
from bkpc_runtime.repository.log_names import remembered
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import ImagesAndLog, both_names
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_IMAGES = frozenset({"backup.full", "backup.incremental", "copy"})
"""The kinds of jobs that write images; others keep marks in the stores they name."""


def with_its_log(world: World, database: str, store: Store) -> list[Store]:
    """A store of images with each store that has the log after them: itself, where the plan streams into any that
    keeps images; else all it streams into."""
    streamed = sorted({name for one in world.plan.streams if one.database == database for name in one.stores})
    jobs = (job for job in world.plan.jobs if job.database == database and job.kind in _IMAGES)
    imaged = {name for job in jobs for name in job.stores}
    if not streamed or imaged & set(streamed):
        return [store]
    return [cast(Store, ImagesAndLog(store, world.store(name))) for name in streamed]


def reaching_furthest(world: World, database: str, store: Store) -> Store:
    """A store with the log of its images, of the store that has most of it."""
    pairs = with_its_log(world, database, store)
    newest = catalogue.newest(store, database) if len(pairs) > 1 else None
    windows = ((catalogue.window(one, newest), one) for one in pairs) if newest else ()
    found = furthest((window, one) for window, one in windows if window)
    return found[1] if found else pairs[0]


def store_to_read(
    world: World, database: str, named: str | None, among: tuple[str, ...] = (), turns: tuple[str, ...] = (),
    *, all_of_them: bool = False,
) -> Store:  # fmt: skip
    """Of `stores_to_read` the first alone."""
    return stores_to_read(world, database, named, among, turns, all_of_them=all_of_them)[0]


def stores_to_read(
    world: World, database: str, named: str | None, among: tuple[str, ...] = (), turns: tuple[str, ...] = (),
    *, all_of_them: bool = False,
) -> tuple[Store, tuple[Store, ...]]:  # fmt: skip
    """The store called `named`; else what reaches furthest of what can be read, as one store, and all whose log can be:
    each may know until when it is complete. They remember the names of the log: each is asked for them once.

    `among`: only these, and images from the first of them that has any; or of those that have them by `turns`, from the
    one that has the newest.

    Raises:
        StoreFailed: none can be read; or, with `all_of_them`, one can't that people have not left out.
    """
    if named:
        return remembered(world.store(named)), ()
    replicas = world.replicas_of(database)
    names = among or (*world.stores_of(database), *replicas)
    opened = _Opened(world, {*names} - {*replicas} - world.left_out if all_of_them else ())
    images, newest = _images(opened, database, names, turns=turns, first=bool(among))
    if images.name in replicas:
        log.warning("read from store `%s`, a copy that OSS keeps: it may lack what was written last", images.name)
    if newest is None:
        return images, ()
    streams = (one for one in world.plan.streams if one.database == database)
    streamed = [name for one in streams for name in one.stores if not among or name in among]
    found = list(_reaches(opened, images, newest, streamed))
    if not found:
        return images if among else _images(opened, database, names, ready=False)[0], ()
    logs = tuple(one for _, one in found)
    # The store of the images where it is among the best: one way less that can fail.
    best = furthest(sorted(found, key=lambda one: one[1].name != images.name))
    store = best[1] if best else images
    if store.name == images.name:
        return images, logs
    log.info("log is read from store `%s`, which has most of it", store.name)
    return ImagesAndLog(images, store), logs


def store_for(world: World, database: str, point: Point, identities: Sequence[Secret], *, physical: bool) -> Store:
    """As `store_to_read`; but where the log of that has a gap at a time or position, the first store in which it leads
    there, if there is one. What must thaw is not looked into."""
    first = store_to_read(world, database, None, all_of_them=True)
    if not isinstance(point, AtTime | AtPosition) or _leads(world, first, database, point, identities, physical):
        return first
    names = world.stores_of(database)
    return leading_there(world, database, point, identities, names, physical=physical, instead_of=first) or first


def leading_there(
    world: World, database: str, point: AtTime | AtPosition, identities: Sequence[Secret], names: Sequence[str],
    *, physical: bool, instead_of: Store,
) -> Store | None:  # fmt: skip
    """The first store of these in which the log of an image leads to a point to which that of another does not."""
    for name in names:
        for one in with_its_log(world, database, remembered(world.store(name))):
            read = both_names(one)
            if set(read) <= {*names} and _leads(world, one, database, point, identities, physical):
                text = "`%s` is read from store `%s`: the log in `%s` does not lead to that point"
                log.warning(text, database, one.name, instead_of.name)
                return one
    return None


def _leads(
    world: World, store: Store, database: str, point: Point, identities: Sequence[Secret], physical: bool
) -> bool:
    """Whether the log of an image there leads to a point, or no other store's could better: it is read only where it
    has a gap. Of what can't be known before it has thawed, or can't be decrypted, that is said later."""
    if any(world.thaws(name) for name in both_names(store)):
        return True
    try:
        start = next(starts(store, database, point, identities, physical=physical, by_names=True))
        window = catalogue.window(store, start.image)
        if window and isinstance(point, AtTime) and catalogue.severed_after(store, start.image, window):
            start = next(starts(store, database, point, identities, physical=physical))
            return start.sure
    except (PolicyBroken, StoreFailed, DamagedBackup):
        return False
    except RuntimeFailure:
        pass
    return True


class _Opened:
    """The stores of one recovery, each opened once: it remembers the names of its log. Of `needed` ones none is passed
    over that fails: it may have what no other has."""

    def __init__(self, world: World, needed: Collection[str] = ()) -> None:
        self.world, self._needed = world, needed
        self._stores: dict[str, Store] = {}

    def store(self, name: str) -> Store:
        if name not in self._stores:
            self._stores[name] = remembered(self.world.store(name))
        return self._stores[name]

    def failed(self, name: str, problem: RuntimeFailure) -> None:
        """Raises it, of a store that is needed."""
        if name not in self._needed or not isinstance(problem, StoreFailed):
            return
        out = f"--without-store {name} goes on without what only that store has"
        helps = "; ".join(filter(None, (problem.help, out)))
        raise type(problem)(f"{problem}; it may have what no other store has", help=helps) from problem


def _images(
    opened: _Opened,
    database: str,
    names: tuple[str, ...],
    *,
    turns: tuple[str, ...] = (),
    first: bool = False,
    ready: bool = True,
) -> tuple[Store, Image | None]:
    """The store that has the newest image: of those that have them by `turns`, or else of those that are `ready` at
    once if any is; or, of others than `turns`, the `first` that has one. Where none has any, the first that answers.
    """
    answering: list[Store] = []
    found: list[tuple[tuple[bool, bool, bool], Image, Store]] = []
    failure: StoreFailed | None = None
    world = opened.world
    replicas = world.replicas_of(database)
    for name in (*turns, *(one for one in names if one not in turns)):
        if first and found and name not in turns:
            break
        store = opened.store(name)
        try:
            there = catalogue.all_images(store, database)
        except StoreFailed as problem:
            failure = problem
            opened.failed(name, problem)
            log.warning("not read: %s", problem)
            continue
        answering.append(store)
        if there:
            rank = (False, name not in replicas, ready and not world.thaws(name))
            found.append(((True, True, True) if name in turns else rank, there[0], store))
    if not answering:
        assert failure is not None
        raise failure
    if not found:
        return answering[0], None
    _, newest, store = max(found, key=lambda one: (one[0], one[1].manifest.id))
    return store, newest


def _reaches(opened: _Opened, images: Store, newest: Image, names: list[str]) -> Iterator[tuple[Window, Store]]:
    """How far the log of each store continues an image: all are asked at once."""
    stores = [opened.store(name) for name in names]

    def window(store: Store) -> Window | None:
        try:
            return catalogue.window(ImagesAndLog(images, store), newest)
        except (StoreFailed, DamagedBackup) as problem:
            opened.failed(store.name, problem)
            log.warning("its log is not read, and may be missing: %s", problem)
            return None

    with ThreadPoolExecutor(max(1, len(stores)), thread_name_prefix="logs") as pool:
        for store, found in zip(stores, pool.map(window, stores), strict=True):
            if found:
                yield found, store
