"""`bkpc restore`: a database back to a point in time, into an empty server or data directory."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bkpc_runtime.commands import restore_group, restore_scope, restore_tables, thaw_first
from bkpc_runtime.commands.answering import add_without, with_those_to_read
from bkpc_runtime.commands.event_stream import add_format
from bkpc_runtime.commands.outcome import add_identity, add_plan, identities_of, reported, world_of
from bkpc_runtime.commands.restore_folder import restore_folder
from bkpc_runtime.commands.restore_whole import Wish, restore_alone
from bkpc_runtime.commands.thaw_first import Found, Thaws, terms_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.common_point import Member
from bkpc_runtime.recovery.image_first import image_first
from bkpc_runtime.recovery.load import MOST_CLIENTS, ready_target
from bkpc_runtime.recovery.point import Point, before_event, parse_point
from bkpc_runtime.recovery.recover import Means
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.where_from import store_for, store_to_read
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.temporary_folder import temporary_folder
from bkpc_runtime.transfer.identity import identity_file, need_key
from bkpc_runtime.world import World

EXAMPLE = """example:
  bkpc restore plan.json orders --to 2026-11-23T14:05:00Z \\
    --into 'mysql://root@127.0.0.1:3307/?password-env=TARGET_PASSWORD' --identity key.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    add_format(parser)
    parser.add_argument("database", metavar="DB", nargs="?", help="the database; or --group, or --scope")
    parser.add_argument(
        "--into", action="append", metavar="URL",
        help="an empty server of the same flavour: takes logical images; of a group or scope DB=URL, for each",
    )  # fmt: skip
    parser.add_argument(
        "--into-datadir", action="append", metavar="FOLDER",
        help="an empty data directory on this machine: physical images; of a scope DB=FOLDER",
    )  # fmt: skip
    point = parser.add_mutually_exclusive_group()
    point.add_argument(
        "--to",
        metavar="POINT",
        help="a time, FILE:POSITION, GTIDs, the id of an image, image (the newest, without its log), or latest; "
        "default: latest, of a scope as the plan does it",
    )
    point.add_argument(
        "--before-event", metavar="WHAT", help="stop just before it, such as 'drop table shop.orders' (see bkpc log)"
    )
    restore_group.add_arguments(parser)
    restore_scope.add_arguments(parser)
    restore_tables.add_arguments(parser)
    parser.add_argument(
        "--store",
        metavar="NAME",
        help="the only store to read (default: images from the one that is ready first, log from the one with most)",
    )
    add_without(parser)
    thaw_first.add_arguments(parser)
    _add_ways(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add_identity(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """With what it is done."""
    parser.add_argument("--without-accounts", action="store_true", help="bring back no users, roles and grants")
    parser.add_argument(
        "--replay",
        choices=["auto", "applier", "client"],
        default="auto",
        help="by the target's own applier (default where its data directory is at hand), or through its client",
    )
    parser.add_argument(
        "--other-engines", action="store_true",
        help="a table whose storage engine the target lacks comes back in its default engine (else it is told, "
        "and ends the restore when all others are loaded)",
    )  # fmt: skip
    parser.add_argument("--clients", type=_clients, metavar="N", help="tables loaded at once (default: by processors)")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER",
        help="where the log waits while the image loads, unless the target's own directory is at hand "
        "(default: the system's temporary folder)",
    )  # fmt: skip


def _clients(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_CLIENTS}, each of which takes memory")
    return number


@reported
def run(arguments: argparse.Namespace) -> int:
    partial = restore_tables.is_asked(arguments)
    _check_usage(arguments, partial=partial)
    world = world_of(arguments)
    wanted = "latest" if arguments.to is None else arguments.to
    point = before_event(arguments.before_event) if arguments.before_event else parse_point(wanted)
    means = Means(
        identities_of(arguments), arguments.work or temporary_folder(), arguments.replay, arguments.clients,
        other_engines=arguments.other_engines,
    )  # fmt: skip
    if arguments.scope:
        return restore_scope.restore_scope(
            arguments, world, means, point, identity_file(os.environ, arguments.identity)
        )
    wish = Wish(arguments.dry_run, arguments.without_accounts)
    if arguments.group:

        def one(member: Member, into: Target) -> None:
            restore_alone(wish, world, (member.database, member.store), into, means, member.start.fixed)

        return restore_group.restore_group(arguments, world, point, means.identities, one)
    return _one_database(arguments, world, means, point, partial=partial)


def _check_usage(arguments: argparse.Namespace, *, partial: bool) -> None:
    """What goes together, before anything is read."""
    if arguments.work and not arguments.work.is_dir():
        raise BadUsage(f"there is no folder {arguments.work}", help="--work FOLDER holds the log while the image loads")
    if sum(map(bool, (arguments.database, arguments.group, arguments.scope))) != 1:
        raise BadUsage("restore one database, one group, or one scope", help="name DB, --group NAME, or --scope SCOPE")
    if not arguments.into and not arguments.into_datadir:
        raise BadUsage("the restore has no target", help="name it: --into URL, or --into-datadir FOLDER")
    if arguments.scope and (partial or arguments.before_event):
        raise BadUsage("a scope goes back as a whole, to a time or to the latest", help="leave out the rest")
    if arguments.group and (partial or arguments.into_datadir):
        raise BadUsage("a group goes back as a whole, into running servers", help="--into DB=URL for each")
    if arguments.thaw_only and arguments.dry_run:
        raise BadUsage("--dry-run changes nothing, --thaw-only asks for a thaw", help="leave out one of them")
    if arguments.without and not arguments.scope:
        raise BadUsage("--without goes with --scope")
    if arguments.without_store and arguments.store:
        raise BadUsage("--store names the only store to read", help="leave out --without-store")
    targets = [*(arguments.into or ()), *(arguments.into_datadir or ())]
    if arguments.database and (len(targets) > 1 or arguments.idle):
        raise BadUsage("several targets and --idle go with --group or --scope")


def _one_database(arguments: argparse.Namespace, world: World, means: Means, point: Point, *, partial: bool) -> int:
    (database,) = world.databases(arguments.database)
    if not arguments.store:
        world = with_those_to_read(world, [database.name], arguments.without_store)
    folder = Path(arguments.into_datadir[0]) if arguments.into_datadir else None
    if arguments.store:
        store = store_to_read(world, database.name, arguments.store)
    else:
        store = store_for(world, database.name, point, means.identities, physical=bool(folder))
    address = None if folder else parse_address(arguments.into[0])
    target = Target(address, address.password()) if address else None
    thaws = Thaws(world, terms_of(arguments))
    found = thaws.of(database.name, store, point, physical=bool(folder))
    if found and arguments.dry_run:
        thaws.preview(found)
        return 0
    if arguments.thaw_only:
        return thaws.only([found] if found else [])
    with Reading(store, world.clock, f"restore into {folder or (target and target.address.text)}") as reading:
        if found:
            _ready(found, None if partial else target, means)
            thaws.first({database.name: (found, reading)})
        store = thaws.reading(database.name, store, found)
        if folder:
            dry_run = arguments.dry_run
            return restore_folder(
                store, database.name, point, folder, means.identities, reading,
                dry_run=dry_run, first=image_first(world.plan, database.name, store),
            )  # fmt: skip
        assert target is not None
        if partial:
            return restore_tables.restore_tables(arguments, world.clock, (database.name, store), target, means, point)
        wish = Wish(arguments.dry_run, arguments.without_accounts)
        restore_alone(wish, world, (database.name, store), target, means, point)
    return 0


def _ready(found: Found, target: Target | None, means: Means) -> None:
    """What would be refused after hours of thawing is refused before."""
    need_key(encrypted=found.start.image.manifest.encrypted, identities=means.identities)
    if target:
        ready_target(target, found.start.image)
