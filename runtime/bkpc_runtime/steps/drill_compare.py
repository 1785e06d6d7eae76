"""What a source holds at one position of its log, and how what came back differs from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from bkpc_grammar import plan as contract
from bkpc_runtime.engines.inventory import read_contents
from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.fingerprint import Fingerprint, fingerprint
from bkpc_runtime.mysql.flavour import Position, read_facts
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository.manifest import Inventory, Manifest
from bkpc_runtime.steps.log_parcels import event_digest
from bkpc_runtime.steps.log_taking_over import dumping
from bkpc_runtime.steps.measuring import Measuring
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_KINDS = ("tables", "views", "triggers", "routines", "events")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Held:
    """Rows and objects of a server. `schemas`: None where definitions changed while rows were counted. `identity`: the
    server's; `origin`: the hash of the first event of its binlog; empty where that can't be read."""

    rows: Fingerprint
    schemas: tuple[Inventory, ...] | None
    identity: str = ""
    origin: str = ""

    @property
    def position(self) -> Position | None:
        return self.rows.position

    @property
    def objects(self) -> int:
        return sum(len(getattr(one, kind)) for one in self.schemas or () for kind in _KINDS)


def source_of(world: World, database: contract.Database) -> Held | None:
    """What the source holds; None where it can't be asked: a drill must be possible when it is gone."""
    address, password = world.login(database)
    try:
        target = Target(address, password)
        held = _held(target)
        return replace(held, origin=_origin(target, held.position)) if held.position else held
    except ServerFailed as problem:
        log.warning("rows are not compared: `%s` can't be asked what it holds: %s", database.name, problem)
        return None


def _origin(target: Target, position: Position) -> str:
    with closing(target.connect()) as connection:
        facts = read_facts(connection)
    try:
        with dumping(target.connect) as connection:
            return event_digest(first_event(connection, facts, position.file))
    except ServerFailed as problem:
        log.info("the first event of %s can't be read: %s", position.file, problem)
        return ""


def held_by(target: Target, measuring: Measuring) -> Held:
    """The same of the server that was restored."""
    with measuring.step("check.service"):
        return _held(target)


def _held(target: Target) -> Held:
    with closing(target.connect()) as connection:
        facts, before = read_facts(connection), read_contents(connection)
    rows = fingerprint(target.address, target.password, facts)
    with closing(target.connect()) as connection:
        after = read_contents(connection)
    return Held(rows, after.schemas if after.stamp == before.stamp else None, facts.identity)


def differences(source: Held, restored: Held, manifest: Manifest) -> list[str]:
    """What is not the same, in words that name the table or object."""
    return [
        *_of_objects(source, restored, manifest),
        *_of_rows(source.rows, restored.rows, printed=not manifest.physical),
    ]


def _of_objects(source: Held, restored: Held, manifest: Manifest) -> Iterator[str]:
    if source.schemas is None or restored.schemas is None:
        return
    doubtful = {("views", one.schema, one.table) for one in manifest.parts if one.kind == "doubtful"}
    there, here = _named(source.schemas) - doubtful, _named(restored.schemas) - doubtful
    for words, found in (
        ("not there after the restore", there - here),
        ("there after the restore, and not in the source", here - there),
    ):
        # Tables are told by their rows, if rows of them were counted.
        left = sorted(one for one in found if one[1:] not in source.rows.tables and one[1:] not in restored.rows.tables)
        for kind, schema, name in left[:_SHOWN]:
            yield f"{kind.removesuffix('s')} {schema}.{name} is {words}"
        if len(left) > _SHOWN:
            yield f"{len(left) - _SHOWN} more objects are {words}"


def _named(schemas: tuple[Inventory, ...]) -> set[tuple[str, str, str]]:
    return {(kind, one.schema, name) for one in schemas for kind in _KINDS for name in getattr(one, kind)}


def _of_rows(source: Fingerprint, restored: Fingerprint, *, printed: bool) -> Iterator[str]:
    """`printed`: the image holds no more of a FLOAT than servers print."""
    for key in sorted(source.tables.keys() | restored.tables.keys()):
        if key in source.changed or key in restored.changed:
            continue
        name = ".".join(key)
        there, here = source.tables.get(key), restored.tables.get(key)
        if here is None:
            yield f"{name} is missing after the restore"
        elif there is None:
            yield f"{name} came back, and the source had it not"
        elif there.rows != here.rows:
            yield f"{name} has {here.rows:,} rows, the source had {there.rows:,}"
        elif there != here and not (printed and there.same_when_printed(here)):
            yield f"{name} has other values than the source had, in as many rows ({here.rows:,})"
