"""`bkpc status`: per database what can really be restored, beside what is promised."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any, cast

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime.commands.answering import with_those_that_answer
from bkpc_runtime.commands.other_plan import agents_of_other_plans, replaced_in
from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.status_drill import drill_fine, drill_lines, drill_row
from bkpc_runtime.commands.status_keeping import Kept, fields, kept_of, troubled
from bkpc_runtime.commands.status_keeping import lines as keeping_lines
from bkpc_runtime.commands.status_metrics import answers, metrics
from bkpc_runtime.commands.status_promises import (
    endangered_lines,
    endangered_rows,
    promised_lines,
    promised_rpos,
)
from bkpc_runtime.commands.status_stream import (
    add_work,
    lag_state,
    stream_fine,
    stream_lines,
    stream_rows,
    sync_fine,
    sync_line,
    sync_rows,
)
from bkpc_runtime.errors import RuntimeFailure, StoreFailed
from bkpc_runtime.executor import due_jobs
from bkpc_runtime.mysql.flavour import SHORT_PATIENCE, Position, current_position, read_facts
from bkpc_runtime.mysql.preflight import beyond
from bkpc_runtime.new_stores import new_stores
from bkpc_runtime.recovery.where_from import with_its_log
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.furthest import furthest
from bkpc_runtime.repository.segments import order
from bkpc_runtime.settings.unlocked import unlocked
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import ImagesAndLog
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc status plan.json --format json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--format", choices=["text", "json", "prometheus"], default="text")
    add_work(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    try:
        return _run(arguments)
    except RuntimeFailure:
        if arguments.format == "prometheus":  # else yesterday's figures, all well, would be kept for today's
            print("\n".join(metrics([], fine=False)))
        raise


def _run(arguments: argparse.Namespace) -> int:
    rows, fine = status_of(world_of(arguments), arguments.work)
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
    elif arguments.format == "prometheus":
        print("\n".join(metrics(rows, fine)))
    else:
        for row in rows:
            _print(row) if answers(row) else _print_unanswered(row)
    return 0 if fine else 1


def status_of(world: World, work: Path | None) -> tuple[list[dict[str, Any]], bool]:
    """A row for each database and store, and whether all is as promised. `work`: the agent's folder, where given."""
    return told_by_agents(world, asked(world), work)


@dataclass(frozen=True, slots=True)
class Asked:
    """What stores and servers say: a row for each database and store; by database what its server says of a `hot sync`;
    and whether nothing is overdue."""

    rows: tuple[dict[str, Any], ...]
    syncs: dict[str, dict[str, Any]]
    nothing_due: bool


def asked(world: World) -> Asked:
    world = with_those_that_answer(world)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    nothing_due = True
    locks = {one.store: unlocked(world, one.store) for one in world.plan.settings}
    for database in world.databases(None):
        found = _rows(world, database, now)
        overdue, known = _overdue(world, database, found, now)
        for row in found:
            if answers(row):
                row["unlocked"] = locks.get(row["store"], "")
                row["overdue"] = [job for job in overdue if job.endswith(f"/{row['store']}")]
        rows += found
        nothing_due = nothing_due and known and not overdue
    return Asked(tuple(rows), sync_rows(world), nothing_due)


def told_by_agents(world: World, said: Asked, work: Path | None) -> tuple[list[dict[str, Any]], bool]:
    """As `status_of`, with what the agent of this machine says now: stores may have been asked some time ago."""
    streams = stream_rows(world, work)
    rows = [dict(row) for row in said.rows]
    others = agents_of_other_plans(world, work)
    for row in rows:
        row["other_plan"] = others.get(row["database"], "")
        row["stream"] = streams.get((row["database"], row["store"]))
        row["sync"] = said.syncs.get(row["database"]) if row["stream"] else None
        if answers(row):
            row["lag"] = lag_state(world, row["database"], row["stream"])
        row["endangered"] = endangered_rows(world.plan, row)
    return rows, said.nothing_due and all(_fine(row) and not row["endangered"] for row in rows)


def _rows(world: World, database: contract.Database, now: datetime) -> list[dict[str, Any]]:
    """One for each store of a database; of one that does not answer only why it doesn't."""
    source = _source_position(world, database)
    try:
        kept = kept_of(world, database.name, now)
    except StoreFailed as problem:  # one that went away while it was read: which one, it says
        return [_unanswered(database, name, str(problem), problem.words) for name in world.stores_of(database.name)]
    rows = []
    for name in world.stores_of(database.name):
        if kept[name].holding.unknown:
            rows.append(_unanswered(database, name, kept[name].holding.unknown, kept[name].holding.what))
            continue
        try:
            if away := new_stores(world, [name]).get(name):
                rows.append(_unanswered(database, name, str(away), "holds nothing"))
                continue
            row = _row(world, database, name, source, kept[name], now)
            rows.append({**row, "drill": drill_row(world, database.name, name, now)})
        except StoreFailed as problem:
            rows.append(_unanswered(database, name, str(problem), problem.words))
    return rows


