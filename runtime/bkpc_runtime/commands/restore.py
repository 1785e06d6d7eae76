"""`bkpc restore`: a database back to a point in time, into an empty server or data directory."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bkpc_runtime.commands import restore_group, restore_tables
from bkpc_runtime.commands.outcome import add_identity, add_plan, reported, say, world_of
from bkpc_runtime.commands.restore_folder import restore_folder
from bkpc_runtime.commands.status_keeping import untrusted
from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.mysql.account_statements import AccountName
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.recovery.accounts_back import AccountsBack, absent_definers, holds_accounts
from bkpc_runtime.recovery.choice import Choice, Start, choose, starts
from bkpc_runtime.recovery.common_point import Member
from bkpc_runtime.recovery.load import MOST_CLIENTS, ready_target
from bkpc_runtime.recovery.marker import Marker, recalled
from bkpc_runtime.recovery.point import AtTime, Point, before_event, parse_point
from bkpc_runtime.recovery.recover import Means, recover, way_of
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import ByApplier, Way
from bkpc_runtime.recovery.where_from import store_to_read
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import read_identities
from bkpc_runtime.world import World

EXAMPLE = """example:
  bkpc restore plan.json orders --to 2026-11-23T14:05:00Z \\
    --into 'mysql://root@127.0.0.1:3307/?password-env=TARGET_PASSWORD' --identity key.txt"""


_KEPT = "accounts that were there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", metavar="DB", nargs="?", help="the database; or --group NAME")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--into", action="append", metavar="URL",
        help="an empty server of the same flavour: takes logical images; of a group DB=URL, for each",
    )  # fmt: skip
    target.add_argument(
        "--into-datadir", type=Path, metavar="FOLDER", help="an empty data directory on this machine: physical images"
    )
    point = parser.add_mutually_exclusive_group()
    point.add_argument(
        "--to",
        default="latest",
        metavar="POINT",
        help="a time, FILE:POSITION, GTIDs, the id of an image, or latest (default)",
    )
    point.add_argument(
        "--before-event", metavar="WHAT", help="stop just before it, such as 'drop table shop.orders' (see bkpc log)"
    )
    restore_group.add_arguments(parser)
    restore_tables.add_arguments(parser)
    parser.add_argument(
        "--store",
        metavar="NAME",
        help="the only store to read (default: images from the one that is ready first, log from the one with most)",
    )
    parser.add_argument("--without-accounts", action="store_true", help="bring back no users, roles and grants")
    parser.add_argument(
        "--replay",
        choices=["auto", "applier", "client"],
        default="auto",
        help="by the target's own applier (default where its data directory is at hand), or through its client",
    )
    parser.add_argument("--clients", type=_clients, metavar="N", help="tables loaded at once (default: by processors)")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()), metavar="FOLDER",
        help="where the log waits while the image loads, unless the target's own directory is at hand",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add_identity(parser)


def _clients(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_CLIENTS}, each of which takes memory")
    return number


@reported
def run(arguments: argparse.Namespace) -> int:
    partial = restore_tables.is_asked(arguments)
    world = world_of(arguments)
    identities = identities_of(arguments)
    point = before_event(arguments.before_event) if arguments.before_event else parse_point(arguments.to)
    if not arguments.work.is_dir():
        raise BadUsage(f"there is no folder {arguments.work}", help="--work FOLDER holds the log while the image loads")
    means = Means(identities, arguments.work, arguments.replay, arguments.clients)
    if bool(arguments.group) == bool(arguments.database):
        raise BadUsage("restore one database, or one group", help="name DB, or --group NAME")
    if arguments.group:
        if partial or arguments.into_datadir:
            raise BadUsage("a group goes back as a whole, into running servers", help="--into DB=URL for each")

        def one(member: Member, into: Target) -> None:
            _whole(arguments, world, (member.database, member.store), into, means, member.point)

        return restore_group.restore_group(arguments, world, point, identities, one)
    (database,) = world.databases(arguments.database)
    store = store_to_read(world, database.name, arguments.store)
    if arguments.into_datadir:
        folder, dry_run = arguments.into_datadir, arguments.dry_run
        with Reading(store, world.clock, f"restore into {folder}") as reading:
            return restore_folder(store, database.name, point, folder, identities, reading, dry_run=dry_run)
    if len(arguments.into) > 1 or arguments.idle:
        raise BadUsage("several targets and --idle go with --group")
    address = parse_address(arguments.into[0])
    target = Target(address, address.password())
    if partial:
        return restore_tables.restore_tables(arguments, world.clock, (database.name, store), target, means, point)
    _whole(arguments, world, (database.name, store), target, means, point)
    return 0


def _whole(
    arguments: argparse.Namespace, world: World, which: tuple[str, Store], target: Target, means: Means, point: Point
) -> None:
    """One database with all that it has; with --dry-run only what would be done."""
    database, store = which
    telling = _Telling(store, target, means.identities, arguments.without_accounts)
    if arguments.dry_run:
        _dry_run(choose(store, database, point, means.identities), target, means, telling)
        return
    with Reading(store, world.clock, f"restore into {target.address.text}") as telling.reading:
        restored = recover(starts(store, database, point, means.identities), store, target, means, telling)
    telling.finish_accounts([statement for one in restored.accounts for statement in one.statements])
    seconds = restored.loading + restored.replaying
    say(f"restored in {seconds:.1f} s: {restored.loading:.1f} s image, {restored.replaying:.1f} s log")
    if restored.last:
        say(f"the last transaction is of {restored.last.committed.isoformat()}")
    say("the event scheduler of the target is off: SET GLOBAL event_scheduler = ON when you put it in service")
    print(f"{database} is restored to {restored.position.text}")


def _dry_run(choice: Choice, target: Target, means: Means, telling: _Telling) -> None:
    """Reads the log to its end, for the exact position."""
    facts = ready_target(target, choice.image)
    way = way_of(target, facts, means) if choice.window else None
    telling.preview(choice.image, way)
    if choice.window and choice.stop:
        commit = f", last commit {choice.last_commit.isoformat()}" if choice.last_commit else ""
        say(f"log    from {choice.image.position.text} to {choice.stop.text}{commit}")


def identities_of(arguments: argparse.Namespace) -> Sequence[Secret]:
    """The keys that open backups: from `--identity`, else the file that BKPC_AGE_IDENTITY names, else none."""
    path = arguments.identity or os.environ.get("BKPC_AGE_IDENTITY")
    return read_identities(Path(path)) if path else ()


class _Telling:
    """Says what is done, and brings accounts back around it."""

    def __init__(self, store: Store, target: Target, identities: Sequence[Secret], without_accounts: bool) -> None:
        self._store, self._target, self._identities = store, target, identities
        self._without_accounts = without_accounts
        self._accounts: AccountsBack | None = None
        self._again = False
        self.reading: Reading | None = None

    def preview(self, image: Image, way: Way | None) -> None:
        manifest = image.manifest
        say(f"image  {manifest.id} of {manifest.flavour} {manifest.server_version}, finished {manifest.finished}")
        say(f"       {len(manifest.parts)} parts, {manifest.stored_size:,} bytes in store `{self._store.name}`")
        for line in untrusted(self._store, image):
            say(f"       {line}")
        say(f"into   {self._target.address.text}")
        if isinstance(way, ByApplier):
            say(f"replay by its own applier, through {way.folder}")
        elif way:
            say(f"replay through its client ({way.because})")
        for one in manifest.not_included:
            say(f"not in it: {one}")
        self._preview_accounts(image)

    def _preview_accounts(self, image: Image) -> None:
        if not holds_accounts(image):
            return
        if self._without_accounts:
            say("users  left out: --without-accounts")
        if image.manifest.encrypted and not self._identities:
            say("users  in the image, which is encrypted")
            return
        # Views can't be made on views whose definer is not there: unwanted accounts are made too, and dropped again.
        self._accounts = AccountsBack.on(self._target, image, self._store, self._identities)
        self._recall(self._accounts)
        if not self._without_accounts:
            say(f"users  {self._accounts.count} accounts and roles with their grants")
            kept = ", ".join(one.text for one in self._accounts.conflicts)
            say(f"       left as they are on the target: {kept or 'none'}")

    def certain(self, start: Start, _: ServerFacts, way: Way | None) -> None:
        manifest = start.image.manifest
        self.preview(start.image, way)
        if start.window:
            say(f"log    from {start.image.position.text}, {start.until}")
        if isinstance(start.point, AtTime) and manifest.flavour == "mariadb":
            say("       MariaDB's log says when a statement began: one that ran across the asked time may be in it")
        if manifest.encrypted and not self._identities:
            raise Refused("the image is encrypted", help="name the file with the age identity: --identity FILE")
        if self.reading:
            self.reading.hold(start.image, log_too=start.window is not None)

    def _recall(self, accounts: AccountsBack) -> None:
        """What an earlier run has made is not the target's own."""
        with closing(self._target.connect()) as connection:
            found = recalled(connection, _KEPT)
        if found is not None:
            self._again = True
            accounts.kept = frozenset(AccountName(user, host) for user, host in json.loads(found))

    def begins(self, marker: Marker) -> None:
        if self._accounts:
            marker.remember(_KEPT, json.dumps([[one.user, one.host] for one in sorted(self._accounts.kept)]))
            self._accounts.create(self._target, again=self._again)

    def before_views(self) -> None:
        if self._accounts:
            self._accounts.grant(self._target)

    def loaded(self) -> None:
        if self._accounts:
            self._accounts.grant_on_views(self._target)

    def loading(self, part: Part, number: int, of: int) -> None:
        name = f"{part.schema}.{part.table}".strip(".") or part.kind
        say(f"  [{number}/{of}] {name}")

    def replaying(self, file: str, size: int) -> None:
        pass

    def finish_accounts(self, logged: Sequence[Statement]) -> None:
        """Grants, what the log says of accounts, and who is missing."""
        if self._accounts and self._without_accounts:
            self._accounts.forget(self._target)
        elif self._accounts:
            self._accounts.follow(self._target, logged)
            for problem in self._accounts.problems:
                say(f"accounts: {problem}")
        if logged and not (self._accounts and not self._without_accounts):
            say(f"accounts: {len(logged)} statements of the log about accounts were left out")
        absent = absent_definers(self._target)
        if absent:
            say(f"defined by accounts that are not there: {', '.join(absent)}: views, triggers, routines and events of "
                "theirs fail when used")  # fmt: skip
