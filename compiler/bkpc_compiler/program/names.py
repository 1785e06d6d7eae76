"""Looking a name up, and what to say when it isn't there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.refusal import UnknownName, WrongValue
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.letters import told_apart
from bkpc_compiler.syntax.tree import Clause, Word

_CLOSED = ("scope", "day", "way to recover")
_MOST_TOLD = 12
"""Names of a circle that a message tells."""
_HELPS = {"value": "declare it with `let`", "class": 'the classes of OSS come with `import "std/oss"`'}


def unknown_name(word: Word, kind: str, known: Iterable[str]) -> UnknownName:
    """BKP1002: a name that nothing declares."""
    hint = _HELPS.get(kind, f"declare the {kind} or import its file")
    if kind in _CLOSED:
        hint = f"one of {', '.join(known)}"
    message = f"there is no {kind} `{word.text}`"
    found = Diagnostic("BKP1002", "unknown-name", Severity.ERROR, message, Label(word.span), help=hint)
    return UnknownName(found, kind, word.text, known)


def similar(found: UnknownName) -> str | None:
    """A help with the known name that looks the same as the unknown one, or is most like it; None: none is much so."""
    known = sorted(found.known)
    alike = told_apart(found.name, known)
    if alike:
        return f"there is a {found.kind} of another spelling: {alike}"
    near = get_close_matches(found.name, known, n=1)
    return f"there is a {found.kind} with a similar name: `{near[0]}`" if near else None


def of_another_kind(found: Diagnostic, kind: str, declared: Span) -> Diagnostic:
    """The same, for a name that something else has."""
    label = Label(declared, f"this {kind}")
    message = f"{found.message}: a {kind} has that name"
    return replace(found, message=message, secondary=(label,), help=None)


def known(word: Word, kind: str, names: Iterable[str]) -> str:
    """The name, if `names` has it."""
    if word.text not in names:
        raise unknown_name(word, kind, names)
    return word.text


def circle(word: Word, way: Sequence[str], verb: str) -> Diagnostic:
    """BKP1009: things that wait for one another."""
    told = way
    if len(way) > _MOST_TOLD:
        told = (*way[: _MOST_TOLD // 2], f"{len(way) - _MOST_TOLD:,} more", *way[-_MOST_TOLD // 2 :])
    message = f"`{word.text}` {verb} itself: {' → '.join(told)}"
    help_text = "take one of these out"
    return Diagnostic("BKP1009", "circle", Severity.ERROR, message, Label(word.span), help=help_text)


def missing_clause(statement: Clause, clause: str, help_text: str = "") -> WrongValue:
    """BKP1003: a statement lacks what it can't do without."""
    word = statement.words("NAME")[0] if statement.words("NAME") else None
    what = {"link": "this link"}.get(statement.kind, f"`{word.text}`" if word else f"this {statement.kind}")
    span = word.span if word else statement.span
    words = help_text or f"add `{clause.replace('_', ' ')} …`"
    message = f"{what} has no `{clause.replace('_', ' ')}`"
    return WrongValue(Diagnostic("BKP1003", "missing-clause", Severity.ERROR, message, Label(span), help=words))


def declared_twice(first: Word, second: Word, message: str = "") -> Diagnostic:
    """BKP1004: one name, two things; with a message where the name is not what is wrong."""
    return Diagnostic(
        "BKP1004",
        "declared-twice",
        Severity.ERROR,
        message or f"`{second.text}` is declared twice",
        Label(second.span, "again here"),
        (Label(first.span, "first here"),),
        help="take one of the two out" if message else "rename one of the two",
    )


def import_fails(word: Word, why: str) -> Diagnostic:
    """BKP1005: an import that leads nowhere, or in a circle."""
    return Diagnostic("BKP1005", "import-fails", Severity.ERROR, why, Label(word.span))


def not_yet_in_effect(clause: Clause, what: str) -> Diagnostic:
    """BKP1006: a clause this version reads but gives no effect."""
    return Diagnostic(
        "BKP1006",
        "not-yet-in-effect",
        Severity.WARNING,
        f"`{what}` has no effect in this version",
        Label(clause.span),
    )


def selects_nobody(span: Span, severity: Severity = Severity.ERROR) -> WrongValue:
    """BKP1010: a condition that no database meets: what it was meant for stays without."""
    message = "no database meets this condition"
    help_text = "compare it with the `labels` of the databases"
    return WrongValue(Diagnostic("BKP1010", "selects-nobody", severity, message, Label(span), help=help_text))
