"""What a plan would delete of what is there now, and which instants can't be restored any more once that has gone.

Decided as expiry decides, by the rules of the plan in force and by those of the new one. A restore that reads an image
keeps it for some days only, so it plays no part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.repository import plans
from bkpc_runtime.repository.archive import ArchivedBinlog
from bkpc_runtime.repository.expiry import Decision, Key, Rules, decide, resting_as_shown
from bkpc_runtime.repository.holdings import Holding, KnownImage, holdings_where_known
from bkpc_runtime.repository.restorable import Restorable, restorable
from bkpc_runtime.stores.store import Store
from bkpc_runtime.upkeep import rules
from bkpc_runtime.world import World


@dataclass(frozen=True, slots=True)
class Lock:
    """What the retention lock of a store's bucket, of so many `days`, keeps of what is lost, by its id, and until when.
    `unknown`: why that is not known."""

    days: int = 0
    until: Mapping[str, datetime] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one database in one store. `going`: the binlogs that go. `lost`: images that the plan in force keeps here and
    this one does not, `elsewhere`: those of them that another store still keeps; `log_lost`: such binlogs, how many.
    `against`: the plan in force, in words; `unread`: it can't be read. `rests`: why nothing of it goes yet. `lock`:
    what keeps it longer."""

    database: str
    store: str
    gone: tuple[KnownImage, ...]
    going: tuple[ArchivedBinlog, ...]
    lost: tuple[KnownImage, ...]
    elsewhere: tuple[KnownImage, ...]
    log_lost: int
    against: str = ""
    unread: bool = False
    rests: str = ""
    lock: Lock = field(default_factory=Lock)

    @property
    def shortens(self) -> bool:
        return bool(self.lost or self.log_lost)


@dataclass(frozen=True, slots=True)
class History:
    """Of one database in all its stores: what the plan in force lets be restored, and what this one does.

    `unknown`: the stores that do not answer: what they hold is not counted.
    """

    database: str
    before: Restorable
    after: Restorable
    unknown: tuple[str, ...]

    @property
    def lost(self) -> Restorable:
        return self.before.without(self.after)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of one database: as a whole, and store by store of those that answer. `failures`: why others don't."""

    history: History
    forecasts: tuple[Forecast, ...]
    failures: tuple[StoreFailed, ...]


def outlook(world: World, database: str, empty: Collection[str], unknown: Collection[str], now: datetime) -> Outlook:
    """`empty`: stores that are still to be made; `unknown`: those known not to answer, which are not asked again and
    not told."""
    names = [name for name in world.stores_of(database) if name not in empty]
    stores, force, failed = _opened(world, database, [name for name in names if name not in unknown])
    looked = {one.store: one for one in holdings_where_known(stores, database, now)}
    failed |= {name: StoreFailed(one.unknown) for name, one in looked.items() if one.unknown}
    # What can't be looked at is decided with: it may hold what continues an image elsewhere, so no log goes.
    holdings = [_unread(looked.get(name) or Holding(name, unknown="it can't be looked at")) for name in names]
    ours = rules(world.plan, database)
    theirs = {name: _rules_in_force(force.get(name), database, ours[name], name) for name in names}
    before, after = decide(holdings, theirs, now), decide(holdings, ours, now)
    known = [one for one in holdings if not one.unknown]
    history = History(
        database,
        restorable(known, decide(known, theirs, now), now),
        restorable(known, decide(known, ours, now), now),
        tuple(one.store for one in holdings if one.unknown),
    )
    forecasts = []
    for holding, old, new in zip(holdings, before, after, strict=True):
        if not holding.unknown:
            others = {key for one in after if one.store != holding.store for key in one.kept}
            one = _forecast(database, holding, old, new, others)
            rests, lock = resting_as_shown(holding, ours[one.store], now), _lock(world, one.store, one.lost, now)
            plan = force[one.store]
            unread = plan is not None and plan.plan is None
            forecasts.append(replace(one, against=_words(plan), unread=unread, rests=rests, lock=lock))
    return Outlook(history, tuple(forecasts), tuple(failed.values()))


def _opened(
    world: World, database: str, names: Iterable[str]
) -> tuple[list[Store], dict[str, plans.InForce | None], dict[str, StoreFailed]]:
    """The stores that answer, the plan in force in each, and why others don't answer."""
    stores: list[Store] = []
    force: dict[str, plans.InForce | None] = {}
    failed: dict[str, StoreFailed] = {}
    for name in names:
        try:
            store = world.store(name)
            force[name] = plans.in_force(store, database)
            stores.append(store)
        except StoreFailed as problem:
            failed[name] = problem
    return stores, force, failed


def _forecast(database: str, holding: Holding, old: Decision, new: Decision, elsewhere: Collection[Key]) -> Forecast:
    lost = tuple(one for one in new.gone if one.key in old.kept)
    going, without = _going(holding, new), _going(holding, old)
    return Forecast(
        database=database,
        store=holding.store,
        gone=new.gone,
        going=tuple(going.values()),
        lost=lost,
        elsewhere=tuple(one for one in lost if one.key in elsewhere),
        log_lost=len(going.keys() - without.keys()),
    )


def _unread(holding: Holding) -> Holding:
    return replace(holding, images=tuple(replace(one, reading=False) for one in holding.images))


def _rules_in_force(force: plans.InForce | None, database: str, ours: Rules, store: str) -> Rules:
    """Where no plan says otherwise, all that is there is kept."""
    for_ever = Rules(None, (0, 0, 0, 0), ours.timezone, ours.grace, ours.fresh, for_ever=True)
    if force is None or force.plan is None:
        return for_ever
    return rules(force.plan, database).get(store, for_ever)


def _lock(world: World, store: str, lost: Collection[KnownImage], now: datetime) -> Lock:
    """As the bucket has it, where that matters: a lock of an older plan goes on, whatever this one says."""
    stored = next(one for one in world.plan.estate.stores if one.name == store)
    if stored.kind == "directory" or not lost:
        return Lock()
    try:
        found = world.bucket(store).retention()
    except StoreFailed as problem:
        return Lock(unknown=str(problem))
    if not found or not found.locked:
        return Lock()
    ends = {one.id: one.finished + timedelta(days=found.days) for one in lost}
    return Lock(found.days, {image: until for image, until in ends.items() if until > now})


def _words(force: plans.InForce | None) -> str:
    if force is None:
        return "no plan is in force here, so far everything is kept"
    if force.plan is None:
        return f"the plan in force can't be read ({force.unreadable})"
    return f"plan {plans.short(force.digest)} is in force"


def _going(holding: Holding, decision: Decision) -> dict[tuple[str, int, str], ArchivedBinlog]:
    return {
        (prefix, epoch.number, one.file): one
        for prefix, epochs in holding.logs
        for epoch in epochs
        for one in epoch.binlogs
        if one.number < decision.logs_below.get((prefix, epoch.number), 0)
    }
