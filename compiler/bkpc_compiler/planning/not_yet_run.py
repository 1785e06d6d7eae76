"""BKP7001 not-yet-run and BKP7002 not-yet-done: what the policy says beyond what this version runs.

Nothing is dropped in silence. One thing said for several databases is told once, at its clause.
"""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.in_force import policies_in_force
from bkpc_compiler.program.model import Database, Given, Policy, Program
from bkpc_compiler.source import Span


def not_yet_run(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per clause that this version can check but not run."""
    for database in _protected(analysis.program):
        if database.credentials and database.credentials.kind == "file":
            note = "it reads the login of a database from two environment variables"
            yield _error(database.credentials.span, "with a login from a file", note)


def _error(span: Span, words: str, note: str) -> Diagnostic:
    return Diagnostic(
        code="BKP7001",
        name="not-yet-run",
        severity=Severity.ERROR,
        message=f"this version of bkpc does not run {words}",
        primary=Label(span, "in no plan of this version"),
        notes=(note,),
        help="take this clause out until the version that runs it; the verdicts do not count it",
    )


def _protected(program: Program) -> list[Database]:
    names = {one.database for one in program.protections}
    return [one for one in program.databases if one.name in names]


def _levels(policy: Policy) -> list[tuple[Given[str], ...]]:
    images = [one.stores for one in policy.images] + [one.stores for one in policy.cold]
    return images + [one.stores for one in policy.hot]


def not_yet_done(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per clause that the runtime of this version leaves to people."""
    program = analysis.program
    folders = {store.name for store in program.stores if store.kind != "oss"}
    found = [one for policy in policies_in_force(program) for one in _left_to_people(policy, folders)]
    for span, words in found:
        yield Diagnostic(
            code="BKP7002",
            name="not-yet-done",
            severity=Severity.WARNING,
            message=f"this version does not {words}",
            primary=Label(span, "left to people"),
        )


def _left_to_people(policy: Policy, folders: set[str]) -> Iterator[tuple[Span, str]]:
    unlocked = sorted(folders & {store.value for level in _levels(policy) for store in level})
    if policy.lock and unlocked:
        names = ", ".join(f"`{name}`" for name in unlocked)
        yield policy.lock.span, f"lock a directory ({names}): whoever may write there may delete"
