"""The table that lark computed from `bkp.lark`, as an automaton that is quick to run.

Lark tells words apart by the state of the parser: each state has its own regular expression, of the terminals it
accepts. Here one expression cuts any text into pieces, and a state only says what a piece is to it. The two agree
wherever the state accepts the piece: the terminals keep their order, so the first of all that match is the first of
those accepted; and a name reaches at least as far as a keyword. Where it does not accept the piece, the state's own
expression decides, as lark's does: no name fits after `daily`, so that `at02:30` is `at` and a time of day there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bkpc_compiler.syntax.grammar import table
from bkpc_compiler.syntax.rules import Rule, rule_of
from bkpc_compiler.syntax.terminals import Accepted, Terminals

_SHIFT = 0


@dataclass(slots=True, eq=False)
class State:
    """A state of the parser: `actions` by the kind of word, `after` where a reduction leads, by its origin."""

    accepted: Accepted
    actions: dict[str, State | Rule] = field(default_factory=dict)
    after: dict[str, State] = field(default_factory=dict)


class Place:
    """A place in a text: the states that the parser is in, one within the other.

    There are few such places, whatever is written: a repetition comes back to where it was. So each keeps what a kind
    of word completes there and where it leads, and the states are gone through only the first time.
    """

    __slots__ = ("_inner", "_outer", "fixed", "free", "moves", "state")

    def __init__(self, state: State, outer: Place | None) -> None:
        self.state, self._outer = state, outer
        self.fixed, self.free = state.accepted.fixed, state.accepted.free
        self.moves: dict[str, tuple[tuple[Rule, ...], Place]] = {}
        self._inner: dict[State, Place] = {}

    def move(self, kind: str, accepting: State) -> tuple[tuple[Rule, ...], Place] | None:
        """The rules that a word of `kind` completes, and the place after it; None where it does not fit."""
        place, rules = self, []
        while place.state is not accepting:
            action = place.state.actions.get(kind)
            if action is None:
                return None
            if isinstance(action, State):
                place = place._within(action)
                break
            rules.append(action)
            for _ in range(action.size):
                assert place._outer is not None
                place = place._outer
            place = place._within(place.state.after[action.origin])
        found = self.moves[kind] = (tuple(rules), place)
        return found

    def _within(self, state: State) -> Place:
        if state not in self._inner:
            self._inner[state] = Place(state, self)
        return self._inner[state]


@dataclass(frozen=True, slots=True)
class Automaton:
    """Where it starts, the state in which all is read, and how it cuts text into pieces."""

    terminals: Terminals
    start: Place
    accepting: State


@cache
def automaton() -> Automaton:
    """The automaton of the grammar."""
    saved = table()
    memo: Mapping[int, Mapping[str, Any]] = saved["memo"]
    parser, lexer = saved["data"]["parser"]["parser"], saved["data"]["parser"]["lexer_conf"]
    terminals = Terminals([memo[one["@"]] for one in lexer["terminals"]], lexer["ignore"])
    symbols: Mapping[int, str] = parser["tokens"]
    rules = {number: rule_of(one) for number, one in memo.items() if one["__type__"] == "Rule"}
    states: dict[int, State] = {}
    for number, actions in parser["states"].items():
        states[number] = State(terminals.accepted(frozenset(symbols[symbol] for symbol in actions)))
    for number, actions in parser["states"].items():
        state = states[number]
        for symbol, (verb, target) in actions.items():
            name = symbols[symbol]
            if verb != _SHIFT:
                state.actions[name] = rules[target["@"]]
            elif name in terminals.names:
                state.actions[name] = states[target]
            else:
                state.after[name] = states[target]
    start, accepting = states[parser["start_states"]["start"]], states[parser["end_states"]["start"]]
    return Automaton(terminals, Place(start, None), accepting)
