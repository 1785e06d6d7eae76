"""Everything a plan needs of its servers and stores, looked at in one go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar import plan as contract
from bkpc_grammar.privileges import begins_binlogs
from bkpc_runtime.engines.picking import Kind, lacking, name_for
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql import preflight
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts, time_of
from bkpc_runtime.mysql.semi_sync import read_semi_sync, sync_findings
from bkpc_runtime.repository.manifest import Engine
from bkpc_runtime.steps.clocks import clock_findings
from bkpc_runtime.steps.image import IMAGES, kind_of
from bkpc_runtime.world import World


@dataclass(frozen=True, slots=True)
class Looked:
    """A database or store, what it is, and what is wrong with it."""

    name: str
    what: str
    findings: tuple[Finding, ...]
    failure: RuntimeFailure | None = None
    """Why it does not answer."""

    @property
    def ready(self) -> bool:
        return not any(one.kind == "problem" for one in self.findings)


def look_at(world: World, databases: Iterable[contract.Database]) -> Iterator[Looked]:
    """Each database, then each store that keeps something of one of them; stores are written to."""
    names: dict[str, None] = {}
    for database in databases:
        names |= dict.fromkeys(world.stores_of(database.name))
        yield _database(world, database)
    for name in names:
        yield look_at_store(world, name)


def _database(world: World, database: contract.Database) -> Looked:
    wanted = next(one for one in world.plan.preflight if one.database == database.name)
    what = database.address
    try:
        connection = world.connect(database)
        try:
            facts = read_facts(connection)
            what = f"{facts.flavour} {facts.version_text} at {database.address}"
            kinds = _kinds(world, database)
            engines = engines_of(world, database, facts)
            rotates = begins_binlogs(world.plan, database.name)
            incremental = "incremental" in kinds
            found = preflight.look(
                connection, facts, wanted, engines,
                incremental=incremental, rotates=rotates, tables=database.tables,
            )  # fmt: skip
            address, _ = world.login(database)
            sync = _sync(world, database, connection, facts)
            clocks = clock_findings(world.clock(), time_of(connection))
            return Looked(database.name, what, (*found, *sync, *clocks, *lacking(connection, facts, address, kinds)))
        finally:
            connection.close()
    except RuntimeFailure as problem:
        return Looked(database.name, what, (_failed(problem),), problem)


def _kinds(world: World, database: contract.Database) -> set[Kind]:
    return {kind_of(job) for job in world.plan.jobs if job.database == database.name and job.kind in IMAGES}


def engines_of(world: World, database: contract.Database, facts: ServerFacts) -> set[Engine]:
    """What takes the images that a plan asks for of a database."""
    return {name_for(kind, facts) for kind in _kinds(world, database)}


def _sync(
    world: World, database: contract.Database, connection: Connection[Any], facts: ServerFacts
) -> Iterator[Finding]:
    for stream in world.plan.streams:
        if stream.database == database.name and stream.sync:
            try:
                state = read_semi_sync(connection, facts)
            except RuntimeFailure as problem:
                yield _failed(problem)
                return
            yield from sync_findings(state, facts, stream.degrade_after_ms)


def look_at_store(world: World, name: str) -> Looked:
    """Writes to it, and reads back."""
    stored = next(one for one in world.plan.estate.stores if one.name == name)
    what = f"{stored.kind} {stored.location}"
    try:
        world.store(name).probe()
    except RuntimeFailure as problem:
        return Looked(name, what, (_failed(problem),), problem)
    return Looked(name, what, (*_temporary_folder(), *_slow_sums()) if stored.kind == "oss" else ())


def _temporary_folder() -> Iterator[Finding]:
    """Parts of uploads wait there where there is no memory for them."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1 << 20))
    except OSError as problem:
        text = f"nothing can be written to the folder for temporary files, where parts of uploads wait: {problem}"
        yield Finding("problem", text, ("name another folder in TMPDIR; in a container mount an emptyDir there",))


def _slow_sums() -> Iterator[Finding]:
    """Every byte that goes to OSS or comes from it passes through CRC-64."""
    from bkpc_runtime.stores import crc64

    speed = crc64.measured()
    if speed < crc64.SLOW:
        text = f"CRC-64 is slow on this machine, {speed / 1e6:.0f} MB/s: it may hold back what goes to the bucket"
        yield Finding("warning", text, ("pip install --force-reinstall fastcrc: a build with this processor's help",))


def _failed(problem: RuntimeFailure) -> Finding:
    return Finding("problem", str(problem), (problem.help,) if problem.help else ())
