"""The verdict for every (database, scope) of a promise: PROVED, REFUTED or UNDECIDED, with both bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from bkpc_compiler.estate.failures import Loss, Losses, points_of
from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.feasibility.background import Background
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.demand import Demand, JobDemand, settle
from bkpc_compiler.feasibility.holding import Short
from bkpc_compiler.feasibility.judging import Commons, Judging, PointJudging, TimeJudging, Verdict
from bkpc_compiler.feasibility.levels import (
    Limit,
    jobs_of,
    limits_of,
    streams_of,
    swift_enough,
    unserved_of,
    with_increments,
)
from bkpc_compiler.feasibility.lines import Choice
from bkpc_compiler.feasibility.overfull import Overfilled, Overfull
from bkpc_compiler.feasibility.recovery_time import Left, Setting
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.thaw import behind_thaws
from bkpc_compiler.feasibility.together import Outage, outage_of
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Given, Policy, Program, Promise, Protection, Scope
from bkpc_grammar.quantities import Duration
from bkpc_grammar.shares import for_share, millionths_of

MOST_COUNTED = 8
"""Times that what is left out in slots is counted anew in what they hold."""

__all__ = ["Analysis", "Answer", "Verdict", "analyse", "demand_of", "judge_again"]


class Answer(Struct, frozen=True, eq=False, dict=True):
    """One objective of one promise for one database, judged.

    `kind`: "rpo" or "rto". `objective`: as promised. `most`: the total of `upper`; None where nothing bounds it.
    `judging`: both bounds term by term, worked out when asked for.
    """

    database: Database
    protection: Protection
    promise: Promise
    kind: str
    objective: Given[Duration]
    verdict: Verdict
    most: Duration | None
    choice: Choice
    judging: Judging

    @once
    def upper(self) -> Bound | None:
        """Holds for every schedule that honours the plan; None where nothing bounds it."""
        return self.judging.upper()

    @once
    def lower(self) -> Bound | None:
        """No schedule betters it; None where nothing is left to recover from, or nowhere to recover to."""
        return self.judging.lower()

    @once
    def least(self) -> Duration | None:
        """The total of `lower`, whose terms are made only for what is shown."""
        seconds = self.judging.least()
        return None if seconds is None else Duration(seconds)

    @once
    def shorts(self) -> tuple[Short, ...]:
        """What may be gone when the recovery reads it: nothing is proved while there is any."""
        return () if self.verdict is Verdict.PROVED else self.judging.shorts()

    @property
    def kept_long_enough(self) -> bool:
        """Whether all that the recovery reads is there until then."""
        return not self.shorts

    @property
    def promised(self) -> str:
        """`13h`, or `13h for 50%`."""
        return f"{self.objective.value}{for_share(millionths_of(self.promise.share(self.kind)))}"

    @property
    def nowhere(self) -> bool:
        """Whether a copy survives, but nothing says where it is loaded, or no links lead there."""
        return bool(self.choice.lines) and not self.choice.ways

    @property
    def overfull(self) -> Overfull | None:
        """Where its bound would do, but no plan keeps it beside the promises of others: why."""
        below = self.least is not None and self.least <= self.objective.value
        return self.judging.overfull if below and self.verdict is Verdict.REFUTED else None


@dataclass(frozen=True)
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

    @once
    def unproved(self) -> tuple[Answer, ...]:
        """The answers that are not PROVED."""
        return tuple(one for one in self.answers if one.verdict is not Verdict.PROVED)

    def outage(self, answer: Answer) -> Outage:
        """The failure that `answer` is about."""
        loss = answer.choice.loss
        return self.outages[loss.scope, loss.lost]


def analyse(program: Program) -> Analysis:
    """Judge every promise of `program`; pure and deterministic."""
    return _Judging(program).analysis()


def judge_again(program: Program, answer: Answer) -> Answer | None:
    """What becomes of the objective of `answer` in another program; None where it is not promised there."""
    judging = _Judging(program)
    protection = judging.commons.protections.get(answer.database.name)
    if protection is None:
        return None
    for promise in protection.policy.promises:
        if promise.scope is answer.promise.scope:
            return next((one for one in judging.judge(protection, promise) if one.kind == answer.kind), None)
    return None


def demand_of(program: Program) -> Demand:
    """What the jobs and streams of `program` ask, settled."""
    return _Judging(program).demand


def _late(demand: Demand) -> int:
    return sum(one.late for one in demand.jobs)


def _turning(pairs: Iterable[tuple[Database, Policy]]) -> frozenset[str]:
    return frozenset(database.name for database, policy in pairs if any(promise.rpo for promise in policy.promises))


class _Judging:
    """The parts of an analysis, each failure looked at once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        ways = Ways(program, Routes(program))
        self.databases = {database.name: database for database in program.databases}
        self.stores = {store.name: store for store in program.stores}
        self.setting = Setting(program, ways, self.stores, self.databases, points_of(program))
        pairs = [(self.databases[one.database], one.policy) for one in program.protections]
        self.protected = frozenset(one.database for one in program.protections)
        jobs = [job for database, policy in pairs for job in jobs_of(ways, self.stores, database, policy)]
        losses = Losses(program)
        self.losses = losses
        limits = self._limits()
        streams = [
            one
            for database, policy in pairs
            for one in streams_of(
                ways, self.stores, limits[database.name], database, policy, grouped=self._grouped(database.name)
            )
        ]
        self.demand = self._settled(pairs, self._swift(pairs, jobs, streams), streams)
        self.background = Background(self.demand, self.stores, self.databases, ways)
        protections = {one.database: one for one in program.protections}
        overfilled = Overfilled(self.setting, self.demand, losses, protections)
        self.commons = Commons(self.setting, self.demand, protections, overfilled)
        self.undisturbed: Left | None = None
        self.outages: dict[tuple[str, str], Outage] = {}

    def _limits(self) -> Mapping[str, tuple[Limit, ...]]:
        """By database, what its log must keep: what is promised of it and of all that go back to one point with it."""
        alone = {one.database: one for one in self.program.protections}
        found: dict[frozenset[str], tuple[Limit, ...]] = {}
        for name in alone:
            group = self.setting.grouped.get(name, frozenset((name,)))
            if group not in found:
                found[group] = limits_of(
                    self.losses, self.databases, [alone[one] for one in sorted(group) if one in alone]
                )
        return {name: found[self.setting.grouped.get(name, frozenset((name,)))] for name in alone}

    def _grouped(self, name: str) -> bool:
        """Whether another that is protected goes back to one point with it."""
        group = self.setting.grouped.get(name)
        return group is not None and len(group & self.protected) > 1

    def _swift(
        self, pairs: Iterable[tuple[Database, Policy]], jobs: Iterable[JobDemand], streams: Iterable[StreamDemand]
    ) -> list[JobDemand]:
        """The jobs, with how long their slots may be for what is promised of their images."""
        logs: dict[str, list[StreamDemand]] = {}
        for stream in streams:
            logs.setdefault(stream.database, []).append(stream)
        unserved = {
            one.name: unserved_of(self.losses, self.stores, one, policy, logs.get(one.name, ()))
            for one, policy in pairs
        }
        return [swift_enough(job, unserved[job.database]) for job in jobs]

    def _settled(
        self, pairs: Sequence[tuple[Database, Policy]], jobs: Sequence[JobDemand], streams: Sequence[StreamDemand]
    ) -> Demand:
        """What an incremental image holds depends on how many were left out before it, and that on what slots hold. So
        first as many are as windows allow. Where one is late for that, as many as are in slots that count no fewer."""

        def settled(left_out: Mapping[str, int] | None) -> Demand:
            sized = behind_thaws(with_increments(jobs, left_out), self.stores)
            return settle(sized, streams, self.program.headroom.value, self.program.retries.value, _turning(pairs))

        found = settled(None)
        if not any(one.presumed and (one.late or one.left_out is None) for one in found.jobs):
            return found
        counted: dict[str, int] = {}
        for _ in range(MOST_COUNTED):
            again = settled(counted)
            without = {one.id: one.left_out for one in again.jobs if one.incremental}
            if any(count is None for count in without.values()):
                return found
            more = {name: count for name, count in without.items() if count and count > counted.get(name, 0)}
            if not more:
                return again if _late(again) < _late(found) else found
            counted |= more
        return found

    def analysis(self) -> Analysis:
        answers = [
            answer
            for protection in self.program.protections
            for promise in protection.policy.promises
            for answer in self.judge(protection, promise)
        ]
        return Analysis(self.program, self.setting, self.demand, self.outages, tuple(answers))

    def judge(self, protection: Protection, promise: Promise) -> Iterator[Answer]:
        """The answers to one promise for one database: one per objective it names."""
        database = self.databases[protection.database]
        outage = self._outage(self.losses.of(database, promise.scope))
        choice = outage.choices[database.name]
        if promise.rpo:
            yield self._answer(
                "rpo", promise.rpo, protection, promise, PointJudging(self.commons, outage, choice, promise)
            )
        if promise.rto:
            yield self._answer(
                "rto", promise.rto, protection, promise, TimeJudging(self.commons, outage, choice, promise)
            )

    def _answer(
        self, kind: str, objective: Given[Duration], protection: Protection, promise: Promise, judging: Judging
    ) -> Answer:
        most = judging.most()
        return Answer(
            database=judging.choice.database,
            protection=protection,
            promise=promise,
            kind=kind,
            objective=objective,
            verdict=judging.verdict(objective.value, most),
            most=most,
            choice=judging.choice,
            judging=judging,
        )

    def _outage(self, loss: Loss) -> Outage:
        key = (loss.scope, loss.lost)
        found = self.outages.get(key)
        if found is None:
            found = outage_of(self.setting, self.demand, self._left(loss), loss, self.commons.protections)
            self.outages[key] = found
        return found

    def _left(self, loss: Loss) -> Left:
        """A failure after which all goes on leaves the same for every database."""
        if loss.scope is not Scope.CORRUPTION:
            return Left(self.setting, self.background.beside(loss))
        if self.undisturbed is None:
            self.undisturbed = Left(self.setting, self.background.beside(loss))
        return self.undisturbed
