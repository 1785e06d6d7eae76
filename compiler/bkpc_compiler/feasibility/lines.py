"""Which recovery lines a failure leaves, and the one to recover on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.failures import Loss, survives
from bkpc_compiler.feasibility.asking import frozen_of
from bkpc_compiler.feasibility.by_turns import any_of_all, lost_at_least_on, taken_by_turns
from bkpc_compiler.feasibility.demand import Demand, JobDemand
from bkpc_compiler.feasibility.images import ImageCopy, image_copies
from bkpc_compiler.feasibility.recovery_point import Line, lost_at_least, lost_at_most
from bkpc_compiler.feasibility.recovery_time import Left, Place, Recovery, Setting, leads_back
from bkpc_compiler.feasibility.thaw import DAY, asked_of, thaw_days
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, HotLevel, Policy, Promise, Protection, Scope
from bkpc_grammar.quantities import no_more

REFUTED = 2
"""The rank of a line that cannot meet the promised RPO."""


Way = tuple[int, Line, Place]
"""The rank of a line, the line, and where it leads."""


class Common(Struct, frozen=True):
    """What the group of a database makes of what is promised of its loss: all go back to one point that all have.

    `kept`: that point surely keeps it. `may_keep`: it may.
    """

    kept: bool
    may_keep: bool


class Choice(Struct, frozen=True, eq=False, dict=True):
    """What is left after `loss` for one database, and what was chosen.

    `ways`: every way back that may meet the promised RPO; or all, where none may.
    """

    setting: Setting
    left: Left
    loss: Loss
    database: Database
    policy: Policy
    promise: Promise | None
    lines: tuple[Line, ...]
    readable: tuple[Line, ...]  # those that lead back; all, where it is unknown where to rebuild
    ways: tuple[Way, ...]
    unplaced: Line | None  # the line to recover on where it is unknown where to rebuild
    own_policy: Policy | None = None  # what protects it, where `policy` is that with the times of others of its group
    common: Common | None = None  # with others of its group; known once all have been chosen for
    hopeless: tuple[JobDemand, ...] = ()  # where no line is left: jobs that no plan does in their windows

    @once
    def recoveries(self) -> tuple[Recovery, ...]:
        """Every way back, the best first; those that meet the promised RPO before those that may."""
        return tuple(one for _, one in sorted(map(self._leading, self.ways), key=_quickest))

    @once
    def recovery(self) -> Recovery | None:
        """The best way back; None where it is unknown where to rebuild."""
        if not self.ways:
            return None
        least = min(rank for rank, _, _ in self.ways)
        alike = [self._leading(one) for one in self.ways if one[0] == least]
        return (min(alike, key=_quickest) if len(alike) > 1 else alike[0])[1]

    def _leading(self, way: Way) -> tuple[int, Recovery]:
        """The rank of a way, and the recovery on it."""
        rank, line, place = way
        return rank, self.on(line, place)

    def on(self, line: Line, place: Place) -> Recovery:
        """The way back on `line` to `place`."""
        return Recovery(self.setting, self.left, self.database, self.policy, line, place, self.loss)

    @property
    def plain(self) -> tuple[Recovery, ...]:
        """Those of `recoveries` on images of one store: of several that are read by turns, one is read at a time."""
        return tuple(one for one in self.recoveries if not one.line.image.beside)

    @property
    def line(self) -> Line | None:
        """The line to recover on; None where nothing that survives can be read where it is rebuilt."""
        return self.recovery.line if self.recovery else self.unplaced

    @property
    def protected(self) -> Policy:
        """The policy as it stands."""
        return self.own_policy or self.policy

    @property
    def felt_as(self) -> Scope:
        """What the failure is to the database itself."""
        return felt_as(self.database, self.loss)

    @property
    def kept(self) -> bool:
        """Whether some way back is sure to keep the promised RPO, and its group does not undo that."""
        return any(rank == 0 for rank, _, _ in self.ways) and (self.common is None or self.common.kept)

    def least_lost(self, share: Fraction) -> Fraction | None:
        """Seconds that no line which is left betters in `share` of all instants; None where that grows for ever."""
        return lost_at_least_on(self.readable, self.felt_as, share)

    @property
    def cut_off(self) -> bool:
        """Whether a copy survives and it is known where to rebuild, but no links lead there."""
        return bool(self.lines) and not self.readable


def _quickest(ranked: tuple[int, Recovery]) -> tuple[int, bool, int, tuple[str, str], str]:
    rank, one = ranked
    queue = 0
    if one.line.frozen:
        frozen = frozen_of(one.setting, one.database, one.line, one.place, one.loss.sites)
        queue = thaw_days(asked_of(one.database, one.line))[0] * DAY * 1000 + (frozen.wait if frozen else 0)
    return (rank, one.most is None, (one.most or 0) + queue, one.line.name, one.place.site)


def choose(
    setting: Setting, demand: Demand, left: Left, protection: Protection, promise: Promise | None, loss: Loss
) -> Choice:
    """The lines of one database after a failure; the best is the one with the least recovery time that
    also meets the promised RPO. Without a promise of its own, a database is one that another `needs`."""
    database = setting.databases[protection.database]
    policy = protection.policy
    lines = surviving_lines(setting, demand, database, policy, loss)
    sites = places(database, loss)
    readable = _readable(setting, lines, sites, loss)
    felt = felt_as(database, loss)
    ranked = [(_rank(line, promise, felt), line) for line in readable]
    usable = [one for one in ranked if one[0] < REFUTED] or ranked
    if database.name in setting.grouped:  # only logs have a point in common
        usable = [one for one in usable if one[1].log is not None] or usable
    special = [
        (_rank(one, promise, felt), one, place)
        for place in sites
        for one in (*_synced(setting, lines, place, loss), *_by_turns(setting, readable, place, loss, promise))
    ]
    if any(rank < REFUTED for rank, _, _ in special):
        usable = [one for one in usable if one[0] < REFUTED]
    if len(sites) == 1:  # to the only one lead those that are `readable`
        alone = [(rank, line, sites[0]) for rank, line in usable]
    else:
        alone = [
            (rank, line, place) for rank, line in usable for place in sites if leads_back(setting, line, place, loss)
        ]
    ways = (*alone, *special)
    unplaced = min(usable, key=lambda one: (one[0], one[1].name))[1] if usable and not ways else None
    hopeless = (
        () if lines or database.name not in demand.hopeless else _hopeless(setting, demand, database, policy, loss)
    )
    return Choice(setting, left, loss, database, policy, promise, lines, readable, ways, unplaced, hopeless=hopeless)


def _hopeless(
    setting: Setting, demand: Demand, database: Database, policy: Policy, loss: Loss
) -> tuple[JobDemand, ...]:
    """The jobs for which no image is ever whole in a store that survives."""
    images = (one for one in image_copies(setting.stores, database, demand) if survives(one.store, loss, policy))
    return tuple(dict.fromkeys(job for one in images for job in one.hopeless))


def _readable(setting: Setting, lines: tuple[Line, ...], sites: tuple[Place, ...], loss: Loss) -> tuple[Line, ...]:
    """Those from whose stores links lead to one of `sites`. Where no place is declared, one may still be found for
    what survives; but no link may be found to a place that is."""
    if not sites:
        return lines
    if len(sites) == 1:
        return tuple(line for line in lines if leads_back(setting, line, sites[0], loss))
    return tuple(line for line in lines if any(leads_back(setting, line, place, loss) for place in sites))


def surviving_lines(
    setting: Setting, demand: Demand, database: Database, policy: Policy, loss: Loss
) -> tuple[Line, ...]:
    """Every image in a store that survives, alone and continued by every log in a store that survives; but for those
    that no plan takes in their windows."""
    images: Sequence[ImageCopy] = image_copies(setting.stores, database, demand)
    if database.name in demand.hopeless:
        images = [one for one in images if not one.hopeless]
    living = demand.streams_by_database.get(database.name, ())
    if loss.scope is not Scope.CORRUPTION:  # that leaves all stores
        images = [one for one in images if survives(one.store, loss, policy)]
        living = [one for one in living if survives(setting.stores[one.store], loss, policy)]
    if not images:
        return ()
    key = (database.name, *[one.id for one in images], *[one.store for one in living])
    found = demand.lines.get(key)
    if found is None:
        alone = [Line(image, None, None) for image in images]
        alive = [one.store for one in living]
        continued = [
            Line(image, log, setting.stores[log.store], _kept(log.level, alive))
            for image, log in product(images, living)
        ]
        found = demand.lines[key] = tuple(sorted((*alone, *continued), key=lambda line: line.name))
    return found


def _kept(level: HotLevel, living: list[str]) -> bool:
    """Whether every quorum of a `hot sync` has a store that survives."""
    return level.sync and _every_quorum(level, sum(1 for store in level.stores if store.value in living))


def _synced(setting: Setting, lines: Sequence[Line], place: Place, loss: Loss) -> list[Line]:
    """The lines that lose nothing that was acknowledged, where one of every quorum can be read at `place`."""
    found: dict[tuple[str, int], Line] = {}
    for line in lines:
        if line.kept and line.log_store and line.log and leads_back(setting, line, place, loss):
            key = (line.image.id, id(line.log.level))
            of = found.get(key, line)
            if line.log_store in of.synced:  # the same log behind images of one name
                continue
            found[key] = replace(of, synced=(*of.synced, line.log_store), logs=(*of.logs, line.log))
    return [one for one in found.values() if one.log and _every_quorum(one.log.level, len(one.synced))]


def _by_turns(setting: Setting, lines: Sequence[Line], place: Place, loss: Loss, promise: Promise | None) -> list[Line]:
    """The lines on images of several stores, whichever has the newest; of no use where nothing is said of its age."""
    if promise is None or promise.rpo is None:
        return []
    alone = [line for line in lines if line.log is None]
    if (
        len(alone) < 2 or len({line.image.jobs[0].id for line in alone}) < 2
    ):  # of one job none is the fresher one by turns
        return []
    images = [line.image for line in alone if leads_back(setting, line, place, loss)]
    if len({one.store.name for one in images}) < 2:
        return []
    found = [Line(one, None, None) for one in taken_by_turns(images)]
    newest = any_of_all(images)
    if newest is not None:
        logs = {(line.log.id, line.log_store.name): line for line in lines if line.log and line.log_store}
        found += [replace(line, image=newest) for line in logs.values()]
    return [one for one in found if leads_back(setting, one, place, loss)]


def _every_quorum(level: HotLevel, readable: int) -> bool:
    """Whether each has one of the stores that can be read."""
    return len(level.stores) - readable < level.quorum


def places(database: Database, loss: Loss) -> tuple[Place, ...]:
    """Where the database may be rebuilt: at home unless the site is lost, then at a standby elsewhere."""
    if database.site not in loss.sites:  # one that goes back with its group may be elsewhere
        return (at_home(database.site),)
    return tuple(Place(one.site, one) for one in database.standbys if one.site not in loss.sites)


@lru_cache(1024)
def at_home(site: str) -> Place:
    """Where one is rebuilt that has lost no more than its machine."""
    return Place(site, None)


def felt_as(database: Database, loss: Loss) -> Scope:
    """One that is up and goes back with its group still sends its log and its images, as after a corruption."""
    return Scope.CORRUPTION if database.name in loss.along else loss.scope


def _rank(line: Line, promise: Promise | None, scope: Scope) -> int:
    """0: meets the promised RPO; 1: may; 2: can't."""
    if promise is None or promise.rpo is None:
        return 0
    within = promise.rpo.value.amount
    if line.log is None and promise.rpo_quantile == 1 and line.image.gap * within.denominator > within.numerator * 1000:
        return REFUTED
    lost = lost_at_most(line, promise.rpo_quantile)
    if lost is not None and no_more(lost, within):
        return 0
    least = lost_at_least(line, scope, promise.rpo_quantile)
    return 1 if least is not None and no_more(least, within) else REFUTED
