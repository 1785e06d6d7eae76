"""The verdict for every (database, scope) of a promise: PROVED, REFUTED or UNDECIDED, with both bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bkpc_compiler.estate.failures import Loss, Losses
from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import Demand, settle
from bkpc_compiler.feasibility.levels import hopeless_rate, jobs_of, streams_of
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.recovery_point import loss_bounds
from bkpc_compiler.feasibility.recovery_time import Left, Setting
from bkpc_compiler.feasibility.together import Background, Outage, outage_of, together
from bkpc_compiler.program.model import Database, Given, Program, Promise, Protection
from bkpc_grammar.quantities import Duration


class Verdict(StrEnum):
    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True)
class Answer:
    """One objective of one promise for one database, judged.

    `upper`: holds for every schedule that honours the plan; None where nothing bounds it.
    `lower`: no schedule betters it; None where nothing is left to recover from, or nowhere to recover to.
    `kind`: "rpo" or "rto". `objective`: as promised.
    """

    database: Database
    protection: Protection
    promise: Promise
    kind: str
    objective: Given[Duration]
    verdict: Verdict
    upper: Bound | None
    lower: Bound | None
    choice: Choice

    @property
    def nowhere(self) -> bool:
        """Whether a copy survives, but nothing says where it is loaded, or no links lead there."""
        return bool(self.choice.lines) and not self.choice.recoveries


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything `check` found out about a program, in the order of databases and promises.

    `outages`: one per failure that somebody promised to survive, by scope and what is lost.
    """

    program: Program
    setting: Setting
    demand: Demand
    outages: Mapping[tuple[str, str], Outage]
    answers: tuple[Answer, ...]

    @property
    def routes(self) -> Routes:
        return self.setting.ways.routes

    def outage(self, answer: Answer) -> Outage:
        """The failure that `answer` is about."""
        loss = answer.choice.loss
        return self.outages[loss.scope.value, loss.lost]


def analyse(program: Program) -> Analysis:
    """Judge every promise of `program`; pure and deterministic."""
    return _Judging(program).analysis()


