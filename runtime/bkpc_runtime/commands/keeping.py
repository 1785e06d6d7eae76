"""What `plan` and `apply` tell of expiry: what goes under a plan, and what can't be restored any more without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.forecast import Forecast, History, Outlook, outlook
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.holdings import KnownImage
from bkpc_runtime.repository.restorable import Restorable
from bkpc_runtime.world import World

_SHOWN = 10


def look_ahead(
    world: World, databases: Iterable[contract.Database], empty: Collection[str] = (), unknown: Collection[str] = ()
) -> tuple[list[Outlook], list[RuntimeFailure]]:
    """Of each database, and why others or stores can't be looked at. `empty`: stores still to be made; `unknown`: those
    that are known not to answer."""
    found: list[Outlook] = []
    problems: list[RuntimeFailure] = []
    for database in databases:
        try:
            one = outlook(world, database.name, empty, unknown, world.clock())
            found.append(one)
            problems += one.failures
        except RuntimeFailure as problem:
            problems.append(problem)
    return found, problems


def shortened(found: Iterable[Outlook]) -> bool:
    """Whether a store keeps less than under the plan in force."""
    return any(one.shortens for it in found for one in it.forecasts)


def history_lost(found: Iterable[Outlook]) -> bool:
    """Whether instants that can be restored under the plan in force can't be any more, from any store."""
    return any(one.history.lost for one in found)


def lines(found: Collection[Outlook], unknown: Sequence[str] = ()) -> Iterator[str]:
    """A block for each store from which something goes and each database that loses history, and how much goes in all;
    `unknown`: stores it is not known of."""
    forecasts = [one for it in found for one in it.forecasts]
    for it in found:
        for one in it.forecasts:
            yield from _block(one)
        yield from history_lines(it.history)
    images, binlogs = sum(len(one.gone) for one in forecasts), sum(len(one.going) for one in forecasts)
    size = sum(image.stored_size for one in forecasts for image in one.gone)
    if images or binlogs:
        told = f"{images} images ({size:,} bytes) and {binlogs} binlogs are to go, after the grace"
    else:
        told = "nothing is to go" if forecasts or not unknown else ""
    rest = f"not known of {', '.join(unknown)}" if unknown else ""
    yield f"expiry: {'; '.join(filter(None, (told, rest)))}"


def _block(one: Forecast) -> Iterator[str]:
    if not (one.gone or one.going or one.shortens):
        return
    yield f"{one.database} in {one.store}"
    oldest = sorted(one.gone, key=lambda image: image.id)
    for image in oldest[:_SHOWN]:
        yield f"  - image {image.id}, {image.stored_size:,} bytes"
    if len(oldest) > _SHOWN:
        yield f"  - and {len(oldest) - _SHOWN} more images"
    if one.going:
        yield f"  - {len(one.going)} binlogs, {sum(it.stored_size for it in one.going):,} bytes before compression"
    if one.rests:
        yield f"  i not yet: {one.rests}"
    if one.shortens:
        yield f"  ! {one.against}; this one keeps less:"
    if one.lost:
        elsewhere = f"; other stores keep {len(one.elsewhere)} of them" if one.elsewhere else ""
        yield f"  ! {len(one.lost)} images that it keeps go{elsewhere}"
    if one.log_lost:
        yield f"  ! {one.log_lost} binlogs that it keeps go"
    yield from (f"  ! {words}" for words in _locked(one))


def _locked(one: Forecast) -> Iterator[str]:
    """Until when the bucket's lock keeps what would go."""
    if one.lock.unknown:
        yield f"whether a retention lock keeps them for longer is not known: {one.lock.unknown}"
    if one.lock.until:
        last = _moment(max(one.lock.until.values()))
        held = f"{len(one.lock.until)} of them can't go before, the last at {last}"
        yield f"the bucket is locked for {one.lock.days} days: {held}"


def history_lines(one: History) -> Iterator[str]:
    """What is lost, with what could be restored before and what can be after; nothing where nothing is lost."""
    if not one.lost:
        return
    yield f"history of {one.database}"
    yield f"  by the plan in force: {_words(one.before)}"
    yield f"  by this plan: {_words(one.after)}"
    for span in one.lost.spans:
        left = len(one.after.within(span))
        but = f", but the moment{'s' * (left > 1)} of {left} image{'s' * (left > 1)}" if left else ""
        yield f"  ! can't be restored any more: any point from {_moment(span[0])} to {_moment(span[1])}{but}"
    yield from (f"  ! can't be restored any more: {words}" for words in _moments(one.lost.alone))
    if one.unknown:
        yield f"  ! {', '.join(one.unknown)} can't be looked at: what it holds is not counted"


def _words(one: Restorable) -> str:
    told = [f"any point from {_moment(since)} to {_moment(until)}" for since, until in one.spans[-_SHOWN:]]
    return "; ".join([*told, *_moments(one.alone)]) or "nothing can be restored"


def _moments(images: Sequence[KnownImage]) -> Iterator[str]:
    if len(images) == 1:
        yield f"the moment of image {images[0].id}, {_moment(images[0].finished)}"
    elif images:
        first, last = _moment(images[0].finished), _moment(images[-1].finished)
        yield f"the moments of {len(images)} images from {first} to {last}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def not_known(world: World, only: str | None, found: Iterable[Outlook], empty: Collection[str]) -> list[str]:
    """The stores that no forecast tells of; none: all are known. `empty`: those that are still to be made."""
    asked = {(one.name, name) for one in world.databases(only) for name in world.stores_of(one.name)}
    told = {(one.database, one.store) for it in found for one in it.forecasts}
    return sorted({name for _, name in asked - told if name not in empty})


def unread(found: Iterable[Outlook]) -> list[str]:
    """The stores that have a plan in force which can't be read: it is as if all were kept so far."""
    return sorted({one.store for it in found for one in it.forecasts if one.unread})


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
