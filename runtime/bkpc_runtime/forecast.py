"""What a plan would delete of what is there now, and what it keeps less of than the plan in force."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.repository import plans
from bkpc_runtime.repository.archive import ArchivedBinlog
from bkpc_runtime.repository.expiry import Decision, Rules, decide
from bkpc_runtime.repository.holdings import Holding, KnownImage, holdings_where_known
from bkpc_runtime.upkeep import rules
from bkpc_runtime.world import World


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one database in one store. `log_size`: bytes of the binlogs that go, before compression. `lost`: images
    that the plan in force keeps and this one does not. `points`: a stretch of time any point of which the plan in force
    can restore, and this one can't. `against`: the plan in force, in words."""

    database: str
    store: str
    gone: tuple[KnownImage, ...]
    binlogs: int
    log_size: int
    lost: tuple[KnownImage, ...]
    points: tuple[datetime, datetime] | None
    against: str

    @property
    def shortens(self) -> bool:
        return bool(self.lost or self.points)


def forecasts(
    world: World, database: str, empty: Collection[str], unknown: Collection[str], now: datetime
) -> Iterator[Forecast | StoreFailed]:
    """One for each store of a database, or why it does not answer. `empty`: stores that are still to be made;
    `unknown`: those known not to answer, which are not asked again and not told."""
    names = [name for name in world.stores_of(database) if name not in empty]
    stores = [world.store(name) for name in names if name not in unknown]
    looked = holdings_where_known(stores, database, now)
    yield from (StoreFailed(one.unknown) for one in looked if one.unknown)
    # What can't be looked at is decided with: it may hold what continues an image elsewhere, so no log goes.
    holdings = (*looked, *(Holding(name, unknown="its bucket") for name in names if name in unknown))
    answer = [one for one in stores if not any(it.unknown and it.store == one.name for it in looked)]
    force = {store.name: plans.in_force(store, database) for store in answer}
    ours = rules(world.plan, database)
    theirs = {name: _in_force(force.get(name), database, ours[name], name) for name in names}
    decided = zip(holdings, decide(holdings, theirs, now), decide(holdings, ours, now), strict=True)
    for holding, before, after in decided:
        if holding.store not in force:
            continue
        against = force[holding.store]
        going = list(_going(holding, after))
        yield Forecast(
            database=database,
            store=holding.store,
            gone=after.gone,
            binlogs=len(going),
            log_size=sum(one.stored_size for one in going),
            lost=tuple(one for one in after.gone if one.key in before.kept),
            points=_points(holding.images, theirs[holding.store], ours[holding.store], now),
            against=_words(against),
        )


def _in_force(force: plans.InForce | None, database: str, ours: Rules, store: str) -> Rules:
    """Where no plan says otherwise, all that is there is kept."""
    for_ever = Rules(None, (0, 0, 0, 0), ours.timezone, ours.grace, ours.fresh, for_ever=True)
    if force is None or force.plan is None:
        return for_ever
    return rules(force.plan, database).get(store, for_ever)


def _words(force: plans.InForce | None) -> str:
    if force is None:
        return "no plan is in force here, so far everything is kept"
    if force.plan is None:
        return f"the plan in force can't be read ({force.unreadable})"
    return f"plan {force.digest[:12]} is in force"


def _going(holding: Holding, decision: Decision) -> Iterator[ArchivedBinlog]:
    for prefix, epochs in holding.logs:
        for epoch in epochs:
            below = decision.logs_below.get((prefix, epoch.number), 0)
            yield from (one for one in epoch.binlogs if one.number < below)


def _points(
    images: Sequence[KnownImage], theirs: Rules, ours: Rules, now: datetime
) -> tuple[datetime, datetime] | None:
    """The stretch in which any point can be restored by the plan in force, and not by this one."""
    logged = [one for one in images if one.windows]
    if not logged:
        return None
    old, new = (_any_point_since(logged, one, now) for one in (theirs, ours))
    return (old, new) if new > old else None


def _any_point_since(logged: Sequence[KnownImage], kept: Rules, now: datetime) -> datetime:
    first = min(one.finished for one in logged)
    if kept.for_ever:
        return first
    return max(first, now - kept.span) if kept.span is not None else logged[-1].finished
