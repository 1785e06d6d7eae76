"""Diagnostics and verdicts as one JSON document, in the order of the text."""

from __future__ import annotations

from typing import Any

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Edit, Label
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.verdict import Answer
from bkpc_compiler.passes import Checked
from bkpc_compiler.source import Sources


def as_json(checked: Checked) -> str:
    """`{"diagnostics": […], "verdicts": […]}`; durations in milliseconds, rounded up."""
    import msgspec

    document = {
        "diagnostics": [_diagnostic(one, checked.sources) for one in checked.diagnostics],
        "verdicts": [_verdict(answer) for answer in checked.answers],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _diagnostic(one: Diagnostic, sources: Sources) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": one.name,
        "severity": one.severity.value,
        "message": one.message,
        "primary": _label(one.primary, sources),
        "secondary": [_label(label, sources) for label in one.secondary],
        "notes": list(one.notes),
        "help": one.help,
        "edit": _edit(one.edit, sources),
    }


def _edit(edit: Edit | None, sources: Sources) -> dict[str, Any] | None:
    """What a machine may replace: the text from `line` and `column` on that reads `old`, by `new`.

    `fact`: `new` says something of the world, which must be made true first.
    """
    source = sources.get(edit.span.file) if edit else None
    if edit is None or source is None:
        return None
    place = source.position(edit.span.start)
    old = source.slice(edit.span)
    at = {"file": edit.span.file, "line": place.line, "column": place.column}
    return {**at, "old": old, "new": edit.text, "fact": edit.fact}


def _label(label: Label, sources: Sources) -> dict[str, Any]:
    source = sources.get(label.span.file)
    place = source.position(label.span.start) if source else None
    return {
        "file": label.span.file,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "text": label.text,
    }


def _verdict(answer: Answer) -> dict[str, Any]:
    return {
        "verdict": answer.verdict.value,
        "database": answer.database.name,
        "scope": answer.promise.scope.value,
        "objective": answer.kind,
        "promised_ms": answer.objective.value.milliseconds_up(),
        "at_most_ms": _total(answer.upper),
        "at_least_ms": _total(answer.lower),
    }


def _total(bound: Bound | None) -> int | None:
    return bound.total.milliseconds_up() if bound else None
