"""The one place where the simulator meets what it judges: programs in, verdicts and plans out."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.program.model import Program, Promise
from bkpc_compiler.source import Span
from bkpc_grammar.plan import Plan
from bkpc_grammar.quantities import Duration


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says of one objective; times in seconds."""

    database: str
    promise: Promise
    kind: str  # "rpo" | "rto"
    objective: float
    verdict: str  # "PROVED" | "REFUTED" | "UNDECIDED"
    upper: float  # endless where nothing is proved
    lower: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One program, checked and planned."""

    verdicts: tuple[Verdict, ...]
    plan: Plan | None


def _place(_: Span) -> tuple[str, str]:
    return ("file:1", "text")


def _seconds(bound: Duration | None) -> float:
    """A bound; endless where there is none."""
    return float(bound.seconds) if bound is not None else inf


def judged(program: Program, planned: bool = True) -> Judged:
    """What the checker and, if wanted, the planner make of a program."""
    analysis = analyse(program)
    plan: Plan | None = None
    if planned:
        from bkpc_compiler.planning.emit import emit

        plan = emit(analysis, "test", _place)
    verdicts = tuple(
        Verdict(
            one.database.name,
            one.promise,
            str(one.kind),
            float(one.objective.value.seconds),
            str(one.verdict).rpartition(".")[2].upper(),
            _seconds(one.most),
            _seconds(one.least),
        )
        for one in analysis.answers
    )
    return Judged(verdicts, plan)
