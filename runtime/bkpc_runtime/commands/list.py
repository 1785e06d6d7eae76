"""`bkpc list`: images and the log that continues them, store by store."""

from __future__ import annotations

import argparse
import json
from typing import Any

from bkpc_runtime.commands.outcome import add_plan, reported, world_of
from bkpc_runtime.repository import catalogue

EXAMPLE = "example: bkpc list plan.json orders --format json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", nargs="?", metavar="DB", help="only this database")
    parser.add_argument("--format", choices=["text", "json"], default="text")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    rows = []
    for database in world.databases(arguments.database):
        for name in world.stores_of(database.name):
            store = world.store(name)
            for image in catalogue.all_images(store, database.name):
                window = catalogue.window(store, image)
                rows.append(
                    {
                        "database": database.name,
                        "store": name,
                        "image": image.manifest.id,
                        "kind": image.manifest.kind,
                        "engine": image.manifest.engine,
                        "parent": image.manifest.parent or None,
                        "finished": image.manifest.finished,
                        "position": image.position.text,
                        "log_to": window.end.text if window else None,
                        "parts": len(image.manifest.parts),
                        "stored_bytes": image.manifest.stored_size,
                        "plain_bytes": image.manifest.plain_size,
                    }
                )
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        end = f"log to {row['log_to']}" if row["log_to"] else "no log"
        print(
            f"{row['database']}  {row['store']}  {row['image']}  {_what(row)}{row['parts']} parts  "
            f"{row['stored_bytes']:,} bytes  at {row['position']}, {end}"
        )
    if not rows:
        print("no images yet: bkpc apply takes the first")
    return 0


def _what(row: dict[str, Any]) -> str:
    """How an image was taken, and what it builds on; nothing of a full logical one."""
    if row["parent"]:
        return f"{row['engine']}, since {row['parent']}  "
    return "" if row["engine"] == "logical" else f"{row['engine']}  "
