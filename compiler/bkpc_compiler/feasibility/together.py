"""What one failure takes down, and how all of it comes back: one answer per failure, for all its promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.recovery_schedule import Return, schedule_of
from bkpc_compiler.feasibility.recovery_time import DAY, Left, Recovery, Setting, recovery_on, thaw_of
from bkpc_compiler.program.model import Database, Protection, Scope
from bkpc_grammar.quantities import Duration

GONE = frozenset({Scope.HOST, Scope.SITE, Scope.REGION, Scope.INTRUDER})
"""Scopes after which the databases taken down no longer write, dump or stream."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One failure: what was chosen for each database it takes down, by name, and when each is back."""

    loss: Loss
    left: Left
    choices: Mapping[str, Choice]
    returns: Mapping[str, Return | None]

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        return tuple(one.recovery for one in self.choices.values() if one.recovery is not None)


class Background:
    """What goes on beside a recovery: streams and jobs of databases that the failure leaves."""

    def __init__(self, demand: Demand) -> None:
        self._streams: dict[str, dict[str, int]] = {}
        self._jobs: dict[str, set[str]] = {}
        for stream in demand.streams:
            for one in stream.resources:
                of = self._streams.setdefault(one.name, {})
                of[stream.database] = of.get(stream.database, 0) + stream.rate
        for job in demand.jobs:
            for one in job.resources:
                self._jobs.setdefault(one.name, set()).add(job.database)
        self._steady = {name: sum(of.values()) for name, of in self._streams.items()}
        fitting: dict[str, int] = {}
        for stream in demand.streams:
            for one in stream.resources:
                fitting[one.name] = fitting.get(one.name, 0) + (stream.rate if stream.fits else 0)
        self._peaks = {name: peak - fitting.get(name, 0) for name, peak in demand.peaks.items()}

    def beside(self, loss: Loss) -> Callable[[str], int]:
        """Bytes per second reserved on a resource by those the failure leaves."""
        gone = frozenset(loss.databases if loss.scope in GONE else ())
        known: dict[str, int] = {}

        def reserved(name: str) -> int:
            if name not in known:
                known[name] = self._on(name, gone)
            return known[name]

        return reserved

    def _on(self, name: str, gone: frozenset[str]) -> int:
        of = self._streams.get(name, {})
        streams = self._steady.get(name, 0) - sum(of.get(one, 0) for one in gone)
        jobs = self._jobs.get(name)
        return streams + (self._peaks.get(name, 0) if jobs and not jobs <= gone else 0)


def outage_of(
    setting: Setting, demand: Demand, left: Left, loss: Loss, protections: Mapping[str, Protection]
) -> Outage:
    """Chooses a line for every protected database that `loss` takes down, and schedules their return."""
    choices = {}
    for name in loss.databases:
        protection = protections.get(name)
        if protection is not None:
            promise = next((one for one in protection.policy.promises if one.scope is loss.scope), None)
            choices[name] = choose(setting, demand, left, protection, promise, loss)
    recoveries = [_with_thaw_queue(one, choices.values()) for one in choices.values() if one.recovery is not None]
    returns = schedule_of(recoveries, left, _latest_finishes(setting, choices))
    return Outage(loss, left, choices, returns)


def _latest_finishes(setting: Setting, choices: Mapping[str, Choice]) -> dict[str, Fraction]:
    """In seconds: a database must be back by its own promise, and by those of all that need it."""
    allowed: dict[str, Fraction] = {}
    for name, choice in choices.items():
        if choice.promise is None or choice.promise.rto is None:
            continue
        for one in (name, *needed_by(setting.databases, choice.database, choice.loss)):
            allowed[one] = min(allowed.get(one, choice.promise.rto.value.amount), choice.promise.rto.value.amount)
    return allowed


def _with_thaw_queue(choice: Choice, others: Iterable[Choice]) -> Recovery:
    """The recovery, its thaw behind what all recoveries ask of the class's quota."""
    recovery = choice.recovery
    assert recovery is not None
    days = thaw_queue(recovery, [one.recovery for one in others if one.recovery is not None])
    if not days:
        return recovery
    store = recovery.line.image.store
    assert store.storage_class is not None
    assert store.storage_class.value.quota is not None
    quota = store.storage_class.value.quota
    wait = Term(f"behind the thaw quota of `{store.name}`", Duration(Fraction(days * DAY)), (quota.span,), quota.origin)
    upper = recovery.upper.plus(wait) if recovery.upper else None
    return replace(recovery, lead=(*recovery.lead, wait), upper=upper)


