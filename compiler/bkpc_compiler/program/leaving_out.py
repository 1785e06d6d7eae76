"""A statement without its wrong part: what is wrong with the rest is found in the same run."""

from __future__ import annotations

from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause, Word

_INNER = {"promise": ("rpo", "rto"), "flow": ("limit", "lag", "size_change", "verify_every_backup", "drill")}
"""Clauses whose own parts may be left out one by one."""


_NEEDED = {"size": "1B", "writes": "1B/s", "bandwidth": "1B/s", "provision": "1s"}
"""Clauses that a statement can't be without, each with a value that is right."""


def leaving_out(statement: Clause, span: Span) -> Clause | None:
    """`statement` without the clause around `span`, or with a right one where it must be there.

    None where `span` is in no clause that can be left out.
    """
    for number, part in enumerate(statement.parts):
        if not isinstance(part, Clause) or not _around(part.span, span):
            continue
        if statement.kind in _INNER and part.kind not in _INNER[statement.kind]:
            return None
        inner = leaving_out(part, span) if part.kind in _INNER else None
        kept = (inner,) if inner else _stand_in(part)
        parts = (*statement.parts[:number], *kept, *statement.parts[number + 1 :])
        return Clause(statement.kind, parts, statement.span)
    return None


def _stand_in(clause: Clause) -> tuple[Clause, ...]:
    span = clause.span
    if clause.kind in _NEEDED:
        value = Clause("value", (Word("QUANTITY", _NEEDED[clause.kind], span),), span)
        return (Clause(clause.kind, (value,), span),)
    if clause.kind == "mysql":
        return (Clause(clause.kind, (Word("STRING", '"host"', span),), span),)
    if clause.clause("credentials_env"):
        names = (Word("NAME", "A", span), Word("NAME", "B", span))
        return (Clause("credentials_env", names, span),)
    return ()


def _around(outer: Span, inner: Span) -> bool:
    return outer.file == inner.file and outer.start <= inner.start and inner.end <= outer.end