class _Judging:
    """The parts of an analysis, each failure looked at once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        ways = Ways(program, Routes(program))
        self.databases = {database.name: database for database in program.databases}
        self.stores = {store.name: store for store in program.stores}
        grouped = frozenset(name for group in program.groups if len(group.members) > 1 for name in group.members)
        self.setting = Setting(program, ways, self.stores, self.databases, grouped)
        pairs = [(self.databases[one.database], one.policy) for one in program.protections]
        jobs = [job for database, policy in pairs for job in jobs_of(ways, self.stores, database, policy)]
        losses = Losses(program)
        streams = [one for database, policy in pairs for one in streams_of(ways, self.stores, losses, database, policy)]
        self.losses = losses
        self.demand = settle(jobs, streams, program.headroom.value, program.retries.value)
        self.background = Background(self.demand)
        self.protections = {one.database: one for one in program.protections}
        self.groups: dict[str, tuple[str, ...]] = {}
        for group in program.groups:
            for member in group.members:
                self.groups[member] = tuple(sorted({*self.groups.get(member, ()), *group.members}))
        self.outages: dict[tuple[str, str], Outage] = {}

    def analysis(self) -> Analysis:
        answers = [
            answer
            for protection in self.program.protections
            for promise in protection.policy.promises
            for answer in self._judge(protection, promise)
        ]
        return Analysis(self.program, self.setting, self.demand, self.outages, tuple(answers))

    def _judge(self, protection: Protection, promise: Promise) -> Iterator[Answer]:
        """The answers to one promise for one database: one per objective it names."""
        database = self.databases[protection.database]
        outage = self._outage(self.losses.of(database, promise.scope))
        choice = outage.choices[database.name]
        if promise.rpo:
            yield self._point(outage, protection, promise, promise.rpo, choice)
        if promise.rto:
            yield self._time(outage, protection, promise, promise.rto, choice)

    def _outage(self, loss: Loss) -> Outage:
        key = (loss.scope.value, loss.lost)
        if key not in self.outages:
            left = Left(self.program.headroom.value, self.background.beside(loss))
            self.outages[key] = outage_of(self.setting, self.demand, left, loss, self.protections)
        return self.outages[key]

    def _point(
        self, outage: Outage, protection: Protection, promise: Promise, objective: Given[Duration], choice: Choice
    ) -> Answer:
        upper = lower = None
        verdict = Verdict.REFUTED
        if choice.lines:
            lows = [low for _, low in (loss_bounds(x, promise.scope, promise.rpo_quantile) for x in choice.lines)]
            known = [low for low in lows if low is not None]
            lower = min(known, key=lambda bound: bound.total, default=None)
            if choice.line is not None:
                upper, own = loss_bounds(choice.line, promise.scope, promise.rpo_quantile)
                lower = own if own is not None and own.total <= objective.value else lower
            upper, lower = self._with_group(outage, promise, choice, upper, lower)
            verdict = _verdict(objective.value, upper, lower)
            if verdict is Verdict.UNDECIDED and _log_is_hopeless(choice):
                verdict = Verdict.REFUTED
            if verdict is Verdict.PROVED and not choice.kept_long_enough:
                verdict = Verdict.UNDECIDED
        return Answer(choice.database, protection, promise, "rpo", objective, verdict, upper, lower, choice)

    def _with_group(
        self, outage: Outage, promise: Promise, choice: Choice, upper: Bound | None, lower: Bound | None
    ) -> tuple[Bound | None, Bound | None]:
        """A group goes back to a point that all its members have: the loss is that of its slowest.

        Two members without a log have no point in common.
        """
        members = [name for name in self.groups.get(choice.database.name, ()) if name in self.protections]
        imaged = int(choice.line is not None and choice.line.log is None)
        for name in members:
            if name == choice.database.name:
                continue
            other = self._beside(outage, name, promise)
            if other.line is None:
                return None, lower
            imaged += other.line.log is None
            high, low = loss_bounds(other.line, promise.scope, promise.rpo_quantile)
            upper = None if upper is None or high is None else max(upper, _of(name, high), key=_total)
            lower = low if low is None or lower is None else max(lower, _of(name, low), key=_total)
        return (None if imaged > 1 else upper), lower

    def _beside(self, outage: Outage, name: str, promise: Promise) -> Choice:
        """How another member of a group comes back, whether the failure hits it or not."""
        if name in outage.choices:
            return outage.choices[name]
        return choose(self.setting, self.demand, outage.left, self.protections[name], promise, outage.loss)

    def _time(
        self, outage: Outage, protection: Protection, promise: Promise, objective: Given[Duration], choice: Choice
    ) -> Answer:
        if not choice.recoveries:
            return Answer(choice.database, protection, promise, "rto", objective, Verdict.REFUTED, None, None, choice)
        joint = together(self.setting, outage, choice, promise.rto_quantile)
        verdict = _verdict(objective.value, joint.upper, joint.lower)
        if verdict is Verdict.PROVED and not choice.kept_long_enough:
            verdict = Verdict.UNDECIDED
        return Answer(choice.database, protection, promise, "rto", objective, verdict, joint.upper, joint.lower, choice)


def _total(bound: Bound) -> Duration:
    return bound.total


def _of(name: str, bound: Bound) -> Bound:
    """The bound of another member of the group, its terms named."""
    prefix = f"`{name}`, of its group: "
    return Bound(tuple(Term(prefix + one.label, one.duration, one.spans, one.origin) for one in bound.terms))


def _log_is_hopeless(choice: Choice) -> bool:
    """The objective asks for a log, and no log can keep up with what is written."""
    logs = [line.log for line in choice.lines if line.log is not None]
    return bool(logs) and all(hopeless_rate(log) for log in logs) and choice.images_too_coarse


def _verdict(objective: Duration, upper: Bound | None, lower: Bound | None) -> Verdict:
    if lower is not None and lower.total > objective:
        return Verdict.REFUTED
    if upper is not None and upper.total <= objective:
        return Verdict.PROVED
    return Verdict.UNDECIDED