def thaw_queue(recovery: Recovery, everyone: Iterable[Recovery]) -> int:
    """Days until the quota has let all of `everyone` through, those of one class counted together."""
    storage = recovery.line.image.store.storage_class
    if storage is None or storage.value.quota is None or thaw_of(recovery.line.image.store) is None:
        return 0
    asked = sum(
        one.database.size.value.amount
        for one in everyone
        if one.line.image.store.storage_class and one.line.image.store.storage_class.value.name == storage.value.name
    )
    daily = storage.value.quota.value.amount * DAY
    return max(0, -(-int(asked) // max(1, int(daily))) - 1)


def waited_for(databases: Mapping[str, Database], name: str, loss: Loss) -> tuple[str, ...]:
    """What is down and `name` waits for: what it needs, or what others that are still up need in turn."""
    if len(loss.databases) == 1 or not databases[name].needs:
        return ()
    down = frozenset(loss.databases)
    found: set[str] = set()
    ahead = [need.value for need in databases[name].needs]
    seen = set(ahead)
    while ahead:
        one = ahead.pop()
        if one in down:
            found.add(one)
            continue
        further = [need.value for need in databases[one].needs if need.value not in seen]
        seen.update(further)
        ahead += further
    return tuple(sorted(found - {name}))


def needed_by(databases: Mapping[str, Database], database: Database, loss: Loss) -> tuple[str, ...]:
    """Everything `database` needs, directly or not, that `loss` takes down too; by name."""
    if not database.needs or len(loss.databases) == 1:
        return ()
    found: set[str] = set()
    ahead = [need.value for need in database.needs]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [need.value for need in databases[name].needs]
    down = frozenset(loss.databases)
    return tuple(sorted(name for name in found if name in down and name != database.name))


@dataclass(frozen=True, slots=True)
class Together:
    """Bounds of one database among all that recover.

    `missing`: needed, taken down too, and nothing says how they come back.
    """

    upper: Bound | None
    lower: Bound | None
    missing: tuple[str, ...]


def together(setting: Setting, outage: Outage, choice: Choice, share: Fraction = Fraction(1)) -> Together:
    """When `choice.database` is in service: itself back, and all it needs."""
    waited = needed_by(setting.databases, choice.database, outage.loss)
    missing = tuple(name for name in waited if outage.returns.get(name) is None)
    if share < 1 and len(outage.choices) == 1 and choice.recovery is not None:
        least = _least_of(setting, choice, outage, share)
        return Together(_alone(setting, outage, choice, share), least, missing)
    path = [outage.choices[name] for name in (choice.database.name, *waited) if name in outage.choices]
    lower = _at_best(setting, outage, choice.database)
    crowded = _crowded(path) if len(path) > 1 else None
    if crowded is not None and lower is not None and crowded.total > lower.total:
        lower = crowded
    if share < 1:
        lower = _least_of(setting, choice, outage, share)
    return Together(in_service(setting, outage, choice.database.name), lower, missing)


def in_service(setting: Setting, outage: Outage, name: str) -> Bound | None:
    """When `name` is in service: loaded, all it needs in service, then checked."""
    own = outage.returns.get(name)
    if own is None:
        return None
    latest: Bound | None = None
    for need in waited_for(setting.databases, name, outage.loss):
        other = in_service(setting, outage, need)
        if other is None:
            return None
        latest = _of(need, other) if latest is None or other.total > latest.total else latest
    return own.bound if latest is None else own.after(latest)


def _of(name: str, bound: Bound) -> Bound:
    """The terms of one that another waits for, named."""
    if any(one.label.startswith("`") for one in bound.terms[:1]):
        return bound
    prefix = f"`{name}`, which it needs: "
    return Bound(tuple(Term(prefix + one.label, one.duration, one.spans, one.origin) for one in bound.terms))


def _alone(setting: Setting, outage: Outage, choice: Choice, share: Fraction) -> Bound | None:
    """For `share` of all instants: only the age of the image depends on the instant."""
    best = choice.recovery
    assert best is not None
    again = recovery_on(setting, outage.left, choice.database, choice.policy, best.line, best.place, choice.loss, share)
    if again is None or again.upper is None:
        return None
    (placed,) = schedule_of([again], outage.left, {}).values()
    return placed.bound if placed else None


def _least_of(setting: Setting, choice: Choice, outage: Outage, share: Fraction) -> Bound | None:
    again = [
        recovery_on(setting, outage.left, choice.database, choice.policy, one.line, one.place, choice.loss, share)
        for one in choice.recoveries
    ]
    return min((one.lower for one in again if one), key=lambda bound: bound.total, default=None)


def _at_best(setting: Setting, outage: Outage, database: Database) -> Bound | None:
    """No schedule betters the least of all ways back, nor is it in service before all it needs."""
    choice = outage.choices.get(database.name)
    if choice is None:
        return None
    best = min((one.lower for one in choice.recoveries), key=lambda bound: bound.total, default=Bound(()))
    for need in waited_for(setting.databases, database.name, outage.loss):
        other = _at_best(setting, outage, setting.databases[need])
        if other is not None and other.total > best.total:
            best = _of(need, other)
    return best


def _crowded(path: list[Choice]) -> Bound | None:
    """Where each has one way back only: the first byte's lead, and all their bytes through one resource."""
    if any(len(choice.recoveries) != 1 for choice in path):
        return None
    bytes_: dict[Resource, Fraction] = {}
    for choice in path:
        image = choice.recoveries[0].transfers[0]
        for one in image.resources:
            if one.firm:
                bytes_[one] = bytes_.get(one, Fraction(0)) + image.bytes.amount
    if not bytes_:
        return None
    one = max(bytes_, key=lambda r: (bytes_[r] / r.most, r.name))
    first = min((choice.recoveries[0] for choice in path), key=lambda r: sum(t.duration.amount for t in r.lead))
    words = f"{len(path)} images through {one.words}"
    through = Term(words, Duration(bytes_[one] / one.most), (one.span,) if one.span else (), one.origin)
    return Bound((*first.lead, through, *first.tail))
