"""What a restore must thaw before it reads it: found by names, told, asked for at once, and waited for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import cast

from bkpc_grammar.quantities import Duration
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.status_keeping import untrusted
from bkpc_runtime.recovery.choice import Start, snapshot_until, starts
from bkpc_runtime.recovery.point import AtTime, Latest, Point
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.log_names import names_of
from bkpc_runtime.settings.wanted import CLASSES
from bkpc_runtime.steps.reading import Reading, hold_for_reading
from bkpc_runtime.steps.thaw import Thawing, Wish, ask, cold_of, keys_to_read, wait_until_thawed
from bkpc_runtime.stores.store import Store, StoredObject, Tier
from bkpc_runtime.stores.thawing import LONGEST, ThawingStore
from bkpc_runtime.stores.two_stores import both_names
from bkpc_runtime.world import World

DAY = timedelta(days=1)
_TIERS: dict[str, Tier] = {"expedited": "Expedited", "standard": "Standard", "bulk": "Bulk"}
_USUAL: dict[tuple[str, Tier], timedelta] = {
    ("Archive", "Standard"): timedelta(minutes=1),
    ("ColdArchive", "Expedited"): timedelta(hours=1),
    ("ColdArchive", "Standard"): timedelta(hours=5),
    ("ColdArchive", "Bulk"): timedelta(hours=12),
    ("DeepColdArchive", "Expedited"): timedelta(hours=12),
    ("DeepColdArchive", "Standard"): timedelta(hours=48),
}
"""What the provider calls usual; no guarantee."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--thaw-tier", choices=[*_TIERS],
        help="from a class that must thaw: how soon; expedited costs more, bulk less (default: standard); what thaws "
        "already is asked for again where the tier is quicker",
    )  # fmt: skip
    parser.add_argument(
        "--thaw-only", action="store_true",
        help="ask for the thaw of what would be read, and end: the target need not be there yet",
    )  # fmt: skip
    parser.add_argument(
        "--thaw-days", type=_days, metavar="N",
        help="how long it stays readable then (default: as long as the plan says it takes, and two days)",
    )  # fmt: skip


