"""What drills found, kept beside the backups they were about: `marks/drills/<id>.json`, never changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
DRILL_VERSION = 1


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closed and frozen, fields by name."""


class MeasuredStep(_Record, frozen=True):
    """One step as it went: `plain_bytes` moved (0 where none move), in milliseconds."""

    kind: Literal["provision", "restore.image", "restore.log", "check.service"]
    milliseconds: int
    plain_bytes: int


class Drill(_Record, frozen=True):
    """One restore into a scratch server, and whether what came back is what was there.

    `compared`: tables whose rows were compared with the source at the same position; `problems` is empty when all is
    well. `instant`: where it was restored to first, and then on to `point`; `seed`: it was drawn with. `objects`: so
    many were compared by name. `expected_ms`: what the plan says the same steps take at most, or null. Times are
    ISO 8601 in UTC.
    """

    format_version: int
    id: str
    database: str
    store: str
    image: str
    point: str
    server_version: str
    began: str
    finished: str
    steps: tuple[MeasuredStep, ...]
    tables: int
    rows: int
    compared: int
    not_compared: tuple[str, ...]
    problems: tuple[str, ...]
    expected_ms: int | None
    instant: str = ""
    seed: int | None = None
    objects: int = 0

    @property
    def passed(self) -> bool:
        return not self.problems

    @property
    def milliseconds(self) -> int:
        return sum(one.milliseconds for one in self.steps)


def new_drill_id(now: datetime) -> str:
    """Never the same twice, and later ones sort after earlier ones: as those of images."""
    return layout.new_image_id(now)


def keep_drill(store: Store, prefix: str, drill: Drill) -> None:
    """Write down what a drill found."""
    store.put(layout.drill_key(prefix, drill.id), msgspec.json.format(msgspec.json.encode(drill), indent=2) + b"\n")


def drills(store: Store, database: str) -> list[Drill]:
    """All drills of a database from this store, newest first; one that can't be read is told and left out."""
    found = [one for prefix in catalogue.prefixes(store, database) for one in _of(store, prefix)]
    return sorted(found, key=lambda one: one.id, reverse=True)


def _of(store: Store, prefix: str) -> Iterator[Drill]:
    for entry in store.list(layout.drills_folder(prefix)):
        try:
            yield msgspec.json.decode(store.get(entry.key), type=Drill)
        except msgspec.MsgspecError as problem:
            log.error("not counted: %s is not the record of a drill: %s", entry.key, problem)
