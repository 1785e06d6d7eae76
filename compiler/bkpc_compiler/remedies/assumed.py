"""Figures that `std/mysql` assumes and that would refute a promise, had an author said them.

Nothing is refuted for what nobody said, so the help names the clauses that would decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.program.model import Database, Given, Origin, Program
from bkpc_compiler.remedies.search import Trials


def undeclared(trials: Trials) -> str:
    """In words; empty where no assumed figure of the database would refute it."""
    answer, program = trials.answer, trials.analysis.program
    if answer.verdict is not Verdict.UNDECIDED:
        return ""
    figures = _assumed(program, answer.database)
    if not figures or not _refuted(trials, answer, figures):
        return ""
    alone = {clause: given for clause, given in figures.items() if _refuted(trials, answer, {clause: given})}
    which = alone or figures
    told = " and ".join(f"`{clause} {given.value}`" for clause, given in which.items())
    return f"std/mysql assumes {told} of `{answer.database.name}`, at which nobody can keep this: declare what is true"


def _assumed(program: Program, database: Database) -> Mapping[str, Given[Any]]:
    """By clause: what a lower bound leaves out until an author or a measurement says it."""
    found: dict[str, Given[Any]] = {}
    if database.burst.origin is Origin.STANDARD:
        found["burst"] = database.burst
    if database.verifies is None and program.verification.origin is Origin.STANDARD:
        found["verifies"] = program.verification
    return found


def _refuted(trials: Trials, answer: Answer, figures: Mapping[str, Given[Any]]) -> bool:
    """Whether it were, if these figures were declared."""
    said: dict[str, Any] = {clause: replace(given, origin=Origin.DECLARED) for clause, given in figures.items()}
    program = trials.analysis.program
    databases = tuple(replace(one, **said) if one.name == answer.database.name else one for one in program.databases)
    return trials.refutes(replace(program, databases=databases))
