"""Letters that are not what they look like: blank ones, marks between words, and scripts mixed within one name.

Names may be written in any script, and nearly all files have none but ASCII: those are never gone through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.source import SourceFile, Span
from bkpc_compiler.syntax.hints import unreadable
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_grammar.visible import is_hidden

_MARK = "\ufeff"
_BETWEEN = re.compile(rf'"(?:[^"\\\n]|\\.)*"|#[^\n]*|{_MARK}+')
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Scripts with letters that are drawn like those of another."""
_TWINS = str.maketrans(
    "аеорсухіјѕԁԛԝһӏАВЕЅЗІЈКМНОРСТХҮԌνοαρκιτυηγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɑɡցհոսօ",
    "aeopcyxijsdqwhlABES3IJKMHOPCTXYGvoapkitunywABEZHIKMNOPTYXiagghnuo",
)


def odd_letters(source: SourceFile, statements: Iterable[Clause]) -> Iterator[Diagnostic]:
    """BKP0001: what nobody sees, or nobody sees for what it is."""
    if source.text.isascii():
        return
    for found in _BETWEEN.finditer(source.text):
        if found[0].startswith(_MARK):
            span = Span(source.path, found.start(), found.end())
            yield unreadable(span, "a byte order mark (U+FEFF) stands here", "take it out: it can't be seen")
    for word in _names(statements):
        hidden = next((char for char in word.text if is_hidden(char)), None)
        if hidden is not None:
            yield unreadable(word.span, f"{_called(hidden)} in this name can't be seen", "write the name without it")
        elif mixed := _mixed(word.text):
            words = f"`{word.text}` mixes scripts whose letters look alike, {_called(mixed)} with others"
            yield unreadable(word.span, words, "write it in one script, or join parts with `_` or `-`")


def told_apart(name: str, others: Iterable[str]) -> str | None:
    """One of `others` that looks the same as `name` and is not, with the letter that differs; None: none does."""
    others = tuple(others)
    if name.isascii() and all(one.isascii() for one in others):
        return None
    look = looks(name)
    twin = next((one for one in others if one != name and looks(one) == look), None)
    if twin is None:
        return None
    pairs = [pair for pair in zip(name, twin, strict=False) if pair[0] != pair[1]]
    differs = f": {_called(pairs[0][0])} is not {_called(pairs[0][1])}" if len(name) == len(twin) and pairs else ""
    return f"`{twin}` looks the same{differs}"


def looks(name: str) -> str:
    """What a name is drawn as: the same for names that can't be told apart."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name).translate(_TWINS)


def _names(clauses: Iterable[Clause]) -> Iterator[Word]:
    for clause in clauses:
        for part in clause.parts:
            if isinstance(part, Clause):
                yield from _names((part,))
            elif part.kind == "NAME" and not part.text.isascii():
                yield part


def _mixed(name: str) -> str | None:
    """The first letter of another script than the letters before it, within one part of a name."""
    for part in re.split(r"[\W\d_]+", name):
        scripts = [(char, _script(char)) for char in part]
        known = [(char, script) for char, script in scripts if script in _ALIKE]
        for char, script in known:
            if script != known[0][1]:
                return char if not char.isascii() else known[0][0]
    return None


def _script(char: str) -> str:
    words = unicodedata.name(char, "").split()
    return words[1] if words[:1] == ["FULLWIDTH"] else words[0] if words else ""


def _called(char: str) -> str:
    """`е` (U+0435, cyrillic small letter ie)."""
    return f"`{char}` (U+{ord(char):04X}, {unicodedata.name(char, 'a character without a name').lower()})"
