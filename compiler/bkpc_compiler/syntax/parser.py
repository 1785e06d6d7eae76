"""Text to tree, by the grammar `bkp.lark`; after a mistake it goes on at the next statement."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import SourceFile, Span
from bkpc_compiler.syntax.tree import Clause, Word

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

_STATEMENT = re.compile(
    r"^(?=(?:edition|timezone|import|let|site|link|store|database|group|storage|defaults|policy|protect"
    r"|require|waive|test|retire)\b)",
    re.MULTILINE,
)


def parse(source: SourceFile) -> tuple[tuple[Clause, ...], list[Diagnostic]]:
    """The statements of a file that can be read, and a diagnostic for each that can't."""
    starts = sorted({0, *(match.start() for match in _STATEMENT.finditer(source.text))})
    whole = _parse_part(source, 0, len(source.text))
    if not isinstance(whole, Diagnostic):
        return whole, []
    statements: list[Clause] = []
    found: list[Diagnostic] = []
    for start, end in zip(starts, [*starts[1:], len(source.text)], strict=True):
        part = _parse_part(source, start, end)
        if isinstance(part, Diagnostic):
            found.append(part)
        else:
            statements += part
    return tuple(statements), found or [whole]


def _parse_part(source: SourceFile, start: int, end: int) -> tuple[Clause, ...] | Diagnostic:
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

    try:
        tree = _grammar().parse(source.text[start:end])
    except UnexpectedToken as problem:
        token = problem.token
        if token.type == "$END":
            at = Span(source.path, max(start, end - 1), end)
            return unreadable(at, "the file ends before this statement does", None)
        at = Span(source.path, start + (token.start_pos or 0), start + (token.end_pos or 0))
        return unreadable(at, f"`{token}` does not fit here", _hint(str(token)))
    except UnexpectedEOF:
        at = Span(source.path, max(start, end - 1), end)
        return unreadable(at, "the file ends before this statement does", None)
    except UnexpectedCharacters as problem:
        offset = start + (problem.pos_in_stream or 0)
        word = re.compile(r"[^\s{},]+|.").match(source.text, offset)
        stop = word.end() if word else offset + 1
        text = source.text[offset:stop]
        return unreadable(Span(source.path, offset, stop), f"`{text}` does not fit here", _hint(text))
    return _clause(tree, source.path, start).parts  # type: ignore[return-value] # the root holds statements only


def unreadable(span: Span, message: str, help_text: str | None) -> Diagnostic:
    """BKP0001: the text is not of the language."""
    return Diagnostic("BKP0001", "unreadable", Severity.ERROR, message, Label(span), help=help_text)


def _hint(text: str) -> str | None:
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return "write the number with its unit, such as `10s`, `120GiB` or `500Mbit/s`"
    return None


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


@cache
def _grammar() -> Lark:
    from lark import Lark

    text = files("bkpc_grammar").joinpath("bkp.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="contextual", maybe_placeholders=False, keep_all_tokens=True)
