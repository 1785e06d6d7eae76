"""The smallest change of one declared figure that proves a promise, by bisection over rounder and rounder values.

A bound moves one way with each figure, but for the quarter, half or more of a resource that jobs take: what is named
was tried itself, and seldom is there a smaller change that proves it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from bkpc_compiler.diagnostics.diagnostic import Edit
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, demand_of, judge_again
from bkpc_compiler.program.model import Program, Schedule
from bkpc_compiler.remedies.figures import Figure, Quantity, changed, figures_at, oftener, schedules_at, written
from bkpc_compiler.remedies.harm import crowded_out
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration

T = TypeVar("T")
MOST_TRIALS = 120
"""Programs judged for one promise."""
MOST_DATABASES = 20_000
"""Databases judged again for all promises of one run: large estates get less help, in the same time."""
LEAST_TRIALS = 12
"""With fewer nothing is looked for."""


@dataclass(frozen=True, slots=True)
class Help:
    """A change that was tried and proves the promise. `ease`: as of a figure; `by`: how many times it is changed by.

    `program`: with the change.
    """

    words: str
    ease: int
    by: Fraction
    program: Program
    edit: Edit | None = None


class Trials:
    """Judges an answer again on changed programs, a limited number of times."""

    def __init__(self, analysis: Analysis, answer: Answer) -> None:
        self.analysis, self.answer = analysis, answer
        share = MOST_DATABASES // (max(1, len(analysis.program.databases)) * max(1, len(analysis.unproved)))
        self.left = min(MOST_TRIALS, share) if share >= LEAST_TRIALS else 0
        self.searches = self.left > 0

    def proves(self, program: Program) -> bool:
        """Whether the promise is proved of `program`; no once the trials are used up."""
        return self._says(program, Verdict.PROVED)

    def refutes(self, program: Program) -> bool:
        """Whether it is refuted of `program`; no once the trials are used up."""
        return self._says(program, Verdict.REFUTED)

    def _says(self, program: Program, verdict: Verdict) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        again = judge_again(program, self.answer)
        return again is not None and again.verdict is verdict

    def fits(self, program: Program) -> bool:
        """Whether all that has room has it in `program` too; yes once the trials are used up."""
        if self.left <= 0:
            return True
        self.left -= 1
        return not crowded_out(self.analysis.demand, demand_of(program))

    def proves_with(self, objective: Span, weaker: Duration) -> bool:
        """Whether `weaker` in place of what is promised is proved: one more trial. Where nothing is looked for, a
        database that comes back by itself keeps its bound: its line is read as it was."""
        if not self.searches:
            return self.answer.database.name not in self.analysis.setting.grouped
        again = judge_again(changed(self.analysis.program, objective, weaker), self.answer)
        return again is not None and again.verdict is Verdict.PROVED


def helps(trials: Trials) -> Iterator[Help]:
    """One per figure that costs time and would alone prove the promise: policies first, then the least change."""
    program = trials.analysis.program
    spans = _costs(trials.analysis, trials.answer)
    found = [_figure(trials, figure) for figure in figures_at(program, spans)]
    schedules = schedules_at(program, spans)
    found += [
        _schedule(trials, one, alone=len(schedules) == 1 and not _has_like(trials.answer, one)) for one in schedules
    ]
    yield from sorted((one for one in found if one is not None), key=lambda one: (one.ease, one.by, one.words))


def _figure(trials: Trials, figure: Figure) -> Help | None:
    steps = figure.steps()

    def proves(value: Quantity) -> bool:
        return trials.proves(changed(trials.analysis.program, figure.span, value))

    best = _first_of(figure, steps, proves)
    if best is None:
        return None
    best = _with_room(trials, figure, best, steps[steps.index(best) + 1 :])
    old, new = figure.value.amount, best.amount
    text = f"{figure.clause} {best}"
    program = changed(trials.analysis.program, figure.span, best)
    words = f"`{text}` of {figure.of} (now {figure.value})"
    return Help(words, figure.ease, max(old / new, new / old), program, Edit(figure.span, text, fact=figure.ease > 0))


def _with_room(trials: Trials, figure: Figure, best: Quantity, more: Sequence[Quantity]) -> Quantity:
    """The first further one with which no job is left without room, if `best` leaves one so; else that."""

    def fits(value: Quantity) -> bool:
        return trials.fits(changed(trials.analysis.program, figure.span, value))

    def proves(value: Quantity) -> bool:
        return fits(value) and trials.proves(changed(trials.analysis.program, figure.span, value))

    return best if fits(best) else _first_of(figure, more, proves) or best


def _first_of(figure: Figure, steps: Sequence[Quantity], proves: Callable[[Quantity], bool]) -> Quantity | None:
    best = first_that(steps, proves)
    while best is None and figure.clause == "every" and len(steps) > 1:  # too often, and objects of the log pile up
        steps = steps[: len(steps) // 2]
        best = first_that(steps, proves)
    return best


def _schedule(trials: Trials, schedule: Schedule, *, alone: bool) -> Help | None:
    """The first shorter period that proves it. Unless it is `alone`, the words name the schedule they are about."""
    span, program = schedule.span, trials.analysis.program
    for text, other in oftener(schedule):
        better = changed(program, span, other)
        if trials.proves(better):
            of = "" if alone else f" of `{written(schedule)}`"
            return Help(
                f"`{text}` instead{of}", 0, schedule.period.amount / other.period.amount, better, Edit(span, text)
            )
    return None


def _has_like(answer: Answer, schedule: Schedule) -> bool:
    """Whether its policy has another of the same kind, from which the words must tell it."""
    policy = answer.protection.policy
    levels = ([one.schedule for one in policy.images], [one.schedule for one in policy.cold])
    return any(schedule.span in {one.span for one in kind} and len(kind) > 1 for kind in levels)


def first_that(values: Sequence[T], proves: Callable[[T], bool]) -> T | None:
    """The first of `values` that proves, where all after it do; None where the last does not."""
    if not values or not proves(values[-1]):
        return None
    low, high = -1, len(values) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if proves(values[middle]):
            high = middle
        else:
            low = middle
    return values[high]


def _costs(analysis: Analysis, answer: Answer) -> tuple[Span, ...]:
    """Every clause that either bound takes time from, and those of what is short where there is no bound."""
    spans = [span for bound in (answer.lower, answer.upper) if bound for term in bound.terms for span in term.spans]
    if answer.upper is None:
        for shortage in analysis.demand.shortages:
            spans += [shortage.resource.span] if shortage.resource.span else []
            asking = [job for job in analysis.demand.jobs if job.id in shortage.ids]
            spans += [span for job in asking for span in (job.size.span, job.schedule.span)]
        line = answer.choice.line
        if line is not None and line.log is not None:
            spans += [one.span for one in line.log.resources if one.span]
            spans += [line.log.writes.span, line.log.burst.span, line.log.level.flush.span]
    return tuple(dict.fromkeys(spans))