def _days(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 365:
        raise argparse.ArgumentTypeError("from 1 to 365; class Archive takes 7 at most")
    return number


@dataclass(frozen=True, slots=True)
class Found:
    """What a restore of `database` would begin with, known by names alone: images in the order they are loaded, all
    objects in the order they are read, and those of them that are `cold`."""

    database: str
    store: Store
    start: Start
    chain: Sequence[Image]
    keys: Sequence[str]
    cold: Sequence[StoredObject]

    @property
    def of_log(self) -> bool:
        """Whether log is cold, and not only an image."""
        parts = sum(len(image.manifest.parts) for image in self.chain)
        return not {one.key for one in self.cold} <= set(self.keys[:parts])


@dataclass(frozen=True, slots=True)
class Terms:
    """How a thaw is asked for, where somebody said so."""

    tier: Tier | None = None
    days: int | None = None


def terms_of(arguments: argparse.Namespace) -> Terms:
    """What the command line says."""
    return Terms(_TIERS.get(arguments.thaw_tier or ""), arguments.thaw_days)


def _without_log(last: Start, store: Store, database: str, point: Point, *, physical: bool) -> Start | None:
    """Of a member that has images only the newest one until the time of its group: likely its point in common.
    `last`: its newest with all log after it."""
    if last.window or not isinstance(point, AtTime):
        return None
    return snapshot_until(store, database, point.moment, physical=physical)[0]


class Thaws:
    """Of one restore. Nothing is asked for before `first`, `only` or `begun`."""

    def __init__(self, world: World, terms: Terms) -> None:
        self._world = world
        self._tier: Tier = terms.tier or "Standard"
        self._hurries, self._days = terms.tier is not None, terms.days

    def of(
        self, database: str, store: Store, point: Point, *, physical: bool = False, latest_too: bool = False
    ) -> Found | None:
        """None where all can be read at once. `latest_too`: the log is read to its end, whatever the point."""
        if not self._may_be_cold(store):
            return None
        last = next(starts(store, database, Latest(), (), physical=physical, by_names=True)) if latest_too else None
        start = _without_log(last, store, database, point, physical=physical) if last else None
        start = start or next(starts(store, database, point, (), physical=physical, by_names=True))
        chain = catalogue.chain(start.image, catalogue.all_images(store, database))
        keys = keys_to_read(store, chain, start.window, start.reach, skip=start.skips_to > 0)
        if last:
            keys = list(dict.fromkeys((*keys, *keys_to_read(store, (), last.window, last.reach))))
        cold = cold_of(store, keys)
        return Found(database, store, start, chain, keys, cold) if cold else None

    def tell(self, found: Found) -> None:
        """How much, how long it takes, and what is charged for it."""
        asked = sum(one.cold == "thawing" for one in found.cold)
        for storage_class in sorted({one.storage_class for one in found.cold}):
            there = [one for one in found.cold if one.storage_class == storage_class]
            size = sum(one.size for one in there)
            usual = Duration(Fraction(round(self._usual(found.database, there).total_seconds()))).human()
            say(f"thaw   {len(there):,} objects, {size:,} bytes of class {storage_class} must thaw first")
            say(f"       usually within {usual} at tier {self._tier.lower()}; no guarantee")
        if asked:
            say(f"       {asked:,} of them have been asked for, and thaw")
        frozen = [one for one in found.cold if one.cold == "frozen"]
        days = self._wish(found.database, found.cold).days
        for storage_class in sorted({one.storage_class for one in frozen}):
            most = LONGEST.get(storage_class, days)
            stays = f"a readable copy for {min(days, most)} days"
            say(f"       charged: retrieval from {storage_class} at tier {self._tier.lower()}, and {stays}")
            if self._days and days > most:
                say(f"       not for {days}: {storage_class} takes {most} days at most; ask again before they end")

    def preview(self, found: Found) -> None:
        """What is known before it has thawed."""
        for image in found.chain:
            manifest = image.manifest
            say(f"image  {manifest.id}, {manifest.kind}, of {manifest.flavour} {manifest.server_version}, finished "
                f"{manifest.finished}, {manifest.stored_size:,} bytes")  # fmt: skip
            for line in untrusted(found.store, image):
                say(f"       {line}")
        if found.start.window:
            say(f"log    from {found.start.image.position.text}, {found.start.until}")
            for line in found.start.failovers:
                say(f"       {line}")
        self.tell(found)

    def first(self, found: Mapping[str, tuple[Found, Reading]]) -> None:
        """All that is cold, by database: told, held, asked for, and then waited for.

        Raises:
            StepFailed: some of it is being deleted at this moment.
        """
        self.begun(found)
        for one, _ in found.values():
            wait_until_thawed(one.store, one.cold, self._wish(one.database, one.cold), say)
            say(f"thaw   all {len(one.cold):,} objects of `{one.database}` can be read")
            if known := names_of(one.store):  # hours have passed
                known.forget()

    def begun(self, found: Mapping[str, tuple[Found, Reading]]) -> Mapping[str, Thawing]:
        """The same without waiting."""
        for one, reading in found.values():
            self.preview(one)
            reading.hold(one.start.image, log_too=one.start.window is not None)
        for one, _ in found.values():
            self._ask(one)
        return {
            name: Thawing(one.store, one.cold, self._wish(one.database, one.cold)) for name, (one, _) in found.items()
        }

    def only(self, found: Sequence[Found]) -> int:
        """Asks for it, and leaves a mark that holds it: expiry counts that for two weeks."""
        for one in found:
            self.preview(one)
            log_too = one.start.window is not None
            why = "its thaw was asked for: restore --thaw-only"
            hold_for_reading(one.store, one.start.image, self._world.clock(), log_too=log_too, why=why)
            self._ask(one)
        say("the same command without --thaw-only goes on" if found else "nothing of it must thaw")
        return 0

    def _ask(self, found: Found) -> None:
        wish = self._wish(found.database, found.cold)
        number = ask(found.store, found.cold, wish)
        if number:
            say(f"thaw   asked for {number:,} objects of `{found.database}`")

    def reading(self, database: str, store: Store, found: Found | None) -> Store:
        """The store, whose objects are asked for where they turn out to be cold after all."""

        def thaw(keys: Sequence[str]) -> int:
            cold = cold_of(store, keys)
            if cold:
                say(f"thaw   {len(cold):,} objects of `{database}` must thaw before the restore goes on")
                wish = self._wish(database, cold)
                ask(store, cold, wish)
                wait_until_thawed(store, cold, wish, say)
            return len(cold)

        wrapped = ThawingStore(store, thaw, spares=self._may_be_cold(store))
        wrapped.expect(found.keys if found else ())
        return cast(Store, wrapped)

    def _may_be_cold(self, store: Store) -> bool:
        cold = {one.name for one in self._world.plan.estate.stores if one.thaw_ms}
        return not cold.isdisjoint(both_names(store))

    def _wish(self, database: str, cold: Sequence[StoredObject]) -> Wish:
        usual = self._usual(database, cold)
        steps = [step for one in self._world.plan.recoveries for step in one.steps if step.database == database]
        loads = max((one.expect_ms for one in steps if one.kind.startswith("restore.")), default=0)
        # The first may thaw before the last does by as long as that takes.
        days = self._days or 2 + -(-(usual + 2 * timedelta(milliseconds=loads)) // DAY)
        return Wish(days, usual, self._tier, self._hurries, self._usual(None, cold))

    def _usual(self, database: str | None, cold: Sequence[StoredObject]) -> timedelta:
        """The plan's figure where it is of this tier, else the provider's; of a `database` with what it waits for: to
        be asked for, its turn behind the quota, and to be looked at."""
        plan, longest = self._world.plan, timedelta(0)
        for storage_class in {one.storage_class for one in cold}:
            said = [one for one in plan.estate.stores if CLASSES.get(one.storage_class or "") == storage_class]
            figures = [one.thaw_ms for one in said]
            names = {one.name for one in said}
            figures += [
                step.expect_ms
                for one in plan.recoveries
                for step in one.steps
                if database and (step.kind, step.database) == ("thaw", database) and step.store in names
            ]
            usual = _USUAL.get((storage_class, self._tier), _USUAL.get((storage_class, "Standard"), timedelta(0)))
            if self._tier == "Standard" and figures:
                usual = timedelta(milliseconds=max(figures))
            longest = max(longest, usual)
        return longest
