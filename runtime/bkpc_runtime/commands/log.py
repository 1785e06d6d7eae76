"""`bkpc log`: when and where something happened, so that a restore can stop before it."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence

from bkpc_runtime.commands.answering import add_without, with_those_to_read
from bkpc_runtime.commands.outcome import add_identity, add_plan, identities_of, reported, say, world_of
from bkpc_runtime.mysql.binlog.search import Query, did, parse_query
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import log_of
from bkpc_runtime.recovery.where_from import store_to_read
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.stores.two_stores import both_names

EXAMPLE = "example: bkpc log plan.json orders --find 'drop table shop.orders' --identity key.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", metavar="DB")
    parser.add_argument("--find", required=True, metavar="WHAT", help="such as 'drop table shop.orders'")
    parser.add_argument(
        "--store",
        metavar="NAME",
        help="the only store to read (default: images from the one that is ready first, log from the one with most)",
    )
    add_without(parser)
    add_identity(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    query = parse_query(arguments.find)
    world = world_of(arguments)
    (database,) = world.databases(arguments.database)
    if not arguments.store:
        world = with_those_to_read(world, [database.name], arguments.without_store)
    store = store_to_read(world, database.name, arguments.store, all_of_them=True)
    identities = identities_of(arguments)
    several = len(catalogue.prefixes(store, database.name)) > 1
    walked: set[tuple[str, int, Position]] = set()
    found = opaque = 0
    # The oldest image's window holds those of all later ones, unless a gap lies between.
    for image in reversed(catalogue.all_images(store, database.name)):
        window = catalogue.window(store, image)
        if window is None or (image.prefix, window.epoch, window.end) in walked:
            continue
        walked.add((image.prefix, window.epoch, window.end))
        for one in log_of(store, window, identities):
            opaque += one.opaque
            if did(one, query):
                _print(one, window.in_full(Position(one.file, one.start), always=several).text, arguments)
                found += 1
    if opaque:
        say(f"{opaque} compressed transactions were not looked into")
    if not found:
        _, log_in = both_names(store)
        unread = "".join(f"; what `{name}` has was not read" for name in arguments.without_store)
        say(f"the archived log of `{database.name}` in store `{log_in}` has no: {arguments.find}{unread}")
        _hint(query, catalogue.all_images(store, database.name))
    return 0 if found else 1


def _hint(query: Query, images: Sequence[Image]) -> None:
    """Names that images have and that were perhaps meant."""
    if not images:
        say("  help: there are no images, and log is read from images on; bkpc apply takes the first")
        return
    known = {schema.schema: {*schema.tables, *schema.views} for image in images for schema in image.manifest.inventory}
    if not query.schema:
        what, wanted, names = "table", query.table, {name for schema in known.values() for name in schema}
        if wanted in names:
            return
    elif query.schema not in known:
        what, wanted, names = "schema", query.schema, set(known)
    elif query.table and query.table not in known[query.schema]:
        what, wanted, names = "table", query.table, known[query.schema]
    else:
        return
    close = difflib.get_close_matches(wanted, sorted(names), n=1)
    meant = f"; there is `{close[0]}`" if close else ""
    say(f"  help: no image has a {what} `{wanted}`{meant}")


def _print(one: Transaction, before: str, arguments: argparse.Namespace) -> None:
    print(f"{one.committed.isoformat()}  {before}  {one.gtid or '-'}  {_words(one)}")
    print(
        f"  to restore to just before it: bkpc restore {arguments.plan} {arguments.database} --to {before} --into URL"
    )


def _words(one: Transaction) -> str:
    if one.statements:
        return " ".join(one.statements[0].text.split())[:100]
    return ", ".join(f"{change.kind} {change.schema}.{change.table}" for change in one.changes)
