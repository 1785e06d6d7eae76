"""`bkpc facts`: what backups and drills measured, for `bkpc check --facts`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from bkpc_grammar.facts import FACTS_VERSION, AnyFact, Facts
from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.drills import Drill, drills
from bkpc_runtime.repository.measured import LEAST_BYTES, database_facts
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc facts plan.json -o facts.json && bkpc check --facts facts.json"
_WANTED = ("size", "dumps", "restores", "replays")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: standard output)")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    found: list[AnyFact] = []
    all_measured = True
    for database in world.databases(None):
        of_it = _of(world, database.name)
        found += of_it
        lacking = [figure for figure in _WANTED if figure not in {one.figure for one in of_it}]
        if lacking:
            all_measured = False
            say(f"{database.name}: not measured: {', '.join(lacking)}")
    if not all_measured:
        say(f"`bkpc drill` measures restores and replays; a rate is measured on {LEAST_BYTES >> 20} MiB or more")
    document = msgspec.json.format(
        msgspec.json.encode(Facts(schema_version=FACTS_VERSION, facts=tuple(found))), indent=2
    )
    _write(arguments.output, document + b"\n")
    return 0


def _of(world: World, database: str) -> list[AnyFact]:
    images: dict[str, Image] = {}
    held: dict[str, Drill] = {}
    for name in world.stores_of(database):
        store = world.store(name)
        images |= {one.manifest.id: one for one in catalogue.all_images(store, database)}
        held |= {one.id: one for one in drills(store, database)}
    unthrottled = all(
        job.limit is None for job in world.plan.jobs if job.database == database and job.kind == "backup.full"
    )
    newest = [images[key] for key in sorted(images, reverse=True)]
    return [
        *database_facts(database, newest, [held[key] for key in sorted(held, reverse=True)], unthrottled=unthrottled)
    ]


def _write(output: Path | None, document: bytes) -> None:
    """All of it or nothing: who reads the file while it is written reads the old one."""
    if output is None:
        sys.stdout.buffer.write(document)
        return
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        beside.write_bytes(document)
        beside.replace(output)
    except OSError as problem:
        beside.unlink(missing_ok=True)
        raise BadUsage(f"{output} can't be written: {problem.strerror}") from None
