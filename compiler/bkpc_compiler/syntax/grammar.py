"""The parser of the language: its table ships ready made, which saves a quarter of a second per run.

`python -m bkpc_compiler.syntax.grammar` renews `bkp.table`; a test holds it and `bkp.lark` together.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark

_PACKAGE = "bkpc_grammar"
_SHIFT = 0
"""What lark calls an action that goes on to another state."""


@cache
def parser() -> Lark:
    """The parser, from the shipped table where that is of this grammar and of the installed lark."""
    from lark import Lark

    head, body = _shipped()
    if head != _head():
        return build()
    return Lark.load(io.BytesIO(body))


def table() -> Mapping[str, Any]:
    """What `Lark.save` writes of this grammar: plain values, read without lark, whose import alone takes a while."""
    head, body = _shipped()
    if head.split()[-1] != _digest():
        saved = io.BytesIO()
        build().save(saved)
        body = saved.getvalue()
    # Package data, written by `main` below: as trustworthy as the code beside it.
    found: Mapping[str, Any] = pickle.loads(body)  # noqa: S301
    return found


def build() -> Lark:
    """The parser made from the grammar itself."""
    from lark import Lark

    return Lark(_text(), parser="lalr", lexer="contextual", maybe_placeholders=False, keep_all_tokens=True)


def _text() -> str:
    return files(_PACKAGE).joinpath("bkp.lark").read_text(encoding="utf-8")


def _shipped() -> tuple[bytes, bytes]:
    """The first line of the shipped table, which says what it is of, and the rest."""
    head, _, body = files(_PACKAGE).joinpath("bkp.table").read_bytes().partition(b"\n")
    return head, body


def _head() -> bytes:
    import lark

    return b"lark %s %s" % (lark.__version__.encode(), _digest())


def _digest() -> bytes:
    return hashlib.sha256(_text().encode()).hexdigest().encode()


def made() -> bytes:
    """The table as it ships, the same at each run."""
    saved = io.BytesIO()
    build().save(saved)
    found = pickle.loads(saved.getvalue())  # noqa: S301 - just written
    automaton = found["data"]["parser"]["parser"]
    automaton |= _numbered(automaton)
    return _head() + b"\n" + pickle.dumps(_of_its_own(found), protocol=5)


def _numbered(automaton: Mapping[str, Any]) -> dict[str, Any]:
    """An automaton whose tokens are numbered by name, its states as they are come to: lark numbers both as hashes
    fall, which differ from run to run."""
    names = automaton["tokens"]
    tokens = {old: new for new, old in enumerate(sorted(names, key=names.__getitem__))}
    rows = {
        state: sorted((tokens[token], action) for token, action in row.items())
        for state, row in automaton["states"].items()
    }
    states = {automaton["start_states"][name]: None for name in sorted(automaton["start_states"])}
    coming = [*states]
    for state in coming:
        for _, (kind, where) in rows[state]:
            if kind == _SHIFT and where not in states:
                states[where] = None
                coming.append(where)
    number = {state: at for at, state in enumerate(states)}
    return {
        "tokens": {new: names[old] for old, new in tokens.items()},
        "states": {
            number[state]: {token: (kind, number[to] if kind == _SHIFT else to) for token, (kind, to) in rows[state]}
            for state in states
        },
        "start_states": {name: number[state] for name, state in automaton["start_states"].items()},
        "end_states": {name: number[state] for name, state in automaton["end_states"].items()},
    }


def _of_its_own(value: Any) -> Any:
    """The same values, of which only equal texts are one object: what is written does not tell which were."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_of_its_own(key): _of_its_own(one) for key, one in value.items()}
    return type(value)(map(_of_its_own, value)) if isinstance(value, list | tuple) else value


def main() -> None:
    """Write the table."""
    Path(str(files(_PACKAGE).joinpath("bkp.table"))).write_bytes(made())


if __name__ == "__main__":
    main()