def _unanswered(database: contract.Database, store: str, why: str, what: str) -> dict[str, Any]:
    return {"database": database.name, "store": store, "unanswered": why, "what": what}


def _overdue(
    world: World, database: contract.Database, rows: list[dict[str, Any]], now: datetime
) -> tuple[list[str], bool]:
    """The jobs that are overdue, of those whose stores all answer; and whether they could be looked at."""
    away = {row["store"] for row in rows if not answers(row)}
    jobs = [one for one in world.plan.jobs if one.database == database.name]
    try:
        asked = [one for one in jobs if not away & {*one.stores, one.source_store}]
        return [job.id for job in due_jobs(world, asked, now)], True
    except StoreFailed as problem:
        complain(problem)
        return [], False


def _fine(row: dict[str, Any]) -> bool:
    """Whether all is as promised in one store."""
    if (
        not answers(row)
        or row["other_plan"]
        or row["replaced"]
        or not (row["image"] or row["continues"])
        or row["severed"]
        or row["unlocked"]
        or row["ahead"]
        or row["lacking"]
        or row["lag"] == "fail"
    ):
        return False
    synced = not row["sync"] or sync_fine(row["sync"], row["stream"])
    return synced and stream_fine(row["stream"]) and drill_fine(row["drill"]) and not troubled(row)


def _print_unanswered(row: dict[str, Any]) -> None:
    print(f"{row['database']} in {row['store']}")
    print(f"  problem: {row['store']} {row['what']}: {row['unanswered']}")
    if row["other_plan"]:
        print(f"  problem: {row['other_plan']}")
    if row["sync"]:
        print(f"  {sync_line(row['sync'], row['stream'])}")
    for line in (*(stream_lines(row["stream"]) if row["stream"] else ()), *endangered_lines(row)):
        print(f"  {line}")


def _source_position(world: World, database: contract.Database) -> tuple[str, Position] | None:
    """The server's folder in stores, and where it writes now; None when it can't be asked."""
    try:
        connection = world.connect(database)
        try:
            facts = read_facts(connection)
            return layout.prefix_of(database.name, facts.identity), current_position(connection, facts, SHORT_PATIENCE)
        finally:
            connection.close()
    except RuntimeFailure as problem:
        complain(problem)
        return None


def _row(
    world: World, database: contract.Database, name: str, source: tuple[str, Position] | None, kept: Kept, now: datetime
) -> dict[str, Any]:
    store = world.store(name)
    last = catalogue.newest(store, database.name)
    ahead = last is not None and catalogue.ahead(last.manifest, now)
    newest = (catalogue.newest_by(store, database.name, now) if ahead else None) or last
    reached = _reached(world, database, store, newest)
    best = furthest((one, where) for where, one in reached if one)
    window = best[0] if best else None
    server, at = source or ("", None)
    behind = None
    if window and at and window.tip.prefix == server:  # places in the logs of two servers can't be compared
        end = window.tip_end
        behind = at.offset - end.offset if at.file == end.file else None
        behind = 0 if order(at) <= order(end) else behind
    severed = _severed(world, database, name, newest, reached, server)
    return {
        "database": database.name,
        "store": name,
        "image": newest.manifest.id if newest else None,
        "ahead": last.manifest.id if last and ahead else "",
        "lacking": list(catalogue.lacking(store, newest)) if newest else [],
        "continues": [] if newest else _continued_by(world, database, store),
        "replaced": replaced_in(world, database.name, store),
        "severed": severed,
        "image_age_seconds": round((now - datetime.fromisoformat(newest.manifest.finished)).total_seconds())
        if newest
        else None,
        "tables": newest.manifest.tables if newest and not newest.manifest.physical else None,
        "tables_counted": database.tables,
        "images": len(kept.holding.images),
        "thaws": world.thaws(name),
        "log_to": window.end.text if window else None,
        "server_at": at.text if at else None,
        "bytes_not_stored": None if severed else behind,
        **promised_rpos(world.plan, database.name),
        **fields(kept, now),
    }


def _reached(
    world: World, database: contract.Database, store: Store, newest: Image | None
) -> list[tuple[Store, Window | None]]:
    """A store with each that the plan keeps the log of its images in, and how far that continues the newest image.

    Looked at once: a month of log is a thousand listings.
    """
    if newest is None:
        return []
    return [(one, catalogue.window(one, newest)) for one in with_its_log(world, database.name, store)]


