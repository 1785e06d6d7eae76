"""An explanation as a JSON document: docs/explain.md names its keys."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

from bkpc_compiler.commands.verdicts import STANDING
from bkpc_compiler.explanation.explanation import (
    Cell,
    Explanation,
    Failure,
    Line,
    Objective,
    ReservedJob,
    ReservedStream,
    Source,
    Waterfall,
)


def as_json(explanation: Explanation) -> str:
    """The document. Quantities are exact: see `exact`."""
    import msgspec

    document = {
        "database": explanation.database,
        "policy": explanation.policy,
        "failures": [_failure(one) for one in explanation.failures],
        "assumed": [_source(one) for one in explanation.assumed],
        "standing": list(STANDING),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def exact(number: Fraction) -> str:
    """A number without loss: `5`, `0.03`, or a fraction `2/3` where no decimal is it."""
    if number.denominator == 1:
        return str(number.numerator)
    digits = 0
    scaled = number
    while scaled.denominator != 1 and (scaled.denominator % 2 == 0 or scaled.denominator % 5 == 0):
        scaled *= 10
        digits += 1
    if scaled.denominator != 1:
        return f"{number.numerator}/{number.denominator}"
    whole = f"{abs(scaled.numerator):0{digits + 1}}"
    return f"{'-' if number < 0 else ''}{whole[:-digits]}.{whole[-digits:]}"


def _exact(number: Fraction | None) -> str | None:
    return None if number is None else exact(number)


def _failure(one: Failure) -> dict[str, Any]:
    return {
        "scope": one.scope.value,
        "lost": one.lost,
        "down": list(one.down),
        "along": list(one.along),
        "objectives": [_objective(objective) for objective in one.objectives],
        "lines": [_line(line) for line in one.lines],
        "gone": list(one.gone),
        "jobs": [_job(job) for job in one.jobs],
        "streams": [_stream(stream) for stream in one.streams],
    }


def _objective(one: Objective) -> dict[str, Any]:
    return {
        "objective": one.kind,
        "verdict": one.verdict.value,
        "promised_seconds": exact(one.promised.amount),
        "promised_ms": one.promised.milliseconds_up(),
        "share": exact(one.share),
        "source": _source(one.source),
        "at_most_seconds": exact(one.upper.total) if one.upper else None,
        "at_most_ms": ceil(one.upper.total * 1000) if one.upper else None,
        "margin_seconds": _exact(one.margin),
        "at_most": _terms(one.upper),
        "at_least_seconds": exact(one.lower.total) if one.lower else None,
        "at_least_ms": ceil(one.lower.total * 1000) if one.lower else None,
        "at_least": _terms(one.lower),
        "remarks": list(one.remarks),
    }


def _terms(waterfall: Waterfall | None) -> list[dict[str, Any]] | None:
    """The terms; their whole milliseconds add up to the bound's, which is rounded up."""
    if waterfall is None:
        return None
    terms = []
    for one in waterfall.summands:
        until = ceil((one.begins + one.lasts) * 1000)
        terms.append(
            {
                "label": one.label,
                "begins_seconds": exact(one.begins),
                "seconds": exact(one.lasts),
                "ms": until - ceil(one.begins * 1000),
                "sources": [_source(source) for source in one.sources],
                "working": [_cell(cell) for cell in one.cells],
            }
        )
    return terms


def _cell(one: Cell) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": exact(one.value),
        "unit": one.unit,
        "expression": one.expression or None,
        "note": one.note,
        "source": _source(one.source) if one.source else None,
    }


def _source(one: Source) -> dict[str, Any]:
    return {"where": one.where, "text": one.text, "provenance": one.origin.value, "measured": one.measured or None}


def _line(one: Line) -> dict[str, Any]:
    return {
        "chosen": one.chosen,
        "image": list(one.image),
        "logs": list(one.logs),
        "place": one.place,
        "loses_at_most_seconds": _exact(one.loses_most),
        "loses_at_least_seconds": _exact(one.loses_least),
        "back_alone_seconds": _exact(one.back_alone),
        "why_not": one.why_not or None,
    }


def _job(one: ReservedJob) -> dict[str, Any]:
    read = {"read_bytes": one.sought, "read_bytes_per_second": one.sought_rate} if one.sought else {}
    return {
        "id": one.id,
        "reads": one.reads,
        "writes": one.writes,
        "offset_seconds": _exact(one.offset),
        "slot_seconds": _exact(one.lasts),
        "beside_seconds": _exact(one.beside),
        "bytes": one.effort,
        "bytes_per_second": one.rate,
        **read,
        "source": _source(one.source),
    }


def _stream(one: ReservedStream) -> dict[str, Any]:
    return {
        "id": one.id,
        "writes": one.writes,
        "bytes_per_second": one.rate,
        "fits": one.fits,
        "source": _source(one.source),
    }
