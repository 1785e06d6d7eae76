"""What is said about text that does not fit: what was meant, or what may stand there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.grammar import parser
from bkpc_grammar.quantities import BITS, BYTES, SECONDS
from bkpc_grammar.visible import is_hidden

if TYPE_CHECKING:
    from lark import UnexpectedInput

_IN_WORDS = {
    "NAME": "a name",
    "STRING": "a text in double quotes",
    "QUANTITY": "a value with its unit, such as `10s` or `120GiB`",
    "INTEGER": "a number",
    "CLOCK": "a time of day, such as `02:30`",
    "DATE": "a date, such as `2027-01-31`",
    "ARROW": "`--` or `->`",
    "OBJECTIVE": "`rpo` or `rto`",
    "COMPARISON": "a comparison, such as `<=`",
    "EQUALS": "`==`",
    "DIFFERS": "`!=`",
    "SYNC": "`sync`",
}
_MOST = 6
"""More than this many possibilities are no help."""
_UNITS = frozenset({*SECONDS, *BYTES, *BITS, "mo", "y"})


def unreadable(span: Span, message: str, help_text: str | None) -> Diagnostic:
    """BKP0001: the text is not of the language."""
    return Diagnostic("BKP0001", "unreadable", Severity.ERROR, message, Label(span), help=help_text)


def accepted(problem: UnexpectedInput) -> set[str]:
    """The terminals that could stand where the parser stopped: those of its state that lead on."""
    from lark.parsers.lalr_interactive_parser import InteractiveParser

    state: Any = getattr(problem, "state", None)
    parse: Any = None  # only asked for its state, never to go on
    there: Any = InteractiveParser(parse, state, state.lexer)
    return set(there.accepts())


def hint(text: str, before: str, expected: Iterable[str]) -> str | None:
    """A help for `text`, which stands after `before` on its line, where the grammar has the terminals `expected`."""
    if is_hidden(text[0]) and not text[0].isspace():
        return f"U+{ord(text[0]):04X} can't be seen: take it out"
    terminals = set(expected)
    if "QUANTITY" in terminals and re.fullmatch(r"\d+(?:\.\d+)?", text):
        return "write the number with its unit, such as `10s`, `120GiB` or `500Mbit/s`"
    number = re.search(r"(\d+(?:\.\d+)?)\s+$", before)
    if number and text.partition("/")[0] in _UNITS:
        return f"the number touches its unit: `{number[1]}{text}`"
    if text.startswith('"') and text.count('"') > 1:
        return r'in a text, `\` stands only before `"`, `\`, `n` and `u{…}`'
    if text[0] in "“”„«»「」'":
        return 'texts stand in straight double quotes: `"…"`'
    if re.match(r"-\d", text):
        return "there are no negative values"
    if text[0] in ",;:=":
        return f"nothing is needed here: take the `{text[0]}` out"
    return _meant(text, terminals) or _possible(terminals)


def _meant(text: str, terminals: set[str]) -> str | None:
    near = get_close_matches(text, sorted(_keywords(terminals)), n=1)
    return f"did you mean `{near[0]}`?" if near else None


def _possible(terminals: set[str]) -> str | None:
    words = sorted(f"`{word}`" for word in _keywords(terminals))
    words += [_IN_WORDS[name] for name in sorted(terminals & _IN_WORDS.keys())]
    if not words or len(words) > _MOST:
        return None
    return f"here stands {' or '.join(words)}"


def _keywords(terminals: set[str]) -> set[str]:
    return {
        one.pattern.value
        for one in parser().terminals
        if one.name in terminals and one.pattern.type == "str" and one.name not in _IN_WORDS
    }
