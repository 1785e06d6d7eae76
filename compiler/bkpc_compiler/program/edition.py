"""The edition of a file: its first statement pins grammar, meaning and rules."""

from __future__ import annotations

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.source import SourceFile, Span
from bkpc_compiler.syntax.tree import Clause

EDITION = 1


def without_edition(source: SourceFile, statements: tuple[Clause, ...]) -> Diagnostic | None:
    """BKP1008: a file that does not begin with an edition this version knows."""
    found = [one for one in statements if one.kind == "edition"]
    if statements and found and found[0] is statements[0]:
        number = found[0].words("INTEGER")[0]
        if number.text != str(EDITION):
            return _wrong(number.span, f"this version does not know edition {number.text}")
        if len(found) > 1:
            return _wrong(found[1].span, "a file has one edition")
        return None
    if found:
        return _wrong(found[0].span, "the edition must be the first statement")
    return _wrong(Span(source.path, 0, min(1, len(source.text))), "the file does not say its edition")


def _wrong(span: Span, message: str) -> Diagnostic:
    help_text = f"begin the file with `edition {EDITION}`"
    return Diagnostic("BKP1008", "edition", Severity.ERROR, message, Label(span), help=help_text)
