"""What `plan` and `apply` tell of expiry: what goes under a plan, and what it keeps less of than the one in force."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.forecast import Forecast, forecasts
from bkpc_runtime.repository import layout
from bkpc_runtime.world import World

_SHOWN = 10


def look_ahead(
    world: World, only: str | None, empty: Collection[str] = (), unknown: Collection[str] = ()
) -> tuple[list[Forecast], list[RuntimeFailure]]:
    """Forecasts for each database and store, and why others can't be looked at. `empty`: stores still to be made;
    `unknown`: those that are known not to answer."""
    found: list[Forecast] = []
    problems: list[RuntimeFailure] = []
    for database in world.databases(only):
        try:
            for one in forecasts(world, database.name, empty, unknown, world.clock()):
                if isinstance(one, Forecast):
                    found.append(one)
                else:
                    problems.append(one)
        except RuntimeFailure as problem:
            problems.append(problem)
    return found, problems


def not_known(world: World, only: str | None, found: Iterable[Forecast], empty: Collection[str]) -> list[str]:
    """The stores that no forecast tells of; none: all are known. `empty`: those that are still to be made."""
    asked = {(one.name, name) for one in world.databases(only) for name in world.stores_of(one.name)}
    return sorted({name for _, name in asked - {(one.database, one.store) for one in found} if name not in empty})


def lines(found: Collection[Forecast], unknown: Sequence[str] = ()) -> Iterator[str]:
    """A block for each store from which something goes, and how much in all; `unknown`: stores it is not known of."""
    images = binlogs = size = 0
    for one in found:
        images, binlogs = images + len(one.gone), binlogs + one.binlogs
        size += sum(image.stored_size for image in one.gone)
        yield from _block(one)
    if images or binlogs:
        told = f"{images} images ({size:,} bytes) and {binlogs} binlogs are to go, after the grace"
    else:
        told = "nothing is to go" if found or not unknown else ""
    rest = f"not known of {', '.join(unknown)}" if unknown else ""
    yield f"expiry: {'; '.join(filter(None, (told, rest)))}"


def _block(one: Forecast) -> Iterator[str]:
    if not (one.gone or one.binlogs or one.shortens):
        return
    yield f"{one.database} in {one.store}"
    oldest = sorted(one.gone, key=lambda image: image.id)
    for image in oldest[:_SHOWN]:
        yield f"  - image {image.id}, {image.stored_size:,} bytes"
    if len(oldest) > _SHOWN:
        yield f"  - and {len(oldest) - _SHOWN} more images"
    if one.binlogs:
        yield f"  - {one.binlogs} binlogs, {one.log_size:,} bytes before compression"
    if one.shortens:
        yield f"  ! {one.against}; this one keeps less:"
    if one.points:
        since, until = (moment.astimezone(UTC) for moment in one.points)
        yield f"  ! not every point from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC can be restored any more"
    if one.lost:
        yield f"  ! {len(one.lost)} images that it keeps go"


def orphans(world: World) -> Iterator[str]:
    """Databases that stores hold and this plan does not name: all of them stays."""
    named = {layout.database_folder(one.name) for one in world.databases(None)} | {layout.PLANS.rstrip("/")}
    for store in world.plan.estate.stores:
        try:
            there = [name.rstrip("/") for name in world.store(store.name).folders("")]
        except RuntimeFailure:
            continue  # told where it is looked at
        for name in sorted({*there} - named):
            yield f"note: store `{store.name}` holds `{name}`, which is in no protect of this plan: all of it stays"


def shortened(found: Iterable[Forecast]) -> bool:
    return any(one.shortens for one in found)
