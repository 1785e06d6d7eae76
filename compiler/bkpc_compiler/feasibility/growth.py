"""Looking ahead: the promises judged again for the sizes of each month to come.

Only `size` grows, as the language says; what is written, burst and every capacity stay as they are. Months are
judged one after the other, never by bisection: jobs are placed greedily, so a later month may be proved again, and
the first that is not would be missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from bkpc_compiler.program.model import Database, Program
from bkpc_grammar.quantities import Duration, Size

MOST_MONTHS = 120
"""How far anybody looks ahead."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month ahead (0: today). `sizes`: of the databases that grow; `bounds`: what is proved, by the place of the
    answer; None where nothing is."""

    number: int
    sizes: Mapping[str, Size]
    bounds: tuple[Duration | None, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that is proved today, and the first month in which it is not. `place`: among the answers."""

    place: int
    today: Answer
    then: Answer
    month: Month


@dataclass(frozen=True, slots=True)
class Outlook:
    """What comes of the promises, whose answers are `today`, within `horizon` months.

    `months`: those that were judged, today's first; the last ones are left out where nothing is left to break.
    """

    horizon: int
    today: tuple[Answer, ...]
    months: tuple[Month, ...]
    broken: tuple[Broken, ...]

    @property
    def proved(self) -> tuple[int, ...]:
        """The places of the answers that are proved today."""
        return _proved(self.today)


def grown_size(database: Database, months: int) -> Size:
    """Its size after `months` of compound growth, exactly, and then up to the next byte."""
    growth = database.grows.value if database.grows else Fraction(0)
    if not growth or not months:
        return database.size.value
    return Size(Fraction(ceil(database.size.value.amount * (1 + growth) ** months)))


def grown(program: Program, months: int) -> Program:
    """`program` with every database as large as it is after `months`; clauses keep their places."""
    databases = tuple(replace(one, size=replace(one.size, value=grown_size(one, months))) for one in program.databases)
    return replace(program, databases=databases)


def look_ahead(analysis: Analysis, horizon: int, *, whole: bool = False) -> Outlook:
    """The months 1 to `horizon`, each judged anew.

    It stops when nothing that is proved today is left to break, unless the `whole` is asked for.
    """
    program, today = analysis.program, analysis.answers
    grows = any(one.grows and one.grows.value for one in program.databases)
    months = [_month(program, 0, today)]
    standing = dict.fromkeys(_proved(today))
    broken: list[Broken] = []
    for number in range(1, horizon + 1):
        if not standing and not whole:
            break
        # Where nothing grows the verdicts of today are those of every month.
        answers = analyse(grown(program, number)).answers if grows else today
        months.append(_month(program, number, answers))
        lost = [place for place in standing if answers[place].verdict is not Verdict.PROVED]
        for place in lost:
            del standing[place]
            broken.append(Broken(place, today[place], answers[place], months[-1]))
    return Outlook(horizon, today, tuple(months), tuple(sorted(broken, key=lambda one: one.place)))


def _proved(answers: Sequence[Answer]) -> tuple[int, ...]:
    return tuple(place for place, one in enumerate(answers) if one.verdict is Verdict.PROVED)


def _month(program: Program, number: int, answers: Sequence[Answer]) -> Month:
    sizes = {one.name: grown_size(one, number) for one in program.databases if one.grows and one.grows.value}
    # A bound that holds for copies that are not kept long enough proves nothing.
    return Month(number, sizes, tuple(one.most if one.kept_long_enough else None for one in answers))
