"""Both bounds of one objective and what follows from them; the terms are worked out when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from msgspec import Struct

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.by_turns import least_lost_on
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.holding import Short, image_before_logs, shorts_of
from bkpc_compiler.feasibility.lines import Choice
from bkpc_compiler.feasibility.overfull import Overfilled, Overfull
from bkpc_compiler.feasibility.recovery_point import Line, lost_at_most, most_lost
from bkpc_compiler.feasibility.recovery_time import Setting
from bkpc_compiler.feasibility.together import (
    Outage,
    least_seconds,
    least_time,
    most_time,
    needs_first,
    never_back,
    time_bounds,
    waited_for,
)
from bkpc_compiler.feasibility.working import Reaching
from bkpc_compiler.program.model import Promise, Protection
from bkpc_grammar.quantities import Duration, no_more

NO_TIME = Fraction(0)


class Verdict(StrEnum):
    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


class Judging(Protocol):
    """One objective, about to be judged."""

    @property
    def choice(self) -> Choice: ...

    def most(self) -> Duration | None:
        """The total of `upper`."""

    def upper(self) -> Bound | None: ...

    def lower(self) -> Bound | None: ...

    def least(self) -> Fraction | None:
        """The total of `lower`, in seconds."""

    def verdict(self, objective: Duration, most: Duration | None) -> Verdict: ...

    @property
    def overfull(self) -> Overfull | None:
        """Why no plan keeps it beside the promises of others; None where that is not known."""

    def shorts(self) -> tuple[Short, ...]: ...


@dataclass(frozen=True, slots=True)
class Commons:
    """What all judging shares.

    `found`: of `shorts`, by the identity of a choice of an outage; `waited`: the first of
    `all_shorts`, by outage and name.
    """

    setting: Setting
    demand: Demand
    protections: Mapping[str, Protection]
    overfilled: Overfilled
    found: dict[int, tuple[Short, ...]] = field(default_factory=dict)
    waited: dict[Outage, dict[str, tuple[Short, ...]]] = field(default_factory=dict)

    def members(self, outage: Outage, name: str) -> tuple[tuple[str, Choice], ...]:
        """The other members of the group of `name`, and how each comes back, whether the failure hits it or not."""
        group = self.setting.grouped.get(name)
        if group is None:
            return ()
        others = sorted(group - {name})
        return tuple((one, outage.choices[one]) for one in others if one in outage.choices)

    def shorts(self, outage: Outage, choice: Choice) -> tuple[Short, ...]:
        """What may be gone when `choice.database` and its group come back."""
        found = self.found.get(id(choice))
        if found is None:
            members = self.members(outage, choice.database.name)
            found = self.found[id(choice)] = shorts_of(outage, choice, [one for _, one in members])
        return found

    def all_shorts(self, outage: Outage, name: str) -> tuple[Short, ...]:
        """What may be gone when `name` and all it waits for come back: it is in service no sooner than they are.

        Its own, and along each chain of needs the first: those are few, and what is behind them is told of them.
        """
        if len(outage.down) == 1:
            return self._own_shorts(outage, name)
        first = self.waited.setdefault(outage, {})
        for one in needs_first(outage, name, first):
            first[one] = self._own_shorts(outage, one) or self._needed_shorts(outage, one, first)
        if not self._own_shorts(outage, name):
            return first[name]
        return tuple({id(one): one for one in (*first[name], *self._needed_shorts(outage, name, first))}.values())

    def _own_shorts(self, outage: Outage, name: str) -> tuple[Short, ...]:
        return self.shorts(outage, outage.choices[name]) if name in outage.choices else ()

    @staticmethod
    def _needed_shorts(outage: Outage, name: str, first: Mapping[str, tuple[Short, ...]]) -> tuple[Short, ...]:
        found = (short for need in waited_for(outage, name) for short in first[need])
        return tuple({id(one): one for one in found}.values())


def _may_move(choice: Choice) -> bool:
    """Whether it is left, and counted to go back where it is, though somebody could rebuild it at its standby."""
    return choice.own_policy is not None and bool(choice.database.standbys)


class PointJudging(Struct, frozen=True):
    """What may be lost."""

    commons: Commons
    outage: Outage
    choice: Choice
    promise: Promise

    def most(self) -> Duration | None:
        found = self._slowest()
        if found is None:
            return None
        late = self._late()
        return Duration(found[1] + late if late else found[1])

    def upper(self) -> Bound | None:
        """A group goes back to a point that all its members have: the loss is that of its slowest.

        Two members without a log have no point in common.
        """
        found = self._slowest()
        if found is None:
            return None
        name, _, line = found
        upper = most_lost(line, self.promise.rpo_quantile)
        assert upper is not None
        if name != self.choice.database.name:
            upper = _of(name, upper)
        late = self._late()
        if not late:
            return upper
        words = "until the logs of its group have reached its snapshot"
        return upper.plus(Term(words, Duration(late), working=Reaching(self._lines())))

    def _slowest(self) -> tuple[str, Fraction, Line] | None:
        """The member of the group whose line loses most, first of all itself, and how many seconds that is."""
        slowest: tuple[str, Fraction, Line] | None = None
        imaged = 0
        if self.choice.database.name not in self.commons.setting.grouped:
            alone = self.choice.line
            lost = lost_at_most(alone, self.promise.rpo_quantile) if alone else None
            return None if alone is None or lost is None else (self.choice.database.name, lost, alone)
        for name, choice in ((self.choice.database.name, self.choice), *self.members()):
            line = choice.line
            lost = lost_at_most(line, self.promise.rpo_quantile) if line else None
            if line is None or lost is None:
                return None
            imaged += line.log is None
            if slowest is None or lost > slowest[1]:
                slowest = name, lost, line
        return None if imaged > 1 else slowest

    def _late(self) -> Fraction:
        """Seconds until the logs of its group have reached the snapshot of the one that has no log."""
        if self.choice.database.name not in self.commons.setting.grouped:
            return NO_TIME
        lines = self._lines()
        if len(lines) < 2 or self.choice.line is None or all(one.log for one in lines):
            return NO_TIME
        return Fraction(image_before_logs(lines), 1000)

    def _lines(self) -> tuple[Line, ...]:
        """Its own line and those of the others of its group."""
        return tuple(line for one in (self.choice, *(two for _, two in self.members())) if (line := one.line))

    @property
    def stranded(self) -> tuple[str, ...]:
        """The members of its group of which nothing is left that can be read where they are rebuilt."""
        return tuple(name for name, other in self.members() if other.line is None and not _may_move(other))

    @property
    def imaged(self) -> tuple[str, ...]:
        """The members of its group, itself too, that have images only, whichever line they come back on."""
        choices = ((self.choice.database.name, self.choice), *self.members())
        lines = ((name, one.lines if _may_move(one) else one.readable) for name, one in choices)
        return tuple(name for name, known in lines if all(line.log is None for line in known))

    @property
    def apart(self) -> bool:
        """Whether its group has no point in common, whatever the plan: no two images are of one instant."""
        if self.choice.database.name not in self.commons.setting.grouped:
            return False
        return bool(self.stranded) or len(self.imaged) > 1

    def least(self) -> Fraction | None:
        if self.choice.line is None or self.apart:
            return None
        share = self.promise.rpo_quantile
        least = self.choice.least_lost(share)
        for _, other in self.members():
            low = other.least_lost(share)
            least = None if least is None or low is None else max(least, low)
        return least

    def lower(self) -> Bound | None:
        """What no line betters that is left, neither of its own nor of another member of its group."""
        if self.choice.line is None or self.apart:
            return None
        lower = self._lower_of(self.choice)
        for name, other in self.members():
            if lower is None:
                return None
            low = self._lower_of(other)
            lower = None if low is None else _of(name, low) if low.total > lower.total else lower
        return lower

    def _lower_of(self, choice: Choice) -> Bound | None:
        return least_lost_on(choice.readable, choice.felt_as, self.promise.rpo_quantile)

    def members(self) -> tuple[tuple[str, Choice], ...]:
        """The others of its group, and how each comes back."""
        return self.commons.members(self.outage, self.choice.database.name)

    def shorts(self) -> tuple[Short, ...]:
        return self.commons.shorts(self.outage, self.choice)

    def verdict(self, objective: Duration, most: Duration | None) -> Verdict:
        if self.choice.line is None or self.apart:
            return Verdict.REFUTED
        verdict = _verdict(objective, most, self)
        if verdict is not Verdict.UNDECIDED or (most is not None and most.amount <= objective.amount):
            return verdict  # undecided for want of `keep` alone is not beyond what a plan can do
        return verdict if self.overfull is None else Verdict.REFUTED

    @property
    def overfull(self) -> Overfull | None:
        return self.commons.overfilled.of(self.choice.database.name, self.promise)


class TimeJudging(Struct, frozen=True):
    """When the database is in service again."""

    commons: Commons
    outage: Outage
    choice: Choice
    promise: Promise

    def most(self) -> Duration | None:
        if not self.choice.ways:
            return None
        milliseconds = most_time(self.outage, self.choice, self.promise.rto_quantile)
        return None if milliseconds is None else Duration(Fraction(milliseconds, 1000))

    def upper(self) -> Bound | None:
        return time_bounds(self.outage, self.choice, self.promise.rto_quantile) if self.choice.ways else None

    def lower(self) -> Bound | None:
        if not self.choice.ways or self._never:
            return None
        return least_time(self.outage, self.choice, self.promise.rto_quantile)

    def least(self) -> Fraction | None:
        if not self.choice.ways or self._never:
            return None
        return least_seconds(self.outage, self.choice, self.promise.rto_quantile)

    def shorts(self) -> tuple[Short, ...]:
        return self.commons.all_shorts(self.outage, self.choice.database.name)

    def verdict(self, objective: Duration, most: Duration | None) -> Verdict:
        if not self.choice.ways or self._never:
            return Verdict.REFUTED
        return _verdict(objective, most, self)

    @property
    def _never(self) -> bool:
        """Whether it waits for one that nobody can bring back."""
        return never_back(self.outage, self.choice.database.name) is not None

    @property
    def overfull(self) -> Overfull | None:
        return None


def _verdict(objective: Duration, most: Duration | None, judging: Judging) -> Verdict:
    if most is not None and most <= objective:
        return Verdict.UNDECIDED if judging.shorts() else Verdict.PROVED
    least = judging.least()
    beyond = least is not None and not no_more(least, objective.amount)
    return Verdict.REFUTED if beyond else Verdict.UNDECIDED


def no_point_in_common(judging: PointJudging) -> str:
    """Why the group of one that is `apart` has none."""
    if judging.stranded:
        names = ", ".join(f"`{name}`" for name in judging.stranded)
        return f"its group goes back to one point, and nothing to bring {names} back survives where it can be read"
    names = ", ".join(f"`{name}`" for name in judging.imaged)
    return f"its group goes back to one point, and {names} have images only: no two are of one instant"


def _of(name: str, bound: Bound) -> Bound:
    """The bound of another member of the group, its terms named."""
    return bound.called(f"`{name}`, of its group: ")
