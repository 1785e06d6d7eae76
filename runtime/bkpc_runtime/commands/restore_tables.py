"""`bkpc restore --tables`: some tables, into a server that may hold others; first what it takes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from bkpc_runtime import events
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.binlog.search import table_of_query
from bkpc_runtime.recovery.changed import Changed, changed_since
from bkpc_runtime.recovery.copied import Destination
from bkpc_runtime.recovery.narrowing import Table
from bkpc_runtime.recovery.point import Point, parse_time
from bkpc_runtime.recovery.recover import Means, Silent
from bkpc_runtime.recovery.some_tables import Prepared, bring_back, look_through, prepare
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import need_key

_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--tables", action="append", metavar="TABLES", help="only these: shop.orders,shop.items; may be repeated"
    )
    some.add_argument(
        "--changed-since", metavar="TIME", help="only tables that changed since, into a server that holds what was then"
    )
    parser.add_argument("--as", dest="beside", default="", metavar="SCHEMA", help="put them into this schema instead")
    parser.add_argument(
        "--replace", action="append", default=[], metavar="NAME",
        help="a schema, or schema.table, that may be overwritten; may be repeated",
    )  # fmt: skip


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether only some tables are to come back.

    Raises:
        BadUsage: what goes with it stands alone, or goes with what it can't.
    """
    asked = arguments.tables is not None or bool(arguments.changed_since)
    if asked and not arguments.into:
        raise BadUsage("--tables and --changed-since go into a running server", help="name it: --into URL")
    if not asked and (arguments.beside or arguments.replace):
        text = "--as and --replace go with --tables or --changed-since"
        raise BadUsage(text, help="a whole restore goes into an empty server")
    if arguments.changed_since and arguments.beside:
        raise BadUsage("--as goes with --tables", help="what changed goes over what it changed from: --replace NAME")
    return asked


def restore_tables(
    arguments: argparse.Namespace,
    clock: Callable[[], datetime],
    which: tuple[str, Store],
    target: Target,
    means: Means,
    point: Point,
) -> int:
    """All of `bkpc restore --tables` and `--changed-since`, for the database and store of `which`."""
    database, store = which
    destination = Destination(target, arguments.beside, frozenset(arguments.replace))
    since = parse_time(arguments.changed_since) if arguments.changed_since else None
    found = look_through(store, database, point, means.identities, since)
    if since:
        changed = changed_since(since, found, store, database, means.identities)
        _say_changed(changed, since)
        if not changed.tables:
            print(f"no table of {database} changed since {since.isoformat()}")
            return 0
        asked = list(changed.tables)
    else:
        asked = tables_of(arguments.tables)
    prepared = prepare(found, asked, store, means.identities)
    preview(prepared, destination, store, destination.held(prepared.asked))
    _check(prepared, destination)
    if arguments.dry_run:
        return 0
    need_key(encrypted=prepared.start.image.manifest.encrypted, identities=means.identities)
    began = time.monotonic()
    with Reading(store, clock, f"restore of tables into {target.address.text}") as reading:
        reading.hold(found.start.image, log_too=found.start.window is not None)
        with events.step(f"{database}/restore", "restore", database) as step:
            restored, gone = bring_back(prepared, store, destination, means, _Told(step), drops=since is not None)
    took = f"{restored.loading:.1f} s image, {restored.replaying:.1f} s log, the rest a scratch server and the copy"
    say(f"restored in {time.monotonic() - began:.1f} s: {took}")
    for text in gone.left:
        say(text)
    names = tuple(".".join(destination.of(table)) for table in prepared.asked if table not in gone.tables)
    point_there = restored.position.text
    events.tell(events.Restored(database=database, point=point_there, into=target.address.text, tables=names))
    for table in prepared.asked:
        words = "is gone at" if table in gone.tables else "is restored to"
        print(f"{'.'.join(destination.of(table))} {words} {point_there}")
    return 0


def _say_changed(changed: Changed, since: datetime) -> None:
    say(f"changed since {since.isoformat()}, {changed.known}: {len(changed.tables)} tables")
    for one in changed.others[:_SHOWN]:
        say(f"changed too, and not brought back: {one}")
    if len(changed.others) > _SHOWN:
        say(f"and {len(changed.others) - _SHOWN} more definitions")


def tables_of(words: Sequence[str]) -> list[Table]:
    """What `--tables` names: `schema.table`, several with commas between."""
    if any(not one.strip() for one in words):
        raise BadUsage("--tables names nothing", help="write --tables shop.orders,shop.items")
    return [table_of_query(one) for text in words for one in _apart(text)]


def _apart(text: str) -> list[str]:
    """At commas that stand in no quoted name."""
    found, quoted = [""], False
    for letter in text:
        quoted ^= letter == "`"
        if letter == "," and not quoted:
            found.append("")
        else:
            found[-1] += letter
    return found


def _check(prepared: Prepared, destination: Destination) -> None:
    manifest = prepared.start.image.manifest
    destination.check(prepared.asked, manifest.flavour, int(manifest.variables.get("max_allowed_packet", "0")))


def preview(prepared: Prepared, destination: Destination, store: Store, replaced: Sequence[Table]) -> None:
    manifest = prepared.start.image.manifest
    say(f"image  {manifest.id} of {manifest.flavour} {manifest.server_version}, finished {manifest.finished}")
    sizes = {(part.schema, part.table): part.sums.plain_size for part in manifest.parts if part.kind == "table"}
    for table in prepared.asked:
        goes = destination.of(table)
        size = f"{sizes[table]:,} bytes in the image" if table in sizes else "made after the image"
        size = "a sequence" if ".".join(table) in manifest.sequences else size
        words = " (overwrites what is there)" if goes in replaced else ""
        say(f"table  {'.'.join(table)} into {'.'.join(goes)}{words}: {size}")
    say(f"       {prepared.stored:,} bytes in store `{store.name}`, {prepared.plain:,} to load")
    if prepared.stop:
        say(f"log    from {prepared.start.image.position.text} to {prepared.stop.text}, {prepared.log:,} bytes")
        for line in prepared.start.failovers:
            say(f"       {line}")
    if prepared.narrowing.because:
        say(f"       replayed for all tables: {prepared.narrowing.because}")
    if prepared.others:
        more = f" and {len(prepared.others) - _SHOWN} more" if len(prepared.others) > _SHOWN else ""
        say(f"beside {', '.join(map('.'.join, prepared.others[:_SHOWN]))}{more}: recovered too, not copied")
    say("by     a scratch server on this machine, from which they are copied")
    say(f"into   {destination.target.address.text}")
    say("not in it: triggers (those of tables that are overwritten stay), grants, views and routines")


class _Told(Silent):
    def __init__(self, step: events.Step) -> None:
        self._step = step

    def loading(self, part: Part, number: int, of: int) -> None:
        name = f"{part.schema}.{part.table}".strip(".") or part.kind
        say(f"  [{number}/{of}] {name}")
        self._step.part(number, of, name)
