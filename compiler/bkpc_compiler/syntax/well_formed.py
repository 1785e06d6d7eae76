"""Text that is of the language to clauses, in one go: quick, and silent about text that is not."""

from __future__ import annotations

from typing import Any

from bkpc_compiler.source import Span
from bkpc_compiler.syntax.automaton import automaton
from bkpc_compiler.syntax.tree import Clause, Word


def statements_of(path: str, text: str, start: int, end: int) -> tuple[Clause, ...] | None:
    """The statements in `text[start:end]`; None where it is not of the language."""
    machine = automaton()
    terminals, accepting = machine.terminals, machine.accepting
    place = machine.start
    values: list[Any] = []  # words, clauses, and the lists that lark makes of repetitions
    at = start
    while True:
        for piece in terminals.pieces.finditer(text, at, end):
            group = piece.lastindex or 0  # never nothing: each alternative is a group
            written = piece[group]
            first, at = piece.span(group)
            kind = place.fixed.get(written) or place.free.get(group)
            as_cut = kind is not None
            if kind is None:
                found = terminals.match(place.state.accepted, text, first, end)
                if found is None:
                    return None
                kind, at = found
                written = text[first:at]
            move = place.moves.get(kind) or place.move(kind, accepting)
            if move is None:
                return None
            rules, place = move
            for rule in rules:
                rule.reduce(values, path)
            if place.state is accepting:
                whole: Clause = values[0]
                return whole.parts  # type: ignore[return-value] # the root holds statements only
            values.append(Word(kind, written, Span(path, first, at)))
            if not as_cut:
                break
