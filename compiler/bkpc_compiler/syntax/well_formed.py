"""Text that is of the language to clauses, in one go: quick, and silent about text that is not."""

from __future__ import annotations

from typing import Any

from bkpc_compiler.source import Span
from bkpc_compiler.syntax.automaton import Automaton, State, automaton
from bkpc_compiler.syntax.tree import Clause, Word


def statements_of(path: str, text: str, start: int, end: int) -> tuple[Clause, ...] | None:
    """The statements in `text[start:end]`; None where it is not of the language."""
    machine = automaton()
    terminals, accepting = machine.terminals, machine.accepting
    state = machine.start
    states: list[State] = [state]
    values: list[Any] = []  # words, clauses, and the lists that lark makes of repetitions
    at = start
    while True:
        for piece in terminals.pieces.finditer(text, at, end):
            group = piece.lastindex or 0  # never nothing: each alternative is a group
            written = piece[group]
            first, at = piece.span(group)
            kind = state.fixed.get(written) or state.free.get(group)
            as_cut = kind is not None
            if kind is None:
                found = terminals.match(state.accepted, text, first, end)
                if found is None:
                    return None
                kind, at = found
                written = text[first:at]
            action = state.actions.get(kind)
            if not isinstance(action, State):
                action = _reduced(machine, states, values, kind, path)
                if action is None:
                    return None
                if action is accepting:
                    whole: Clause = values[0]
                    return whole.parts  # type: ignore[return-value] # the root holds statements only
            state = action
            states.append(state)
            values.append(Word(kind, written, Span(path, first, at)))
            if not as_cut:
                break


def _reduced(machine: Automaton, states: list[State], values: list[Any], kind: str, path: str) -> State | None:
    """Everything done that a word of `kind` completes: the state after that word, or that in which all is read."""
    state, accepting = states[-1], machine.accepting
    while state is not accepting:
        action = state.actions.get(kind)
        if action is None or isinstance(action, State):
            return action
        action.reduce(values, path)
        del states[len(states) - action.size :]
        state = states[-1].after[action.origin]
        states.append(state)
    return state
