"""The figures that backups and drills measured, as the document that `check --facts` reads.

Each is the worst of the newest measurements, rounded against the promise. Too little moved says nothing about a rate:
starting up would count for more than moving.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from bkpc_grammar.facts import UNITS, DatabaseFact
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.drills import Drill

NEWEST = 10
"""How many of the newest measurements count."""
_MORE_IS_WORSE = ("size", "tables")
LEAST_BYTES = 16 << 20
"""A rate is not measured on less."""


@dataclass(frozen=True, slots=True)
class _Measurement:
    """One measured value, of a day, by something with a name."""

    value: int
    day: date
    source: str


def database_facts(
    database: str, images: Sequence[Image], held: Sequence[Drill], *, unthrottled: bool
) -> list[DatabaseFact]:
    """What is known of a database from its images and drills, both newest first.

    `unthrottled`: whether its images were taken at full speed; else how long they took is the plan's doing, and tells
    nothing about the host.
    """
    full = [one for one in images if one.manifest.kind == "full"][:NEWEST]
    alike = [one for one in full if one.manifest.engine == full[0].manifest.engine]
    drilled = [one for one in held if one.passed][:NEWEST]
    found = [_worst(database, "size", [_size(one) for one in alike])]
    found.append(_worst(database, "tables", [_tables(one) for one in alike if not one.manifest.physical]))
    found.append(_worst(database, "dumps", [*_dumps(alike)] if unthrottled else []))
    found.append(_worst(database, "restores", [*_rates(drilled, "restore.image")]))
    found.append(_worst(database, "replays", [*_rates(drilled, "restore.log")]))
    return [one for one in found if one]


def _worst(
    database: str, figure: Literal["size", "tables", "dumps", "restores", "replays"], measured: Sequence[_Measurement]
) -> DatabaseFact | None:
    if not measured:
        return None
    worst = (max if figure in _MORE_IS_WORSE else min)(measured, key=lambda one: one.value)
    return DatabaseFact(
        name=database,
        figure=figure,
        unit=UNITS[figure],
        value=worst.value,
        measured_at=max(one.day for one in measured),
        source=worst.source,
        samples=len(measured),
    )


def _size(image: Image) -> _Measurement:
    return _Measurement(image.manifest.plain_size, _day(image.manifest.began), f"image {image.manifest.id}")


def _tables(image: Image) -> _Measurement:
    return _Measurement(image.manifest.tables, _day(image.manifest.began), f"image {image.manifest.id}")


def _dumps(images: Sequence[Image]) -> Iterator[_Measurement]:
    for image in images:
        began, finished = (datetime.fromisoformat(one) for one in (image.manifest.began, image.manifest.finished))
        milliseconds = int((finished - began).total_seconds() * 1000) + 1
        rate = image.manifest.plain_size * 1000 // milliseconds
        if image.manifest.plain_size >= LEAST_BYTES and rate:
            yield _Measurement(rate, _day(image.manifest.began), f"image {image.manifest.id}")


def _rates(held: Sequence[Drill], kind: str) -> Iterator[_Measurement]:
    for drill in held:
        for step in drill.steps:
            if step.kind == kind and step.plain_bytes >= LEAST_BYTES:
                rate = step.plain_bytes * 1000 // (step.milliseconds + 1)
                yield _Measurement(max(1, rate), _day(drill.began), f"drill {drill.id}")


def _day(moment: str) -> date:
    return datetime.fromisoformat(moment).date()
