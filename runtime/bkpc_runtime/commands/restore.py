"""`bkpc restore`: a database back to a point in time, into an empty server or data directory."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from bkpc_runtime.commands.outcome import add_identity, add_plan, reported, say, world_of
from bkpc_runtime.commands.restore_folder import restore_folder
from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.recovery.accounts_back import AccountsBack, absent_definers, holds_accounts
from bkpc_runtime.recovery.choice import Choice, choose
from bkpc_runtime.recovery.load import Target, load_image, quiet_target, ready_target
from bkpc_runtime.recovery.replay import replay
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import read_identities

EXAMPLE = """example:
  bkpc restore plan.json orders --to 2026-11-23T14:05:00Z \\
    --into 'mysql://root@127.0.0.1:3307/?password-env=TARGET_PASSWORD' --identity key.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", metavar="DB")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--into", metavar="URL", help="an empty server of the same flavour: takes logical images")
    target.add_argument(
        "--into-datadir", type=Path, metavar="FOLDER", help="an empty data directory on this machine: physical images"
    )
    parser.add_argument(
        "--to", default="latest", metavar="POINT", help="a time, FILE:POSITION, the id of an image, or latest (default)"
    )
    parser.add_argument("--store", metavar="NAME", help="the store to read (default: the one that is ready first)")
    parser.add_argument("--without-accounts", action="store_true", help="bring back no users, roles and grants")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add_identity(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    (database,) = world.databases(arguments.database)
    store = world.store(arguments.store or world.stores_of(database.name)[0])
    identities = identities_of(arguments)
    if arguments.into_datadir:
        folder, dry_run = arguments.into_datadir, arguments.dry_run
        return restore_folder(store, database.name, arguments.to, folder, identities, dry_run=dry_run)
    target_address = parse_address(arguments.into)
    target = Target(target_address, target_address.password())
    choice = choose(store, database.name, arguments.to, identities)
    facts = ready_target(target, choice.image)
    sealed = choice.image.manifest.encrypted and not identities
    accounts = None
    if not arguments.without_accounts and not sealed and holds_accounts(choice.image):
        accounts = AccountsBack.on(target, choice.image, store, identities)
    _preview(choice, store, target)
    _preview_accounts(choice.image, accounts, sealed=sealed)
    if arguments.dry_run:
        return 0
    if sealed:
        raise Refused("the image is encrypted", help="name the file with the age identity: --identity FILE")
    began = time.monotonic()
    quiet_target(target)
    if accounts:
        accounts.create(target)
    load_image(
        choice.image, store, target, facts, identities, _loading,
        lambda: accounts.grant(target) if accounts else None,
    )  # fmt: skip
    if accounts:
        accounts.grant_on_views(target)
    loaded = time.monotonic()
    logged: tuple[Transaction, ...] = ()
    if choice.window and choice.stop:
        logged = replay(choice.window, choice.stop, store, target, facts, identities, lambda *_: None)
    _finish_accounts(accounts, target, [statement for one in logged for statement in one.statements])
    done = time.monotonic()
    say(f"restored in {done - began:.1f} s: {loaded - began:.1f} s image, {done - loaded:.1f} s log")
    say("the event scheduler of the target is off: SET GLOBAL event_scheduler = ON when you put it in service")
    print(f"{database.name} is restored to {choice.stop.text if choice.stop else choice.image.position.text}")
    return 0


def identities_of(arguments: argparse.Namespace) -> Sequence[Secret]:
    """The keys that open backups: from `--identity`, else the file that BKPC_AGE_IDENTITY names, else none."""
    path = arguments.identity or os.environ.get("BKPC_AGE_IDENTITY")
    return read_identities(Path(path)) if path else ()


def _preview(choice: Choice, store: Store, target: Target) -> None:
    manifest = choice.image.manifest
    say(f"image  {manifest.id} of {manifest.flavour} {manifest.server_version}, finished {manifest.finished}")
    say(f"       {len(manifest.parts)} parts, {manifest.stored_size:,} bytes in store `{store.name}`")
    if choice.window and choice.stop:
        commit = f", last commit {choice.last_commit.isoformat()}" if choice.last_commit else ""
        say(f"log    from {choice.image.position.text} to {choice.stop.text}{commit}")
    if choice.by_time and manifest.flavour == "mariadb":
        say("       MariaDB's log says when a statement began: one that ran across the asked time may be in it")
    say(f"into   {target.address.text}")
    for one in manifest.not_included:
        say(f"not in it: {one}")


def _preview_accounts(image: Image, accounts: AccountsBack | None, *, sealed: bool) -> None:
    if accounts:
        say(f"users  {accounts.count} accounts and roles with their grants")
        if accounts.conflicts:
            say(f"       left as they are on the target: {', '.join(one.text for one in accounts.conflicts)}")
    elif holds_accounts(image):
        say("users  in the image, which is encrypted" if sealed else "users  left out: --without-accounts")


def _finish_accounts(accounts: AccountsBack | None, target: Target, logged: Sequence[Statement]) -> None:
    """Grants, what the log says of accounts, and who is missing."""
    if accounts:
        accounts.follow(target, logged)
        for problem in accounts.problems:
            say(f"accounts: {problem}")
    elif logged:
        say(f"accounts: {len(logged)} statements of the log about accounts were left out")
    absent = absent_definers(target)
    if absent:
        say(f"defined by accounts that are not there: {', '.join(absent)}: views, triggers, routines and events of "
            "theirs fail when used")  # fmt: skip


def _loading(part: Part, number: int, of: int) -> None:
    name = f"{part.schema}.{part.table}".strip(".") or part.kind
    say(f"  [{number}/{of}] {name}")
