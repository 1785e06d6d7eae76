"""`bkpc status`: per database what can really be restored, beside what is promised."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.status_drill import drill_fine, drill_lines, drill_row
from bkpc_runtime.commands.status_keeping import Kept, fields, kept_of, troubled
from bkpc_runtime.commands.status_keeping import lines as keeping_lines
from bkpc_runtime.commands.status_metrics import metrics
from bkpc_runtime.commands.status_stream import (
    add_work,
    lag_state,
    stream_lines,
    stream_rows,
    sync_fine,
    sync_line,
    sync_rows,
)
from bkpc_runtime.errors import RuntimeFailure, StoreFailed
from bkpc_runtime.executor import due_jobs
from bkpc_runtime.mysql.flavour import current_position, read_facts
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.segments import order
from bkpc_runtime.settings.unlocked import unlocked
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc status plan.json --format json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--format", choices=["text", "json", "prometheus"], default="text")
    add_work(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    dark: list[dict[str, Any]] = []
    fine = True
    locks = {one.store: unlocked(world, one.store) for one in world.plan.settings}
    streams, syncs = stream_rows(world, arguments.work), sync_rows(world)
    for database in world.databases(None):
        source = _source_position(world, database)
        try:
            kept = kept_of(world, database.name, now)
            found = [_row(world, database, name, source, kept[name], now) for name in world.stores_of(database.name)]
            jobs = [job for job in world.plan.jobs if job.database == database.name]
            overdue = [job.id for job in due_jobs(world, jobs, now)]
        except StoreFailed as problem:
            complain(problem)
            fine = False
            dark += [_dark(database.name, name, streams, syncs) for name in world.stores_of(database.name)]
            continue
        rows += found
        for row in rows:
            if row["database"] == database.name:
                row["stream"] = streams.get((database.name, row["store"]))
                row["sync"] = syncs.get(database.name) if row["stream"] else None
                fine = fine and (not row["sync"] or sync_fine(row["sync"], row["stream"]))
                row["drill"] = drill_row(world, database.name, row["store"], now)
                fine = fine and drill_fine(row["drill"])
                row["lag"] = lag_state(world, database.name, row["stream"])
                fine = fine and row["lag"] != "fail" and not troubled(row)
                row["unlocked"] = locks.get(row["store"], "")
                fine = fine and not row["unlocked"]
                row["overdue"] = [job for job in overdue if job.endswith(f"/{row['store']}")]
        fine = fine and not overdue and all(not row["severed"] for row in rows if row["database"] == database.name)
    fine = fine and all(row["image"] for row in rows)
    if arguments.format == "json":
        print(json.dumps([*rows, *dark], indent=2))
    elif arguments.format == "prometheus":
        print("\n".join(metrics(rows, fine)))
    else:
        for row in rows:
            _print(row)
        for row in dark:
            _print_dark(row)
    return 0 if fine else 1


def _dark(database: str, store: str, streams: Any, syncs: Any) -> dict[str, Any]:
    """What is known of a database one of whose stores can't be asked: how its log stands, by agent and server."""
    stream = streams.get((database, store))
    return {"database": database, "store": store, "stream": stream, "sync": syncs.get(database) if stream else None}


def _print_dark(row: dict[str, Any]) -> None:
    print(f"{row['database']} in {row['store']}")
    print("  not looked at: a store of this database does not answer")
    if row["sync"]:
        print(f"  {sync_line(row['sync'], row['stream'])}")
    for line in stream_lines(row["stream"]) if row["stream"] else ():
        print(f"  {line}")


def _source_position(world: World, database: contract.Database) -> Any:
    """Where the server writes now; None when it can't be asked."""
    try:
        connection = world.connect(database)
        try:
            return current_position(connection, read_facts(connection))
        finally:
            connection.close()
    except RuntimeFailure as problem:
        complain(problem)
        return None


def _row(
    world: World, database: contract.Database, name: str, source: Any, kept: Kept, now: datetime
) -> dict[str, Any]:
    store = world.store(name)
    newest = catalogue.newest(store, database.name)
    window = catalogue.window(store, newest) if newest else None
    behind = None
    if window and source:
        behind = source.offset - window.end.offset if source.file == window.end.file else None
        behind = 0 if order(source) <= order(window.end) else behind
    promised = [one.rpo_ms for one in world.plan.objectives if one.database == database.name and one.rpo_ms is not None]
    return {
        "database": database.name,
        "store": name,
        "image": newest.manifest.id if newest else None,
        "severed": _severed(world, database, name, newest),
        "image_age_seconds": round((now - datetime.fromisoformat(newest.manifest.finished)).total_seconds())
        if newest
        else None,
        "images": len(kept.holding.images),
        "log_to": window.end.text if window else None,
        "server_at": source.text if source else None,
        "bytes_not_stored": behind,
        "promised_rpo_seconds": min(promised) / 1000 if promised else None,
        **fields(kept, now),
    }


def _severed(world: World, database: contract.Database, name: str, newest: Image | None) -> str:
    """Why the log that a policy wants in a store does not continue the newest image there; empty when it does."""
    wanted = any(name in one.stores for one in world.plan.streams if one.database == database.name)
    if not wanted or newest is None:
        return ""
    store = world.store(name)
    if not catalogue.window(store, newest):
        return catalogue.severed(store, newest) or "no archived log reaches the image: is `bkpc agent` running?"
    return catalogue.severed(store, newest)


def _print(row: dict[str, Any]) -> None:
    """A few short lines: what can be restored, what not yet, what was promised."""
    print(f"{row['database']} in {row['store']}")
    if not row["image"]:
        print("  no image: nothing can be restored from here")
    else:
        count = f"1 image, {row['image']}" if row["images"] == 1 else f"{row['images']} images, newest {row['image']}"
        print(f"  {count}, {Duration(Fraction(row['image_age_seconds'])).human()} old")
        print(f"  {_log_words(row)}")
    if row["sync"]:
        print(f"  {sync_line(row['sync'], row['stream'])}")
    for line in stream_lines(row["stream"]) if row["stream"] else ():
        print(f"  {line}")
    if row["lag"] in {"warn", "fail"}:
        print(f"  problem: the log lags more than the policy allows ({row['lag']})")
    if row["severed"]:
        print(f"  problem: {row['severed']}")
    if row["unlocked"]:
        print(f"  problem: {row['unlocked']}")
    for line in (*drill_lines(row["drill"]), *keeping_lines(row)):
        print(f"  {line}")
    if row["promised_rpo_seconds"] is not None:
        print(f"  promised: rpo {Duration(Fraction(row['promised_rpo_seconds'])).human()}")
    if row["overdue"]:
        print(f"  overdue: {', '.join(row['overdue'])}")
        say("bkpc apply takes what is overdue")


def _log_words(row: dict[str, Any]) -> str:
    if not row["log_to"]:
        return "no log: only the moment of an image can be restored"
    if row["server_at"] is None:
        return f"log to {row['log_to']}; the server does not answer"
    if row["bytes_not_stored"] == 0:
        return f"log to {row['log_to']}: all that the server has written"
    if row["bytes_not_stored"] is None:
        return f"log to {row['log_to']}; the server is at {row['server_at']}"
    return f"log to {row['log_to']}: {row['bytes_not_stored']:,} bytes behind the server"
