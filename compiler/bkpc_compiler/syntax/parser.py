"""Text to tree, by the grammar `bkp.lark`; after a mistake it goes on at the next statement.

Text without mistakes is read quickly, without lark; lark has the last word on all other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.source import SourceFile, Span
from bkpc_compiler.syntax.grammar import parser
from bkpc_compiler.syntax.hints import accepted, hint, unreadable
from bkpc_compiler.syntax.letters import odd_letters
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_compiler.syntax.well_formed import statements_of

if TYPE_CHECKING:
    from lark import Token, Tree

_BRACES = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{}]')
_DECLARED = re.compile(r"^(let|site|store|database|group|storage\s+class|policy)\s+([^\W\d]\w*(?:-\w+)*)")
_WORD = re.compile(r'"(?:[^"\\\n]|\\.)*"?|[^\s{},;=]+|.', re.DOTALL)
STATEMENT = re.compile(
    r"^(?=(?:edition|timezone|import|let|site|link|store|database|group|storage|defaults|policy|protect"
    r"|require|waive|test|retire)\b)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The statements of a file that can be read, a diagnostic for each that can't, and what those declare."""

    statements: tuple[Clause, ...]
    found: tuple[Diagnostic, ...]
    unread: frozenset[tuple[str, str]]


def parse(source: SourceFile) -> Parsed:
    """All of a file."""
    parsed = grammatical(source)
    odd = tuple(odd_letters(source, parsed.statements))
    return replace(parsed, found=(*parsed.found, *odd)) if odd else parsed


def grammatical(source: SourceFile) -> Parsed:
    """The same, whatever its letters look like."""
    whole = statements_of(source.path, source.text, 0, len(source.text))
    if whole is not None:
        return Parsed(whole, (), frozenset())
    parsed = _parse_by_statement(source)
    if parsed.found:
        return parsed
    confirmed = parse_by_lark(source, 0, len(source.text))
    if isinstance(confirmed, Diagnostic):
        return Parsed(parsed.statements, (confirmed,), frozenset())
    return Parsed(confirmed, (), frozenset())


def _parse_by_statement(source: SourceFile) -> Parsed:
    """A file that does not fit, each of its statements by itself."""
    starts = sorted({0, *(match.start() for match in STATEMENT.finditer(source.text))})
    statements: list[Clause] = []
    found: list[Diagnostic] = []
    unread: set[tuple[str, str]] = set()
    for start, end in zip(starts, [*starts[1:], len(source.text)], strict=True):
        part = _parse_part(source, start, end)
        if isinstance(part, Diagnostic):
            found.append(part)
            declared = _DECLARED.match(source.text[start:end])
            if declared:
                keyword = " ".join(declared[1].split())
                unread.add(({"let": "value", "storage class": "class"}.get(keyword, keyword), declared[2]))
        else:
            statements += part
    return Parsed(tuple(statements), tuple(found), frozenset(unread))


def _parse_part(source: SourceFile, start: int, end: int) -> tuple[Clause, ...] | Diagnostic:
    found = statements_of(source.path, source.text, start, end)
    return parse_by_lark(source, start, end) if found is None else found


def parse_by_lark(source: SourceFile, start: int, end: int) -> tuple[Clause, ...] | Diagnostic:
    """A part of a file, by lark: what it says is what holds."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

    try:
        tree = parser().parse(source.text[start:end])
    except UnexpectedToken as problem:
        token = problem.token
        if token.type == "$END":
            return _unended(source, start, end)
        at = Span(source.path, start + (token.start_pos or 0), start + (token.end_pos or 0))
        return _unfit(source, at, accepted(problem))
    except UnexpectedEOF:
        return _unended(source, start, end)
    except UnexpectedCharacters as problem:
        offset = start + (problem.pos_in_stream or 0)
        word = _WORD.match(source.text, offset)
        stop = word.end() if word else offset + 1
        return _unfit(source, Span(source.path, offset, stop), accepted(problem))
    return _clause(tree, source.path, start).parts  # type: ignore[return-value] # the root holds statements only


def _unfit(source: SourceFile, at: Span, expected: Iterable[str]) -> Diagnostic:
    """Text that the grammar has no place for."""
    text = source.slice(at)
    line = source.position(at.start).line
    before = source.text[source.line_start(line) : at.start]
    if re.fullmatch(r'"(?:[^"\\]|\\.)*', text):
        return unreadable(at, "this text is never closed", 'add a `"` on the same line')
    return unreadable(at, f"`{text}` does not fit here", hint(text, before, expected))


def _unended(source: SourceFile, start: int, end: int) -> Diagnostic:
    """A statement that stops in the middle: at the brace that is still open, where there is one."""
    opened: list[int] = []
    for match in _BRACES.finditer(source.text, start, end):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            opened.pop()
    if opened:
        return unreadable(Span(source.path, opened[-1], opened[-1] + 1), "this `{` is never closed", "add a `}`")
    text = source.text[start:end].rstrip()
    at = start + len(text)
    return unreadable(Span(source.path, max(start, at - 1), max(at, start)), "this statement does not end", None)


def _clause(tree: Tree[Token], path: str, offset: int) -> Clause:
    parts: list[Clause | Word] = []
    for child in tree.children:
        if not isinstance(child, str):
            parts.append(_clause(child, path, offset))
        else:
            span = Span(path, offset + (child.start_pos or 0), offset + (child.end_pos or 0))
            parts.append(Word(child.type, str(child), span))
    first = parts[0].span.start if parts else offset
    last = parts[-1].span.end if parts else offset
    return Clause(str(tree.data), tuple(parts), Span(path, first, last))
