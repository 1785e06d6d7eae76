"""Diagnostics and verdicts as one JSON document, in the order of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bkpc_compiler.commands.explanation_json import exact
from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Edit, Label
from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.passes import Checked
from bkpc_compiler.rules.outgrown import calendar_month
from bkpc_compiler.source import Sources
from bkpc_grammar.facts import UNITS
from bkpc_grammar.quantities import Duration

if TYPE_CHECKING:
    from datetime import date

    from bkpc_compiler.feasibility.growth import Outlook
    from bkpc_compiler.program.measurement import Measurement


def as_json(checked: Checked) -> str:
    """`{"diagnostics": […], "verdicts": […]}`; durations in milliseconds, rounded up; all of a
    verdict are of `share` of all instants of failure, 1 for the worst one.

    With `--facts` also `measured`, with `--horizon` also `horizon`, and in each verdict what comes of it.
    """
    import msgspec

    document: dict[str, Any] = {
        "diagnostics": [_diagnostic(one, checked.sources) for one in checked.diagnostics],
        "verdicts": [_verdict(answer) for answer in checked.answers],
    }
    if checked.program and checked.circumstances.measured:
        document["measured"] = [_measured(one, checked) for one in checked.program.measured]
    if checked.outlook:
        document["horizon"] = {"months": checked.outlook.horizon, "no_longer_proved": len(checked.outlook.broken)}
        for place, verdict in enumerate(_ahead(checked.outlook, checked.circumstances.today)):
            document["verdicts"][place]["ahead"] = verdict
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
        "share": exact(answer.promise.share(answer.kind)),
        "at_most_ms": _milliseconds(answer.most),
        "at_least_ms": _at_least(answer),
    }


def _measured(one: Measurement, checked: Checked) -> dict[str, Any]:
    """Amounts in the unit of the figure (bytes, bytes per second, milliseconds), as in the document of facts."""
    scale = 1000 if isinstance(one.value, Duration) else 1
    today = checked.circumstances.today
    return {
        "about": one.about,
        "name": one.name,
        "site": one.site or None,
        "figure": one.figure,
        "unit": UNITS[one.figure],
        "value": int(one.value.amount * scale),
        "declared": str(one.declared) if one.declared else None,
        "where": checked.place_of(one.span)[0],
        "measured_at": str(one.measured_at),
        "age_days": one.age_in_days(today) if today else None,
        "source": one.source,
        "samples": one.samples,
    }


def _ahead(outlook: Outlook, today: date | None) -> Iterator[dict[str, Any] | None]:
    """Per verdict; null where nothing is proved today that could stop being so."""
    broken = {one.place: one for one in outlook.broken}
    for place, answer in enumerate(outlook.today):
        found = broken.get(place)
        if answer.verdict is not Verdict.PROVED:
            yield None
        elif found is None:
            yield {"first_month_not_proved": None}
        else:
            size = found.month.sizes.get(answer.database.name, answer.database.size.value)
            yield {
                "first_month_not_proved": found.month.number,
                "calendar_month": calendar_month(today, found.month.number) if today else None,
                "verdict": found.then.verdict.value,
                "at_most_ms": _milliseconds(found.then.most),
                "at_least_ms": _at_least(found.then),
                "size_bytes": size.bytes_up(),
            }


def _at_least(answer: Answer) -> int | None:
    """Of logs that are too much together one falls behind without end: the bound of each by itself says nothing."""
    return None if answer.overfull else _milliseconds(answer.least)


def _milliseconds(duration: Duration | None) -> int | None:
    return duration.milliseconds_up() if duration else None
