"""`bkpc verify`: every byte of the images and their log read back and compared."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bkpc_runtime.commands.outcome import add_identity, add_plan, identities_of, reported, say, world_of
from bkpc_runtime.errors import ObjectFrozen, StoreFailed
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.thaw import cold_of
from bkpc_runtime.steps.try_out import tried
from bkpc_runtime.steps.verification import look_again, note_damage, tell
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc verify plan.json orders --identity key.txt"
_DAMAGED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", nargs="?", metavar="DB", help="only this database")
    parser.add_argument("--store", metavar="NAME", help="only this store")
    parser.add_argument(
        "--deep", action="store_true", help="restore each chain of physical images, and start a server on it"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="where --deep restores them (default: a temporary folder)",
    )
    add_identity(parser)


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    identities = identities_of(arguments)
    if arguments.store:
        world.store(arguments.store)
    checked, problems, away = 0, 0, 0
    for database in world.databases(arguments.database):
        # A copy that OSS keeps is read where it is asked for: it costs traffic between regions.
        for name in (*world.stores_of(database.name), *(world.replicas_of(database.name) if arguments.store else ())):
            if arguments.store not in {None, name}:
                continue
            try:
                for images, found in _verified(world, database.name, name, identities, arguments):
                    checked += images
                    problems += found
            except StoreFailed as problem:
                away += 1
                print(f"problem  {database.name}  {name} {problem.words}: {problem}")
    depth = "hashes, decryption and content" if identities else "hashes of what is stored"
    unread = f"; {away} stores were not read to the end" if away else ""
    say(f"verified {checked} images ({depth}): {problems} problems{unread}")
    if problems or away:
        return _DAMAGED if problems else StoreFailed.exit_code
    if checked == 0:
        say("nothing was verified: there are no images that can be read")
        return 1
    return 0


def _cold(image: Image, store: Store) -> int:
    """How many parts can't be read: a verification asks for no thaw, which is charged."""
    parts = image.manifest.parts
    return len(cold_of(store, [layout.part_key(image.prefix, image.manifest.id, one.name) for one in parts]))


def _verified(
    world: World, database: str, name: str, identities: Sequence[Secret], arguments: argparse.Namespace
) -> Iterator[tuple[int, int]]:
    """Reads all there is of a database in one store, and tells; yields how many images were read and what was found."""
    store = world.store(name)
    for problem in catalogue.unreadable(store, database):
        print(f"damaged  {database}  {name}  {problem}")
        yield 0, 1
    for problem in look_again(store, database, world.clock()):
        print(f"damaged  {database}  {name}  {problem}")
        yield 0, 1
    images = catalogue.all_images(store, database)
    for image in images:
        if cold := _cold(image, store):
            print(f"not read {database}  {name}  {image.manifest.id}: {cold} of its parts must thaw first")
            continue
        try:
            found = verify_image(image, store, identities, newest=image is images[0])
        except ObjectFrozen:
            print(f"not read {database}  {name}  {image.manifest.id}: its log must thaw first")
            continue
        content = bool(identities) or not image.manifest.encrypted
        tell(image, store, found.damage, found.bytes_read, world.clock(), content=content)
        note_damage(store, found.log_damage, world.clock())
        if arguments.deep and not found.problems:
            found = tried(found, image, images, store, identities, arguments.work)
        end = f", log to {found.window_end.text}" if found.window_end else ", no log"
        verdict = "damaged" if found.problems else "ok"
        print(f"{verdict}  {database}  {name}  {found.image}: {found.bytes_read:,} bytes read{end}")
        for line in found.problems:
            print(f"  {line}")
        if found.severed and found.severed not in found.problems:
            print(f"  its log ends there: {found.severed}")
        yield 1, len(found.problems)
