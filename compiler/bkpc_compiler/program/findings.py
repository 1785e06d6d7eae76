"""What is found while statements are taken, without what only follows from one that could not be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.program.names import of_another_kind, similar
from bkpc_compiler.program.refusal import UnknownName, WrongValue
from bkpc_compiler.syntax.tree import Clause

KINDS = {kind: kind for kind in ("site", "store", "database", "group", "policy")} | {"class_": "class", "let": "value"}
"""Kinds of statements that declare a name, and what such a thing is called."""
COMPARED = 50
"""So many unknown names are compared with all that are known. Where there are more, a file is missing, rather than a
letter in each; and comparing thousands with thousands takes minutes."""


class Findings:
    """Diagnostics, and the names whose statements could not be taken: those are not unknown as well."""

    def __init__(self, statements: Sequence[Clause], unread: Iterable[tuple[str, str]]) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._meant_by: dict[tuple[str, str], str | None] = {}
        self._lost: set[tuple[str, str]] = set(unread)
        self._declared = {one.name.text: (KINDS[one.kind], one.name.span) for one in statements if one.kind in KINDS}

    def add(self, found: Iterable[Diagnostic]) -> None:
        self.diagnostics += found

    def refuse(self, problem: WrongValue) -> None:
        """Tell of a problem, unless the name it misses was declared in a statement that has one itself."""
        found = problem.diagnostic
        if isinstance(problem, UnknownName):
            if self.has_lost(problem.kind, problem.name):
                return
            if problem.name in self._declared:
                found = of_another_kind(found, *self._declared[problem.name])
            else:
                found = replace(found, help=self._meant(problem) or found.help)
        self.diagnostics.append(found)

    def _meant(self, problem: UnknownName) -> str | None:
        """A help with what was perhaps meant by an unknown name."""
        key = (problem.kind, problem.name)
        if key not in self._meant_by and len(self._meant_by) < COMPARED:
            self._meant_by[key] = similar(problem)
        return self._meant_by.get(key)

    def lose(self, kind: str, name: str) -> None:
        """The statement that declares the `kind` called `name` could not be taken."""
        self._lost.add((kind, name))

    def has_lost(self, kind: str, name: str) -> bool:
        return (kind, name) in self._lost

    @property
    def whole(self) -> bool:
        """Whether every statement was taken."""
        return not self._lost
