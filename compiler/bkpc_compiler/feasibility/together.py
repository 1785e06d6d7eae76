"""What one failure takes down, and how all of it comes back: one answer per failure, for all its promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from msgspec import Struct, structs

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.feasibility.along import along_with, in_common, loses, promised
from bkpc_compiler.feasibility.asking import asked_by, frozen_of
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.crowds import crowded
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.looking import Look, look_of
from bkpc_compiler.feasibility.recovery_least import Passing, comes_back, least_back, least_together, passing_of
from bkpc_compiler.feasibility.recovery_schedule import Return, schedule_of
from bkpc_compiler.feasibility.recovery_time import Left, Recovery, Setting
from bkpc_compiler.feasibility.thaw import Copies, asked_of, copies_of, totals_of
from bkpc_compiler.feasibility.thaw_waits import behind_its_group, behind_its_thaw
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Protection
from bkpc_grammar.quantities import Duration


class Outage(Struct, frozen=True, eq=False, dict=True):
    """One failure: what was chosen for each database that comes back after it, by name, and when each is back.

    Those are the databases that it takes down, and those that go back to one point with them.
    """

    setting: Setting
    loss: Loss
    left: Left
    choices: Mapping[str, Choice]
    copies: Copies  # what they ask to thaw meanwhile

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        return tuple(one.recovery for one in self.choices.values() if one.recovery is not None)

    @once
    def thawed(self) -> Mapping[str, int]:
        """The bytes that all recoveries ask of classes with a thaw quota, by class; and copies before and beside."""
        asked = totals_of(asked for one in self.recoveries for asked in asked_of(one.database, one.line))
        return {name: bytes_ + self.copies.bytes.get(name, 0) for name, bytes_ in asked.items()}

    @once
    def thawing(self) -> Mapping[str, Recovery]:
        """All recoveries by name, each behind what its own thaw waits for."""
        return {one.database.name: behind_its_thaw(self, one) for one in self.recoveries}

    @once
    def asking(self) -> Term | None:
        """How long it takes to ask for all that must thaw; None: nothing must."""
        found = (frozen_of(one.setting, one.database, one.line, one.place, one.loss.sites) for one in self.recoveries)
        return asked_by((one for one in found if one is not None), self.copies.objects)

    @once
    def look(self) -> Look:
        """What is looked at before anything is loaded."""
        return look_of(self.setting, self.choices)

    @once
    def hit(self) -> frozenset[str]:
        """The databases it takes down, protected or not."""
        return frozenset(self.loss.databases)

    @once
    def down(self) -> frozenset[str]:
        """Those, and the ones that go back with their group: out of service until they are back."""
        return self.hit.union(self.loss.along)

    @once
    def surely(self) -> frozenset[str]:
        """Those that it takes down, and those that no plan can leave as they are at the worst instant: what the others
        have lost, or what is written until somebody acts on a corruption, they have and must give up."""
        return self.hit.union(name for name in self.loss.along if self._must_go_back(name))

    def _must_go_back(self, name: str) -> bool:
        database = self.setting.databases[name]
        if not database.writes.value.amount and not database.sure_burst.amount:
            return False
        return any(loses(self.choices[one]) for one in self.setting.grouped[name] & self.hit & self.choices.keys())

    @once
    def soonest(self) -> Mapping[str, Choice]:
        """The choices as no plan betters them: one that goes back with others waits for the first of them to be
        noticed, and for nothing to be noticed of itself."""
        found = dict(self.choices)
        for name in self.surely - self.hit:
            hit = [found[one].policy.detect for one in self.setting.grouped[name] & self.hit & found.keys()]
            least = min(hit, key=lambda one: one.value.amount if one else 0)
            policy = replace(found[name].protected, detect=least)
            found[name] = structs.replace(found[name], policy=policy)
        return found

    @once
    def returns(self) -> Mapping[str, Return | None]:
        """When each database is back, by name; None where nothing bounds it."""
        recoveries = [_waiting(self, one) for one in self.recoveries]
        return schedule_of(recoveries, _latest_finishes(self))

    @once
    def passing(self) -> Mapping[str, Passing]:
        """What of each must pass, whatever the schedule."""
        return {name: passing_of(choice) for name, choice in self.soonest.items()}

    @once
    def crowded(self) -> Mapping[str, Fraction]:
        """Seconds that each and all it waits for take through one resource at least; without those that wait for
        nothing."""
        databases = self.setting.databases
        if len(self.surely) == 1 or not any(databases[name].needs for name in self.choices):
            return {}
        return crowded(self.passing, self.surely, databases)

    @once
    def served(self) -> dict[str, int | None]:
        """Milliseconds until each is in service; filled as they are asked for."""
        return {}

    @once
    def bounds(self) -> dict[str, Bound | None]:
        """The terms of `served`; filled as they are asked for."""
        return {}

    @once
    def never(self) -> dict[str, str | None]:
        """What each waits for in vain; filled as it is asked for."""
        return {}

    @once
    def at_best(self) -> dict[str, Bound | None]:
        """Before which no schedule has each in service, for those that need it; filled as they are asked for."""
        return {}


def outage_of(
    setting: Setting, demand: Demand, left: Left, loss: Loss, protections: Mapping[str, Protection]
) -> Outage:
    """Chooses a line for every protected database that `loss` takes down or back, and schedules their return."""
    choices = {}
    for name in loss.databases:
        protection = protections.get(name)
        if protection is not None:
            choices[name] = choose(setting, demand, left.to(name), protection, promised(protection.policy, loss), loss)
    hit = sorted(choices)
    for name in loss.along:
        others = [protections[one] for one in hit if one in setting.grouped[name]]
        choices[name] = along_with(setting, demand, left, loss, protections[name], others)
    return Outage(setting, loss, left, in_common(setting, choices), copies_of(demand, setting.stores))


def _latest_finishes(outage: Outage) -> dict[str, Fraction | int]:
    """In milliseconds: a database must be back by its own promise, and by those of all that need it.

    Nothing is promised of one that only goes back with its group.
    """
    databases = outage.setting.databases
    promised = [
        (_milliseconds(choice.promise.rto.value), name)
        for name, choice in outage.choices.items()
        if choice.promise is not None and choice.promise.rto is not None and name in outage.hit
    ]
    allowed: dict[str, Fraction | int] = {}
    for within, name in sorted(promised):  # what is found once was found for the least
        ahead = [name]
        while ahead:
            one = ahead.pop()
            if one not in allowed:
                allowed[one] = within
                ahead += [need.value for need in databases[one].needs]
    return {name: within for name, within in allowed.items() if name in outage.down}


def _milliseconds(duration: Duration) -> Fraction | int:
    """Exactly, and as a whole number where it is one: these are put in order fast."""
    exactly = duration.amount * 1000
    return exactly.numerator if exactly.denominator == 1 else exactly


def _waiting(outage: Outage, recovery: Recovery) -> Recovery:
    """The recovery, behind all that concerns others too."""
    queued = behind_its_group(outage, recovery)
    looks = (*outage.look.terms(recovery),)
    return queued.behind(looks) if looks else queued


def waited_for(outage: Outage, name: str, down: frozenset[str] | None = None) -> tuple[str, ...]:
    """What is `down` and `name` waits for: what it needs, or what others that are still up need in turn.

    None: all that comes back. Whoever asks what no plan betters asks for what `surely` does.
    """
    databases = outage.setting.databases
    down = outage.down if down is None else down
    if len(down) == 1 or not databases[name].needs:
        return ()
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


def needed_by(databases: Mapping[str, Database], database: Database, down: frozenset[str]) -> tuple[str, ...]:
    """Everything `database` needs, directly or not, that is `down` too; by name."""
    if not database.needs or len(down) == 1:
        return ()
    found: set[str] = set()
    ahead = [need.value for need in database.needs]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [need.value for need in databases[name].needs]
    return tuple(sorted(name for name in found if name in down and name != database.name))


def missing(outage: Outage, database: Database) -> tuple[str, ...]:
    """Needed, taken down too, and nothing says how they come back."""
    waited = needed_by(outage.setting.databases, database, outage.down)
    return tuple(name for name in waited if outage.returns.get(name) is None)


def most_time(outage: Outage, choice: Choice, share: Fraction) -> int | None:
    """Milliseconds until `choice.database` is in service, itself and all it needs; None where nothing bounds it."""
    if share < 1 and _by_itself(outage, choice):
        best = _quantile_of(outage, choice, share)
        return best.done if best else None
    return serves(outage, choice.database.name)


def _by_itself(outage: Outage, choice: Choice) -> bool:
    """Whether nothing else comes back, and `choice.database` waits for nothing."""
    return len(outage.choices) == 1 and not waited_for(outage, choice.database.name)


def needs_first(
    outage: Outage, name: str, known: Mapping[str, object], down: frozenset[str] | None = None
) -> Iterator[str]:
    """`name` and all it waits for, each after what it waits for itself; without what is `known` when its turn comes.

    Nobody knows how long a chain of needs may be, nor how often two of them meet: no recursion, and each once.
    """
    ahead = [name]
    while ahead:
        one = ahead[-1]
        before = () if one in known else tuple(need for need in waited_for(outage, one, down) if need not in known)
        if before:
            ahead += before
            continue
        ahead.pop()
        if one not in known:
            yield one


def serves(outage: Outage, name: str) -> int | None:
    """Milliseconds until `name` is in service: loaded, all it needs in service, then checked."""
    served = outage.served
    if name not in served:
        for one in needs_first(outage, name, served):
            served[one] = _serves(outage, one)
    return served[name]


def _serves(outage: Outage, name: str) -> int | None:
    if len(outage.down) == 1 and name in outage.choices:  # nothing beside it, nothing to wait for
        choice = outage.choices[name]
        return _waiting(outage, choice.recovery).most if choice.recovery else None
    own = outage.returns.get(name)
    if own is None:
        return None
    latest = own.loaded
    for need in waited_for(outage, name):
        other = outage.served[need]
        if other is None:
            return None
        latest = max(latest, other)
    return latest + own.recovery.checking


def time_bounds(outage: Outage, choice: Choice, share: Fraction) -> Bound | None:
    """The terms of `most_time`."""
    if share < 1 and _by_itself(outage, choice):
        best = _quantile_of(outage, choice, share)
        return best.bound if best else None
    return in_service(outage, choice.database.name)


def least_time(outage: Outage, choice: Choice, share: Fraction) -> Bound | None:
    """No schedule has `choice.database` in service before."""
    if share < 1:
        return least_back(choice, share)
    lower = _at_best(outage, choice.database.name)
    together = outage.crowded.get(choice.database.name)
    if together is None or lower is None or together <= lower.total.amount:
        return lower
    waited = needed_by(outage.setting.databases, choice.database, outage.surely)
    return least_together([outage.passing[one] for one in (choice.database.name, *waited) if one in outage.choices])


def least_seconds(outage: Outage, choice: Choice, share: Fraction) -> Fraction | None:
    """The total of `least_time`."""
    lower = least_back(choice, share) if share < 1 else _at_best(outage, choice.database.name)
    if lower is None or share < 1:
        return lower.total.amount if lower else None
    return max(lower.total.amount, outage.crowded.get(choice.database.name, Fraction(0)))


def _quantile_of(outage: Outage, choice: Choice, share: Fraction) -> Return | None:
    """For `share` of all instants: only the age of the image depends on the instant."""
    if choice.recovery is None:
        return None
    again = structs.replace(_waiting(outage, choice.recovery), share=share)
    return schedule_of([again], {})[choice.database.name]


def in_service(outage: Outage, name: str) -> Bound | None:
    """The terms of `serves`."""
    serves(outage, name)
    for one in needs_first(outage, name, outage.bounds):
        outage.bounds[one] = _in_service(outage, one)
    return outage.bounds[name]


def _in_service(outage: Outage, name: str) -> Bound | None:
    own = outage.returns.get(name)
    if own is None or outage.served[name] is None:
        return None
    latest: Bound | None = None
    for need in waited_for(outage, name):
        other = outage.bounds[need]
        assert other is not None
        latest = _of(need, other) if latest is None or other.total > latest.total else latest
    return own.bound if latest is None else own.after(latest)


def _of(name: str, bound: Bound) -> Bound:
    """The terms of one that another waits for, named."""
    if any(one.label.startswith("`") for one in bound.terms[:1]):
        return bound
    return bound.called(f"`{name}`, which it needs: ")


def never_back(outage: Outage, name: str) -> str | None:
    """What `name` waits for and nobody can bring back: no copy of it is left, or nowhere to load it."""
    if not waited_for(outage, name, outage.hit):
        return None
    for one in needs_first(outage, name, outage.never, outage.hit):
        outage.never[one] = _never_back(outage, one)
    return outage.never[name]


def _never_back(outage: Outage, name: str) -> str | None:
    waited = waited_for(outage, name, outage.hit)
    lost = (need for need in waited if need in outage.choices and not comes_back(outage.choices[need]))
    return next(lost, None) or next(filter(None, (outage.never[need] for need in waited)), None)


def _at_best(outage: Outage, name: str) -> Bound | None:
    """No schedule betters the least of all ways back, nor is it in service before all it needs."""
    for one in needs_first(outage, name, outage.at_best, outage.surely):
        outage.at_best[one] = _best_of(outage, one)
    best, choice = outage.at_best[name], outage.choices.get(name)
    if best is None or choice is None or choice.kept:
        return best
    own = least_back(choice, Fraction(1))  # its own promise of loss binds it, proved or not
    return own if own is not None and own.total > best.total else best


def _best_of(outage: Outage, name: str) -> Bound | None:
    choice = outage.soonest.get(name)
    if choice is None:
        return None
    best = least_back(choice, Fraction(1), needed=True) or Bound(())
    for need in waited_for(outage, name, outage.surely):
        other = outage.at_best[need]
        if other is not None and other.total > best.total:
            best = _of(need, other)
    return best
