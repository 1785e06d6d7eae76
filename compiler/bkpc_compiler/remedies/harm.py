"""What a change takes from other promises: bounds do not move one way with every figure, and resources are shared."""

from __future__ import annotations

from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from bkpc_compiler.program.model import Program

NAMED = 2
"""Promises that are named."""


def harm_of(analysis: Analysis, program: Program) -> str:
    """` (but … is then no longer proved)`, where a promise that is proved of `analysis` is not of `program`."""
    after = {_key(one): one.verdict for one in analyse(program).answers}
    lost = [
        one
        for one in analysis.answers
        if one.verdict is Verdict.PROVED and after.get(_key(one), Verdict.PROVED) is not Verdict.PROVED
    ]
    if not lost:
        return ""
    told = [f"`{one.kind} {one.promised}` of `{one.database.name}` against {one.promise.scope.value}" for one in lost]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    are = "is" if len(told) == 1 else "are"
    return f" (but {', '.join(told[:NAMED])}{more} {are} then no longer proved)"


def _key(one: Answer) -> tuple[str, str, str]:
    return (one.database.name, one.promise.scope.value, one.kind)
