"""Requirements of one kind, each with the protections they hold for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from bkpc_compiler.program.model import Program, Protection, Requirement
from bkpc_grammar.quantities import Duration

COMPARE: dict[str, Callable[[Duration, Duration], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
"""Comparisons of the language."""


def required(program: Program, *kinds: str) -> Iterator[tuple[Requirement, Protection]]:
    """Every requirement of `kinds`, paired with every protected database it selects."""
    protections = {one.database: one for one in program.protections}
    for requirement in program.requirements:
        if requirement.kind in kinds:
            for name in requirement.databases:
                if name in protections:
                    yield requirement, protections[name]
