"""The syntax tree: clauses and words, each with its span. Frozen; a later phase makes its own values.

Structs, and outside the garbage collector (no tree has a circle): an estate of 10,000 databases has half a million
words, and a dataclass takes ten times as long to be made.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from bkpc_compiler.source import Span


class Word(Struct, frozen=True, gc=False):
    """One token: `kind` is the grammar's terminal (`NAME`, `STRING`, `QUANTITY`, a keyword …)."""

    kind: str
    text: str
    span: Span


class Clause(Struct, frozen=True, gc=False):
    """One rule of the grammar applied: `kind` is the rule or alias, `parts` all it consists of."""

    kind: str
    parts: tuple[Clause | Word, ...]
    span: Span

    def words(self, kind: str) -> list[Word]:
        """The words of `kind` directly in this clause."""
        return [part for part in self.parts if part.kind == kind and isinstance(part, Word)]

    def clauses(self, *kinds: str) -> Iterator[Clause]:
        """The clauses directly in this one, of one of `kinds` (none named: all)."""
        for part in self.parts:
            if (not kinds or part.kind in kinds) and isinstance(part, Clause):
                yield part

    def clause(self, *kinds: str) -> Clause | None:
        """The first clause of one of `kinds`."""
        for part in self.parts:
            if part.kind in kinds and isinstance(part, Clause):
                return part
        return None

    def first_of_each(self) -> dict[str, Clause]:
        """The first clause of every kind there is: for statements that are asked for many."""
        return {part.kind: part for part in reversed(self.parts) if isinstance(part, Clause)}

    @property
    def name(self) -> Word:
        """The first name in this clause."""
        return next(part for part in self.parts if part.kind == "NAME" and isinstance(part, Word))
