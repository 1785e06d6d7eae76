"""Copies that a plan asks for: which image has its turn, and, out of a class that must thaw, how far that is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from msgspec.structs import replace

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import StepFailed
from bkpc_runtime.events import Step
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.schedule import last_start
from bkpc_runtime.steps.copy import Pace, copy_image, missing
from bkpc_runtime.steps.thaw import Wish, ask, cold_of, wait_until_thawed
from bkpc_runtime.stores.store import Store, StoredObject
from bkpc_runtime.stores.thawing import ThawingStore
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_DAY = timedelta(days=1)


def run_copy(world: World, job: contract.Job, step: Step, *, waits: bool) -> str:
    """The newest image in the job's stores; a sentence for the log.

    What must thaw is asked for. `waits`: until it has thawed; else the image is copied by a later run.

    Raises:
        StepFailed: it failed; what has arrived stays there, run it again.
    """
    copying = _Copying(world, job, step)
    return copying.thaw_first(world.clock(), waits=waits) if job.thaw_ms else copying.newest()


def is_copy_due(world: World, job: contract.Job, now: datetime) -> bool:
    """Of a copy out of a class that must thaw: whether something is to be asked for now, or moved.

    A copy asks for the newest image that is whole then so long before its start that it has thawed by then.
    """
    copying = _Copying(world, job)
    asks = copying.asks(now)
    image = copying.of_turn(asks)
    if image is None:
        return False
    cold = copying.cold(copying.chain(image))
    if cold:
        return any(one.cold == "frozen" for one in cold)
    return now >= asks + timedelta(milliseconds=job.thaw_ms)


class _Copying:
    """One job, and the stores that are open for it."""

    def __init__(self, world: World, job: contract.Job, step: Step | None = None) -> None:
        assert job.source_store is not None
        self._step = step
        self._job, self._go_on, self._clock = job, world.go_on, world.clock
        self._source, self._stores = world.store(job.source_store), world.plan.estate.stores
        self._targets = [world.store(name) for name in job.stores]

    def newest(self) -> str:
        image = self._newest()
        return self._copied(image, self.chain(image), self._source)

    def thaw_first(self, now: datetime, *, waits: bool) -> str:
        image = self.of_turn(self.asks(now)) or self._newest()
        chain, wish, source = self.chain(image), self._wish, self._source
        cold = self.cold(chain, looks=True)
        name = f"image {image.manifest.id} of `{self._job.database}`"
        asked = ask(source, cold, wish)
        size = sum(one.size for one in cold)
        told = f"{name} thaws in store `{source.name}`: {len(cold)} objects, {size:,} bytes, {asked} asked for now"
        if cold and not waits:
            return f"{told}; it is copied when it has thawed"
        if cold:
            log.info("%s; usually within %s", told, wish.usual)
            wait_until_thawed(source, cold, wish, log.info)
        return self._copied(image, chain, self._thawing(cold) if waits else source)

    def asks(self, now: datetime) -> datetime:
        """When the last turn's image was to be asked for."""
        schedule = self._job.schedule
        return last_start(replace(schedule, offset_ms=schedule.offset_ms - self._job.thaw_ms), now)

    def of_turn(self, asks: datetime) -> Image | None:
        """The newest image that was whole at a moment, or the first there is; None: all targets have it, or newer."""
        database, now = self._job.database, self._clock()
        held = [catalogue.newest_by(one, database, now) for one in self._targets]

        def whole(finished: str) -> bool:
            return datetime.fromisoformat(finished) <= asks

        image = catalogue.newest_by(self._source, database, now, lambda one: whole(one.finished))
        if image is None and not any(held):
            image = catalogue.newest_by(self._source, database, now)
        if image and all(one and one.manifest.id >= image.manifest.id for one in held):
            return None
        return image

    def chain(self, image: Image) -> tuple[Image, ...]:
        """The full image first: one without what it builds on is of no use."""
        there = catalogue.all_images(self._source, self._job.database) if image.manifest.parent else ()
        return catalogue.chain(image, there)

    def cold(self, chain: Sequence[Image], *, looks: bool = False) -> list[StoredObject]:
        """What is to be moved and can't be read, in the order in which it is read.

        `looks`: what the targets hold is looked into, as the copy does; else its size is enough.
        """
        return cold_of(self._source, [key for image in chain for key in self._missing(image, looks=looks)])

    def _missing(self, image: Image, *, looks: bool) -> list[str]:
        if looks:
            pace = Pace(self._job.limit, None, self._go_on)
            return [*dict.fromkeys(key for one in self._targets for key, _ in missing(image, one, pace))]
        folder = layout.image_folder(image.prefix, image.manifest.id)
        held = [{one.key: one.size for one in target.list(folder)} for target in self._targets]
        keys = {
            layout.part_key(image.prefix, image.manifest.id, part.name): part.sums.stored_size
            for part in image.manifest.parts
        }
        return [key for key, size in keys.items() if any(one.get(key) != size for one in held)]

    def _newest(self) -> Image:
        image = catalogue.newest_by(self._source, self._job.database, self._clock()) or catalogue.newest(
            self._source, self._job.database
        )
        if image is None:
            raise StepFailed(
                f"store `{self._source.name}` has no image of `{self._job.database}` to copy", retryable=True
            )
        return image

    @property
    def _wish(self) -> Wish:
        """As long as the copy may take, and two days; the tier is the one whose time the plan counts."""
        days = 2 + -(-timedelta(milliseconds=self._job.timeout_ms) // _DAY)
        thaw = next(one.thaw_ms for one in self._stores if one.name == self._job.source_store)
        return Wish(days, timedelta(milliseconds=self._job.thaw_ms), thaw=timedelta(milliseconds=thaw))

    def _thawing(self, cold: Sequence[StoredObject]) -> Store:
        def thaw(keys: Sequence[str]) -> int:
            found = cold_of(self._source, keys)
            ask(self._source, found, self._wish)
            wait_until_thawed(self._source, found, self._wish, log.info)
            return len(found)

        wrapped = ThawingStore(self._source, thaw, spares=True)
        wrapped.expect(one.key for one in cold)
        return cast(Store, wrapped)

    def _moved(self, before: int, done: int) -> None:
        if self._step:
            self._step.moved(before + done)

    def _copied(self, image: Image, chain: Sequence[Image], source: Store) -> str:
        moved = 0
        for target in self._targets:
            for one in chain:
                progress = partial(self._moved, moved)
                moved += copy_image(
                    one, source, target, limit=self._job.limit, go_on=self._go_on, progress=progress
                )  # fmt: skip
        stores = ", ".join(self._job.stores)
        told = f"image {image.manifest.id} of `{self._job.database}` copied to {stores}: {moved:,} bytes"
        return told + requests_of([self._source, *self._targets])


def requests_of(stores: Sequence[Store]) -> str:
    """What was asked of services that charge for it."""
    asked = sum(store.requests for store in stores)
    return f", {asked:,} requests" if asked else ""
