"""Which stores a recovery reads: images from the first that is ready, log from the one that has most of it.

Every store's log is a beginning without holes, so the one that goes furthest has every commit that any of them has.
With `hot sync to 2 of …` only that one may have the last of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from bkpc_runtime.errors import DamagedBackup, StoreFailed
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.segments import order
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import ImagesAndLog
from bkpc_runtime.world import World

log = logging.getLogger(__name__)


def store_to_read(world: World, database: str, named: str | None, among: tuple[str, ...] = ()) -> Store:
    """The store called `named`; else what reaches furthest of what can be read, as one store.

    `among`: only these, and images from the first of them that has any.

    Raises:
        StoreFailed: none can be read.
    """
    if named:
        return world.store(named)
    replicas = world.replicas_of(database)
    names = among or (*world.stores_of(database), *replicas)
    images, newest = _images(world, database, names)
    if images.name in replicas:
        log.warning("read from store `%s`, a copy that OSS keeps: it may lack what was written last", images.name)
    if newest is None:
        return images
    streams = (one for one in world.plan.streams if one.database == database)
    streamed = [name for one in streams for name in one.stores if not among or name in among]
    found = list(_reaches(world, images, newest, streamed))
    if not found:
        return images
    # The store of the images where it is among the best: one way less that can fail.
    _, store = max(found, key=lambda one: (one[0], one[1].name == images.name))
    if store.name == images.name:
        return images
    log.info("log is read from store `%s`, which has most of it", store.name)
    return ImagesAndLog(images, store)


def _images(world: World, database: str, names: tuple[str, ...]) -> tuple[Store, Image | None]:
    """The first store that has an image, or else the first that answers at all."""
    answering: Store | None = None
    failure: StoreFailed | None = None
    for name in names:
        store = world.store(name)
        try:
            found = catalogue.all_images(store, database)
        except StoreFailed as problem:
            failure = problem
            log.warning("not read: %s", problem)
            continue
        if found:
            return store, found[0]
        answering = answering or store
    if answering is None:
        assert failure is not None
        raise failure
    return answering, None


def _reaches(world: World, images: Store, newest: Image, names: list[str]) -> Iterator[tuple[tuple[int, int], Store]]:
    """How far the log of each store continues an image."""
    for name in names:
        store = world.store(name)
        try:
            window = catalogue.window(ImagesAndLog(images, store), newest)
        except (StoreFailed, DamagedBackup) as problem:
            log.warning("its log is not read, and may be missing: %s", problem)
            continue
        if window:
            yield order(window.end), store
