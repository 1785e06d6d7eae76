"""Which recovery lines a failure leaves, and the one to recover on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from bkpc_compiler.estate.failures import Loss, loss_of, survives
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.levels import image_copies
from bkpc_compiler.feasibility.recovery_point import Line, loss_bounds
from bkpc_compiler.feasibility.recovery_time import Place, Recovery, Setting, recovery_on
from bkpc_compiler.program.model import Database, Policy, Promise, Protection, Scope
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
    lines: tuple[Line, ...]
    line: Line | None
    recoveries: tuple[Recovery, ...]
    kept_long_enough: bool
    images_too_coarse: bool

    @property
    def recovery(self) -> Recovery | None:
        return self.recoveries[0] if self.recoveries else None


def choose(
    setting: Setting,
    demand: Demand,
    protection: Protection,
    promise: Promise | None,
    loss: Loss | None = None,
) -> Choice:
    """The lines of one database after a failure; the best is the one with the least recovery time that
    also meets the promised RPO. Without a promise of its own, a database is one that another `needs`."""
    database = next(one for one in setting.program.databases if one.name == protection.database)
    loss = loss or loss_of(setting.program, database, promise.scope if promise else Scope.CORRUPTION)
    lines = surviving_lines(setting, demand, database, protection.policy, loss)
    ranked = sorted(lines, key=lambda line: _rank(line, promise))
    usable = [line for line in ranked if _rank(line, promise)[0] < REFUTED] or ranked
    recoveries = [
        recovery
        for line, place in product(usable, places(database, loss))
        if (recovery := recovery_on(setting, database, protection.policy, line, place)) is not None
    ]
    recoveries.sort(key=lambda one: (_rank(one.line, promise)[0], _quickest(one)))
    line = recoveries[0].line if recoveries else (usable[0] if usable else None)
    return Choice(
        loss=loss,
        database=database,
        policy=protection.policy,
        lines=lines,
        line=line,
        recoveries=tuple(recoveries),
        kept_long_enough=line is None or kept_long_enough(protection.policy, line, loss),
        images_too_coarse=_images_too_coarse(lines, promise),
    )


def surviving_lines(
    setting: Setting, demand: Demand, database: Database, policy: Policy, loss: Loss
) -> tuple[Line, ...]:
    """Every image in a store that survives, alone and continued by every log in a store that survives."""
    stores = {store.name: store for store in setting.program.stores}
    images = [
        image
        for image in image_copies(setting.program, database, demand)
        if survives(image.store, loss, database, policy)
    ]
    logs = [
        stream
        for stream in demand.streams
        if stream.database == database.name and survives(stores[stream.store], loss, database, policy)
    ]
    alone = [Line(image, None, None) for image in images]
    continued = [Line(image, log, stores[log.store]) for image, log in product(images, logs)]
    return tuple(sorted((*alone, *continued), key=lambda line: line.name))


def places(database: Database, loss: Loss) -> tuple[Place, ...]:
    """Where the database may be rebuilt: at home unless the site is lost, then at a standby elsewhere."""
    if not loss.sites:
        return (Place(database.site, None),)
    return tuple(Place(one.site, one) for one in database.standbys if one.site not in loss.sites)


def kept_long_enough(policy: Policy, line: Line, loss: Loss) -> bool:
    """A point from before the damage is still there when it is noticed, and for an intruder still locked."""
    if line.image.age is None:
        return True
    needed = line.image.age.total + (policy.detect.value if policy.detect else ZERO_DURATION)
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


def _rank(line: Line, promise: Promise | None) -> tuple[int, tuple[str, str]]:
    """0: meets the promised RPO; 1: may; 2: can't."""
    if promise is None or promise.rpo is None:
        return (0, line.name)
    upper, lower = loss_bounds(line, promise.scope, promise.rpo_quantile)
    if upper is not None and upper.total <= promise.rpo.value:
        return (0, line.name)
    return (1 if lower.total <= promise.rpo.value else REFUTED, line.name)


def _quickest(recovery: Recovery) -> tuple[bool, Duration, Duration, tuple[str, str], str]:
    upper = recovery.upper.total if recovery.upper else ZERO_DURATION
    return (recovery.upper is None, upper, recovery.lower.total, recovery.line.name, recovery.place.site)


def _images_too_coarse(lines: tuple[Line, ...], promise: Promise | None) -> bool:
    if promise is None or promise.rpo is None:
        return False
    alone = [loss_bounds(line, promise.scope, promise.rpo_quantile)[1] for line in lines if line.log is None]
    return all(lower.total > promise.rpo.value for lower in alone)
