"""What `bkpc status` says of log streams: how far each store is, from the agent of this machine where there is one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.mysql.semi_sync import not_in_force, read_semi_sync
from bkpc_runtime.work_folder import Published, published, stream_folder, work_folder
from bkpc_runtime.world import World

_OLD = 10.0
"""Seconds after which what a running agent has said is told with its age."""


def add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="the folder that `bkpc agent` works in")


def stream_rows(world: World, given: Path | None) -> dict[tuple[str, str], dict[str, Any]]:
    """For each database and store of a stream: what the agent has said of it, and whether it is running here."""
    work = work_folder(given, world.folder, world.environ)
    rows = {}
    for stream in world.plan.streams:
        said = published(stream_folder(work, stream.id))
        for store in stream.stores:
            rows[stream.database, store] = _row(said, store)
    return rows


def _row(said: Published | None, store: str) -> dict[str, Any]:
    if said is None:
        return {"agent": "none here"}
    stream = said.stream
    found: dict[str, Any] = next((one for one in stream["stores"] if one["store"] == store), {})
    age = max(0.0, time.time() - said.written_at)
    return {
        "agent": "running" if said.running else "stopped",
        "as_of": datetime.fromtimestamp(said.written_at, UTC).isoformat(timespec="seconds"),
        "age_seconds": round(age, 1),
        # What was not stored then is older now, unless somebody else has stored it since.
        "lag_seconds": round(found.get("lag_seconds", 0.0) + (age if said.running else 0), 2) if found else None,
        "acknowledged_lag_seconds": round(stream["acknowledged_lag"], 2),
        "waiting_bytes": found.get("waiting", 0),
        "behind": found.get("behind", False),
        "connected": stream["connected"],
        "problem": found.get("failure") or stream["problem"],
        "pausing": stream["pausing"],
        "sync": stream["sync"],
        "degraded_since": stream["degraded_since"],
        "commit_waits_seconds": round(stream["commit_waits"], 2),
        "sync_problem": stream["sync_problem"],
        "other_agents": list(stream.get("others", ())),
    }


def lag_state(world: World, database: str, row: dict[str, Any] | None) -> str:
    """`ok`, `warn` or `fail` by the policy's `lag`; empty where it says nothing, or where no agent runs here."""
    limits = next(((one.lag_warn_ms, one.lag_fail_ms) for one in world.plan.streams if one.database == database), None)
    if row is None or limits in {None, (None, None)} or row["agent"] != "running" or row["lag_seconds"] is None:
        return ""
    warn, fail = limits or (None, None)
    lag = row["lag_seconds"] * 1000
    if fail is not None and lag > fail:
        return "fail"
    return "warn" if warn is not None and lag > warn else "ok"


def sync_rows(world: World) -> dict[str, dict[str, Any]]:
    """For each database with `hot sync`: what its server says of it, and why it is not in force, if it isn't."""
    rows = {}
    for stream in world.plan.streams:
        if stream.sync:
            (database,) = world.databases(stream.database)
            rows[stream.database] = {
                "stores": list(stream.stores),
                "quorum": stream.quorum,
                "on_outage": stream.on_outage or "hold",
                "problem": _not_in_force(world, database),
            }
    return rows


def _not_in_force(world: World, database: contract.Database) -> str:
    try:
        connection = world.connect(database)
        try:
            return not_in_force(read_semi_sync(connection, read_facts(connection)))
        finally:
            connection.close()
    except RuntimeFailure as problem:
        return f"not known: {problem}"


def sync_line(row: dict[str, Any], stream: dict[str, Any] | None) -> str:
    """Whether commits wait, for people. What the agent of this machine knows comes first."""
    stores = f"{row['quorum']} of {', '.join(row['stores'])}"
    if stream and stream["agent"] == "running" and stream["degraded_since"]:
        since = datetime.fromtimestamp(stream["degraded_since"], UTC).isoformat(timespec="seconds")
        return f"problem: DEGRADED since {since}: commits return without being stored in {stores}"
    if row["problem"]:
        return f"problem: commits do not wait for {stores}: {row['problem']}"
    waits = stream["commit_waits_seconds"] if stream and stream["agent"] == "running" else 0
    if waits > 1:
        return f"problem: commits have been waiting for {stores} for {_seconds(waits)}"
    return f"commits wait for {stores}"


def sync_fine(row: dict[str, Any], stream: dict[str, Any] | None) -> bool:
    return sync_line(row, stream).startswith("commits wait")


def stream_lines(row: dict[str, Any]) -> Iterator[str]:
    """A line or two for people."""
    if row["agent"] == "none here":
        yield "agent: none has run with this work folder; lag is only known as bytes"
        return
    if row["agent"] == "stopped":
        left = f"; {row['waiting_bytes']:,} bytes were not in this store then" if row["waiting_bytes"] else ""
        yield f"agent: NOT RUNNING here since {row['as_of']}{left}"
        return
    old = f" ({row['age_seconds']:.0f} s ago)" if row["age_seconds"] > _OLD else ""
    lag = "unknown" if row["lag_seconds"] is None else _seconds(row["lag_seconds"])
    yield (
        f"agent: lag {lag} in this store, {_seconds(row['acknowledged_lag_seconds'])} on any disk{old}"
        + (f"; {row['waiting_bytes']:,} bytes wait" if row["waiting_bytes"] else "")
        + ("; catching up by itself" if row["behind"] else "")
    )
    if row.get("other_agents"):
        yield f"note: another agent reads this log, too: from {', '.join(row['other_agents'])}"
    if row["problem"]:
        yield f"problem: {row['problem']}"
    if row["pausing"]:
        yield f"problem: no log is read: {row['pausing']}"


def stream_fine(row: dict[str, Any] | None) -> bool:
    """An agent that ran here and does not run now keeps no promise; one that never did may run elsewhere."""
    if row is None:
        return True
    return row["agent"] != "stopped" and not any(line.startswith("problem:") for line in stream_lines(row))


def _seconds(seconds: float) -> str:
    return Duration(Fraction(str(round(seconds, 1)))).human()
