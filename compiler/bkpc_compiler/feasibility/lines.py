"""Which recovery lines a failure leaves, and the one to recover on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from bkpc_compiler.estate.failures import Loss, survives
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.demand import Demand, StreamDemand
from bkpc_compiler.feasibility.images import image_copies
from bkpc_compiler.feasibility.levels import log_delay
from bkpc_compiler.feasibility.recovery_point import Line, loss_bounds
from bkpc_compiler.feasibility.recovery_time import Left, Place, Recovery, Setting, recovery_on
from bkpc_compiler.program.model import Database, HotLevel, Policy, Promise, Protection, Scope
from bkpc_grammar.quantities import ZERO_DURATION, Duration

REFUTED = 2
"""The rank of a line that cannot meet the promised RPO."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is left after `loss` for one database, and what was chosen.

    `recoveries`: every way back, best first; those that may meet the promised RPO before all others.
    `line`, `recovery`: the chosen ones; `recovery` None where it is unknown where to rebuild.
    """

    loss: Loss
    database: Database
    policy: Policy
    promise: Promise | None
    lines: tuple[Line, ...]
    line: Line | None
    recoveries: tuple[Recovery, ...]
    kept_long_enough: bool
    images_too_coarse: bool

    @property
    def recovery(self) -> Recovery | None:
        return self.recoveries[0] if self.recoveries else None


def choose(
    setting: Setting, demand: Demand, left: Left, protection: Protection, promise: Promise | None, loss: Loss
) -> Choice:
    """The lines of one database after a failure; the best is the one with the least recovery time that
    also meets the promised RPO. Without a promise of its own, a database is one that another `needs`."""
    database = setting.databases[protection.database]
    policy = protection.policy
    lines = surviving_lines(setting, demand, database, policy, loss)
    ranks = {line.name: _rank(line, promise) for line in lines}
    usable = [line for line in lines if ranks[line.name] < REFUTED] or list(lines)
    if database.name in setting.grouped:  # only logs have a point in common
        usable = [line for line in usable if line.log is not None] or usable
    recoveries = [
        recovery
        for line, place in product(usable, places(database, loss))
        if (recovery := recovery_on(setting, left, database, policy, line, place, loss)) is not None
    ]
    recoveries.sort(key=lambda one: (ranks[one.line.name], *_quickest(one)))
    usable.sort(key=lambda line: (ranks[line.name], line.name))
    line = recoveries[0].line if recoveries else (usable[0] if usable else None)
    return Choice(
        loss=loss,
        database=database,
        policy=policy,
        promise=promise,
        lines=lines,
        line=line,
        recoveries=tuple(recoveries),
        kept_long_enough=line is None or kept_long_enough(policy, line, loss),
        images_too_coarse=_images_too_coarse(lines, promise),
    )


def surviving_lines(
    setting: Setting, demand: Demand, database: Database, policy: Policy, loss: Loss
) -> tuple[Line, ...]:
    """Every image in a store that survives, alone and continued by every log in a store that survives."""
    images = [
        image
        for image in image_copies(setting.stores, database, demand)
        if survives(image.store, loss, database, policy)
    ]
    if not images:
        return ()
    streams = demand.streams_by_database.get(database.name, ())
    living = [one for one in streams if survives(setting.stores[one.store], loss, database, policy)]
    alone = [Line(image, None, None) for image in images]
    continued = [
        Line(
            image,
            log,
            setting.stores[log.store],
            _synced(log.level, [one.store for one in living]),
            _delays(demand, log),
        )
        for image, log in product(images, living)
    ]
    return tuple(sorted((*alone, *continued), key=lambda line: line.name))


def _delays(demand: Demand, log: StreamDemand) -> tuple[Bound | None, Bound | None]:
    key = (log.id, log.store)
    if key not in demand.delays:
        demand.delays[key] = log_delay(log)
    return demand.delays[key]


def _synced(level: HotLevel, living: list[str]) -> bool:
    """Whether every quorum has a store that survives; any of its stores may be the one that has the log."""
    lost = sum(1 for store in level.stores if store.value not in living)
    return level.sync and lost < level.quorum


def places(database: Database, loss: Loss) -> tuple[Place, ...]:
    """Where the database may be rebuilt: at home unless the site is lost, then at a standby elsewhere."""
    if not loss.sites:
        return (Place(database.site, None),)
    return tuple(Place(one.site, one) for one in database.standbys if one.site not in loss.sites)


def kept_long_enough(policy: Policy, line: Line, loss: Loss) -> bool:
    """A point from before the damage is still there when it is noticed, and for an intruder still locked."""
    age = line.image.age
    if age is None:
        return True
    needed = age.total + (policy.detect.value if policy.detect else ZERO_DURATION)
    if loss.scope is Scope.INTRUDER and (policy.lock is None or policy.lock.value < needed):
        return False
    held = held_for(policy)
    return held is None or held >= needed


def held_for(policy: Policy) -> Duration | None:
    """How long every recovery point is kept; None: for ever. Sparser rules (`12 monthly`) do not count."""
    if policy.keep is None:
        return None
    daily = Duration(Fraction(86400 * policy.keep.daily))
    return max(daily, policy.keep.days.value) if policy.keep.days else daily


def _rank(line: Line, promise: Promise | None) -> int:
    """0: meets the promised RPO; 1: may; 2: can't."""
    if promise is None or promise.rpo is None:
        return 0
    upper, lower = loss_bounds(line, promise.scope, promise.rpo_quantile)
    if upper is not None and upper.total <= promise.rpo.value:
        return 0
    return 1 if lower is not None and lower.total <= promise.rpo.value else REFUTED


def _quickest(recovery: Recovery) -> tuple[bool, Duration, Duration, tuple[str, str], str]:
    upper = recovery.upper.total if recovery.upper else ZERO_DURATION
    return (recovery.upper is None, upper, recovery.lower.total, recovery.line.name, recovery.place.site)


def _images_too_coarse(lines: tuple[Line, ...], promise: Promise | None) -> bool:
    if promise is None or promise.rpo is None:
        return False
    alone = [loss_bounds(line, promise.scope, promise.rpo_quantile)[1] for line in lines if line.log is None]
    return all(lower is None or lower.total > promise.rpo.value for lower in alone)