def _severed(
    world: World,
    database: contract.Database,
    name: str,
    newest: Image | None,
    reached: list[tuple[Store, Window | None]],
    server: str,
) -> str:
    """Why the log that a policy wants in a store does not continue the newest image there; empty when it does."""
    streamed = {one for stream in world.plan.streams if stream.database == database.name for one in stream.stores}
    alone = not any(isinstance(one, ImagesAndLog) for one, _ in reached)
    if newest is None or (name not in streamed and alone):
        return ""
    reasons = []
    for one, window in reached:
        reasons.append(catalogue.severed_after(one, newest, window))
        if not reasons[-1] and not window:
            reasons[-1] = "no archived log reaches the image: is `bkpc agent` running?"
        elif not reasons[-1] and window and server and window.tip.prefix != server:
            reasons[-1] = catalogue.left_behind(one, newest, window) or (
                f"the log ends at server {window.tip.server}, and another one answers now: is `bkpc agent` running?"
            )
    return "" if "" in reasons else reasons[0]


def _continued_by(world: World, database: contract.Database, log: Store) -> list[str]:
    """The stores whose newest image is continued by the log of a store that keeps no images."""
    jobs = [one for one in world.plan.jobs if one.database == database.name]
    imaged = {name for one in jobs if one.kind.startswith("backup.") or one.kind == "copy" for name in one.stores}
    found = []
    for name in sorted(imaged - {log.name}):
        try:
            store = world.store(name)
            newest = catalogue.newest(store, database.name)
            if newest and catalogue.window(cast(Store, ImagesAndLog(store, log)), newest):
                found.append(name)
        except StoreFailed:
            continue  # told in its own row
    return found


def _print(row: dict[str, Any]) -> None:
    """A few short lines: what can be restored, what not yet, what was promised."""
    print(f"{row['database']} in {row['store']}")
    if row["continues"]:
        print(f"  log alone: it continues the images in {', '.join(row['continues'])}")
    elif not row["image"]:
        print("  no image: nothing can be restored from here")
    else:
        _print_images(row)
    if row["sync"]:
        print(f"  {sync_line(row['sync'], row['stream'])}")
    for line in stream_lines(row["stream"]) if row["stream"] else ():
        print(f"  {line}")
    for problem in _problems(row):
        print(f"  problem: {problem}")
    for line in (*drill_lines(row["drill"]), *keeping_lines(row)):
        print(f"  {line}")
    for line in promised_lines(row):
        print(f"  {line}")
    for line in endangered_lines(row):
        print(f"  {line}")
    if row["overdue"]:
        print(f"  overdue: {', '.join(row['overdue'])}")
        say("bkpc apply takes what is overdue")


def _problems(row: dict[str, Any]) -> Iterator[str]:
    if row["lag"] in {"warn", "fail"}:
        yield f"the log lags more than the policy allows ({row['lag']})"
    yield from filter(None, (row["other_plan"], row["replaced"]))
    if row["severed"]:
        yield row["severed"]
    if row["ahead"]:
        yield (
            f"image {row['ahead']} is of the future: a clock was wrong. It counts for no schedule, and while it is "
            "there nothing expires: delete its folder once a newer image is whole"
        )
    if row["lacking"]:
        parts = f"{len(row['lacking'])} parts" if len(row["lacking"]) > 1 else row["lacking"][0]
        yield f"the newest image can't be restored: {parts} of it are not there as they were written; take another"
    if row["unlocked"]:
        yield row["unlocked"]


def _print_images(row: dict[str, Any]) -> None:
    count = f"1 image, {row['image']}" if row["images"] == 1 else f"{row['images']} images, newest {row['image']}"
    print(f"  {count}, {Duration(Fraction(row['image_age_seconds'])).human()} old")
    print(f"  {_log_words(row)}")
    if (row["tables"] or 0) > (row["tables_counted"] or inf):
        print(f"  warning: {beyond(row['tables'], row['tables_counted'])}")
    if row["thaws"]:
        print(f"  {row['thaws']}")


def _log_words(row: dict[str, Any]) -> str:
    if not row["log_to"]:
        return "no log: only the moment of an image can be restored"
    if row["severed"]:  # positions before and after a break can't be compared
        return f"log to {row['log_to']}"
    if row["server_at"] is None:
        return f"log to {row['log_to']}; the server does not answer"
    if row["bytes_not_stored"] == 0:
        return f"log to {row['log_to']}: all that the server has written"
    if row["bytes_not_stored"] is None:
        return f"log to {row['log_to']}; the server is at {row['server_at']}"
    return f"log to {row['log_to']}: {row['bytes_not_stored']:,} bytes behind the server"
