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
from bkpc_compiler.syntax.terminals import Accepted, Terminals

_SHIFT = 0


@dataclass(frozen=True, slots=True, eq=False)
class Single:
    """A rule of one part: a clause of that part."""

    kind: str
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Another:
    """One more item (and what separates it) for the list that lark makes of a repetition."""

    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """Any other rule: how many parts it takes, and what they become."""

    size: int
    kind: str
    origin: str
    is_list: bool
    """A rule of lark's own, for a repetition: its parts become those of the rule around it."""
    is_optional: bool
    """`?rule`: of a single part nothing is made but that part."""
    lists: tuple[bool, ...]
    """Which of the parts are such lists."""


@dataclass(slots=True, eq=False)
class State:
    """A state of the parser: `actions` by the kind of word, `after` where a reduction leads, by its origin."""

    accepted: Accepted
    fixed: Mapping[str, str]
    free: Mapping[int, str]
    actions: dict[str, State | Single | Another | Several] = field(default_factory=dict)
    after: dict[str, State] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Automaton:
    """Where it starts, where it ends, and how it cuts text into pieces."""

    terminals: Terminals
    start: State
    accepting: State


@cache
def automaton() -> Automaton:
    """The automaton of the grammar."""
    saved = table()
    memo: Mapping[int, Mapping[str, Any]] = saved["memo"]
    parser, lexer = saved["data"]["parser"]["parser"], saved["data"]["parser"]["lexer_conf"]
    terminals = Terminals([memo[one["@"]] for one in lexer["terminals"]], lexer["ignore"])
    symbols: Mapping[int, str] = parser["tokens"]
    rules = {number: _reduction(one) for number, one in memo.items() if one["__type__"] == "Rule"}
    states: dict[int, State] = {}
    for number, actions in parser["states"].items():
        accepted = terminals.accepted(frozenset(symbols[symbol] for symbol in actions))
        states[number] = State(accepted, accepted.fixed, accepted.free)
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
    return Automaton(terminals, states[parser["start_states"]["start"]], states[parser["end_states"]["start"]])


def _reduction(rule: Mapping[str, Any]) -> Single | Another | Several:
    origin: str = rule["origin"]["name"]
    lists = tuple(one["__type__"] == "NonTerminal" and one["name"].startswith("_") for one in rule["expansion"])
    kind, is_list = rule["alias"] or origin, origin.startswith("_")
    is_optional = rule["options"]["expand1"] and not rule["alias"]
    if lists == (False,) and not is_list and not is_optional:
        return Single(kind, origin)
    if is_list and rule["expansion"][0]["name"] == origin and not any(lists[1:]):
        return Another(len(lists))
    return Several(len(lists), kind, origin, is_list, is_optional, lists)
