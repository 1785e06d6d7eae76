"""What a change takes from other promises: bounds do not move one way with every figure, and resources are shared."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from bkpc_compiler.program.model import Program

NAMED = 2
"""Promises, or jobs and streams, that are named."""


def harm_of(analysis: Analysis, program: Program) -> str:
    """` (but … is then no longer proved)`, where a promise that is proved of `analysis` is not of `program`; or a job
    that is done in its window, or a stream that has room, then isn't or hasn't: nothing could be compiled."""
    changed = analyse(program)
    harms = [*_unproved(analysis, changed), *_told(crowded_out(analysis.demand, changed.demand))]
    return f" (but {'; '.join(harms)})" if harms else ""


def _unproved(before: Analysis, changed: Analysis) -> Iterator[str]:
    after = {_key(one): one.verdict for one in changed.answers}
    lost = [
        one
        for one in before.answers
        if one.verdict is Verdict.PROVED and after.get(_key(one), Verdict.PROVED) is not Verdict.PROVED
    ]
    told = [f"`{one.kind} {one.promised}` of `{one.database.name}` against {one.promise.scope.value}" for one in lost]
    if told:
        yield f"{_named(told)} {'is' if len(told) == 1 else 'are'} then no longer proved"


def crowded_out(before: Demand, after: Demand) -> list[str]:
    """The ids of what finds no room any more, or is new and finds none."""
    known = frozenset(_without_room(before))
    return [one for one in _without_room(after) if one not in known]


def _told(told: list[str]) -> Iterator[str]:
    if told:
        yield f"{_named(told)} {'does' if len(told) == 1 else 'do'} then not fit"


def _without_room(demand: Demand) -> list[str]:
    return [*(one.id for one in demand.jobs if one.late), *(one.id for one in demand.streams if not one.fits)]


def _named(told: list[str]) -> str:
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{', '.join(told[:NAMED])}{more}"


def _key(one: Answer) -> tuple[str, str, str]:
    return (one.database.name, one.promise.scope.value, one.kind)
