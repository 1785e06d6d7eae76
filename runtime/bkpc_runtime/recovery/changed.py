"""Which tables changed between a moment and a point: from the log, else by comparing images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.mysql.binlog.search import defined
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.moment import stored_with
from bkpc_runtime.recovery.narrowing import Survey, Table, parents
from bkpc_runtime.recovery.point import AtPosition
from bkpc_runtime.recovery.some_tables import Surveyed, walk
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store


@dataclass(frozen=True, slots=True)
class Changed:
    """Tables that changed, and how that is known; `others` are definitions of views and code that changed."""

    tables: tuple[Table, ...]
    known: str
    others: tuple[str, ...] = ()


def changed_since(
    moment: datetime, found: Surveyed, store: Store, database: str, identities: Sequence[Secret]
) -> Changed:
    """Never too few: where it can't be told of a table, it counts as changed.

    `found` has looked through its log for what came after `moment`.

    Raises:
        PolicyBroken: nothing is as old as `moment`.
    """
    image = found.start.image
    survey, known = found.survey, "by the log"
    tables: set[Table] = set()
    if datetime.fromisoformat(image.manifest.finished) > moment:
        older = [
            one
            for one in catalogue.all_images(store, database)
            if datetime.fromisoformat(one.manifest.finished) <= moment
        ]
        if not older:
            raise PolicyBroken(
                f"store `{store.name}` has no image of `{database}` from before {moment.isoformat()}: "
                "nothing tells what changed since",
                help="name a later time, or restore all",
            )
        followed = _followed(moment, older, found, store, identities)
        if followed:
            survey = followed
        elif older[0].manifest.engine == "logical":
            tables, known = (
                _compared(older[0], image),
                f"by comparing images {older[0].manifest.id} and {image.manifest.id}",
            )
        else:
            survey = Survey(moment, because="a gap, or a physical image before it")
    held = {(part.schema, part.table): part for part in image.manifest.parts if part.kind == "table"}
    real = set(held) | survey.seen | {table for one in survey.definitions for table in defined(one)}
    if survey.because:
        return Changed(tuple(sorted(real)), f"all, because the log holds {survey.because}")
    tables |= survey.changed & real
    tables |= {table for table in real if table[0] in survey.dropped}
    # With those that held tables it is told when these are gone from the target.
    empty = sorted(survey.dropped - {schema for schema, _ in real})
    others = (*survey.others, *(f"DROP DATABASE {name}" for name in empty))
    return Changed(tuple(sorted(_with_children(tables, held, image, store, identities))), known, others)


def _followed(
    moment: datetime, older: Sequence[Image], found: Surveyed, store: Store, identities: Sequence[Secret]
) -> Survey | None:
    """What the log says from an older image on; None where a gap lies between."""
    stop = found.stop or found.start.image.position
    for image in older:
        window = catalogue.window(store, image)
        if image.prefix == found.start.image.prefix and window and order(window.end) >= order(stop):
            survey = Survey(moment, stored=stored_with(store, window))
            walk(store, Start(image, window, AtPosition(stop)), identities, survey)
            return survey
    return None


def _compared(older: Image, newer: Image) -> set[Table]:
    """Tables whose dump is another: what a table holds, and how it is defined, give the same bytes."""

    def sums(image: Image) -> dict[Table, str]:
        parts: Sequence[Part] = image.manifest.parts
        return {(one.schema, one.table): one.sums.plain_sha256 for one in parts if one.kind == "table"}

    before, after = sums(older), sums(newer)
    return {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}


def _with_children(
    tables: set[Table], held: dict[Table, Part], image: Image, store: Store, identities: Sequence[Secret]
) -> set[Table]:
    """InnoDB changes rows of children with those of their parents, without a word in the log."""
    of = {table: set(parents(part, image, store, identities)) for table, part in held.items() if tables}
    new = set(tables)
    while new:
        tables = tables | new
        new = {table for table, parent in of.items() if parent & new} - tables
    return tables
