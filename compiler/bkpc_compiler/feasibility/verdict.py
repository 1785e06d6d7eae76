"""The verdict for every (database, scope) of a promise: PROVED, REFUTED or UNDECIDED, with both bounds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.demand import Demand, settle
from bkpc_compiler.feasibility.levels import hopeless_rate, jobs_of, streams_of
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.recovery_point import loss_bounds
from bkpc_compiler.feasibility.recovery_time import Setting
from bkpc_compiler.feasibility.together import together
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
    `lower`: no schedule betters it; None where nothing is left to recover from.
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


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything `check` found out about a program, in the order of databases and promises."""

    program: Program
    routes: Routes
    demand: Demand
    answers: tuple[Answer, ...]

    @property
    def setting(self) -> Setting:
        return Setting(self.program, self.routes, self.demand.reserved())


def analyse(program: Program) -> Analysis:
    """Judge every promise of `program`; pure and deterministic."""
    routes = Routes(program)
    databases = {database.name: database for database in program.databases}
    pairs = [(databases[one.database], one.policy) for one in program.protections]
    jobs = [job for database, policy in pairs for job in jobs_of(program, routes, database, policy)]
    streams = [one for database, policy in pairs for one in streams_of(program, routes, database, policy)]
    demand = settle(jobs, streams, program.headroom.value)
    setting = Setting(program, routes, demand.reserved())
    answers: list[Answer] = []
    for protection in program.protections:
        for promise in protection.policy.promises:
            answers += judge(setting, demand, protection, promise)
    return Analysis(program, routes, demand, tuple(answers))


def judge(setting: Setting, demand: Demand, protection: Protection, promise: Promise) -> list[Answer]:
    """The answers to one promise for one database: one per objective it names."""
    choice = choose(setting, demand, protection, promise)
    answers = []
    if promise.rpo:
        answers.append(_point(setting, protection, promise, promise.rpo, choice))
    if promise.rto:
        answers.append(_time(setting, demand, protection, promise, promise.rto, choice=choice))
    return answers


def _point(
    setting: Setting, protection: Protection, promise: Promise, objective: Given[Duration], choice: Choice
) -> Answer:
    upper = lower = None
    verdict = Verdict.REFUTED
    if choice.lines:
        bounds = [loss_bounds(line, promise.scope, promise.rpo_quantile) for line in choice.lines]
        lower = min((low for _, low in bounds), key=lambda bound: bound.total)
        if choice.line is not None:
            upper, own = loss_bounds(choice.line, promise.scope, promise.rpo_quantile)
            lower = own if own.total <= objective.value else lower
        verdict = _verdict(objective.value, upper, lower)
        if verdict is Verdict.UNDECIDED and _log_is_hopeless(choice):
            verdict = Verdict.REFUTED
        if verdict is Verdict.PROVED and not choice.kept_long_enough:
            verdict = Verdict.UNDECIDED
    database = _database(setting, protection)
    return Answer(database, protection, promise, "rpo", objective, verdict, upper, lower, choice)


def _log_is_hopeless(choice: Choice) -> bool:
    """The objective asks for a log, and no log can keep up with what is written."""
    logs = [line.log for line in choice.lines if line.log is not None]
    return bool(logs) and all(hopeless_rate(log) for log in logs) and choice.images_too_coarse


def _time(
    setting: Setting,
    demand: Demand,
    protection: Protection,
    promise: Promise,
    objective: Given[Duration],
    *,
    choice: Choice,
) -> Answer:
    database = _database(setting, protection)
    if not choice.lines:
        return Answer(database, protection, promise, "rto", objective, Verdict.REFUTED, None, None, choice)
    joint = together(setting, demand, choice)
    verdict = _verdict(objective.value, joint.upper, joint.lower)
    if verdict is Verdict.PROVED and not choice.kept_long_enough:
        verdict = Verdict.UNDECIDED
    return Answer(database, protection, promise, "rto", objective, verdict, joint.upper, joint.lower, choice)


def _verdict(objective: Duration, upper: Bound | None, lower: Bound | None) -> Verdict:
    if lower is not None and lower.total > objective:
        return Verdict.REFUTED
    if upper is not None and upper.total <= objective:
        return Verdict.PROVED
    return Verdict.UNDECIDED


def _database(setting: Setting, protection: Protection) -> Database:
    return next(one for one in setting.program.databases if one.name == protection.database)
