"""`bkpc list`: images and the log that continues them, store by store."""

from __future__ import annotations

import argparse
import json
from typing import Any

from bkpc_runtime.commands.answering import with_those_that_answer
from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of
from bkpc_runtime.commands.status_keeping import Kept, damaged_after, kept_of, why_kept
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.repository.holdings import KnownImage

EXAMPLE = "example: bkpc list plan.json orders --format json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", nargs="?", metavar="DB", help="only this database")
    parser.add_argument("--format", choices=["text", "json"], default="text")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = with_those_that_answer(world_of(arguments), patient=True)
    rows, away = [], []
    for database in world.databases(arguments.database):
        for name, kept in kept_of(world, database.name, world.clock()).items():
            thaws = world.thaws(name)
            rows += [_row(database.name, name, kept, image, thaws) for image in reversed(kept.holding.images)]
            if kept.holding.unknown:
                away.append(f"{database.name}  {name}  problem: {name} {kept.holding.what}: {kept.holding.unknown}")
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
        for line in away:
            say(line)
        return StoreFailed.exit_code if away else 0
    for row in rows:
        elsewhere = "; ".join(f"log to {end} in {name}" for name, end in row["log_elsewhere"].items())
        end = f"log to {row['log_to']}" if row["log_to"] else elsewhere or "no log"
        end += ", damaged there" if row["log_damaged"] else ""
        print(
            f"{row['database']}  {row['store']}  {row['image']}  {_what(row)}{row['parts']} parts  "
            f"{row['stored_bytes']:,} bytes  at {row['position']}, {end}"
        )
        print(f"    {_why(row)}")
    for line in away:
        print(line)
    if not rows and not away:
        print("no images yet: bkpc apply takes the first")
    return StoreFailed.exit_code if away else 0


def _row(database: str, store: str, kept: Kept, image: KnownImage, thaws: str) -> dict[str, Any]:
    ends = {name: end.text for name, _, end in image.windows}
    return {
        "database": database,
        "store": store,
        "image": image.id,
        "kind": image.kind,
        "engine": image.engine,
        "parent": image.parent or None,
        "finished": image.finished.isoformat(),
        "position": image.position.text,
        "log_to": ends.get(store),
        "log_elsewhere": {name: end for name, end in sorted(ends.items()) if name != store},
        "parts": image.parts,
        "stored_bytes": image.stored_size,
        "plain_bytes": image.plain_size,
        "kept_because": list(why_kept(kept, image)),
        "held": bool(image.held),
        "damaged": image.damaged,
        "log_damaged": damaged_after(kept.holding, image),
        "verified": image.verified,
        "thaws": thaws,
    }


def _why(row: dict[str, Any]) -> str:
    told = [one for one in ("damaged", "verified") if row[one]]
    reasons = (
        f"kept: {'; '.join(row['kept_because'])}" if row["kept_because"] else "to go: nothing that is kept needs it"
    )
    return ", ".join([*told, *filter(None, (row["thaws"],)), reasons])


def _what(row: dict[str, Any]) -> str:
    """How an image was taken, and what it builds on; nothing of a full logical one."""
    if row["parent"]:
        return f"{row['engine']}, since {row['parent']}  "
    return "" if row["engine"] == "logical" else f"{row['engine']}  "
