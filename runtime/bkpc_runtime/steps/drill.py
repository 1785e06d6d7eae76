"""A drill: restored for real into a scratch server, compared with what the source had at that position, measured.

The source is asked first, in one snapshot whose position in the log is known. When the log of that position is in the
store, it is restored up to there; then both servers must hold the same rows.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import DamagedBackup, Refused, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.scratch_server import scratch_server
from bkpc_runtime.recovery.accounts_back import AccountsBack
from bkpc_runtime.recovery.choice import Start, choose
from bkpc_runtime.recovery.marker import Marker
from bkpc_runtime.recovery.point import Point
from bkpc_runtime.recovery.recover import Means, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.where_from import reaching_furthest
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.drills import DRILL_VERSION, Drill, keep_drill, new_drill_id
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.drill_compare import Held, differences, held_by, source_of
from bkpc_runtime.steps.drill_instant import go_on, random_instant, start_to
from bkpc_runtime.steps.drill_pages import restored_pages
from bkpc_runtime.steps.drill_reach import image_in_turn, image_of, reached
from bkpc_runtime.steps.measuring import Measuring
from bkpc_runtime.steps.thaw import cold_of, keys_to_read
from bkpc_runtime.steps.verification import note_met
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import both_names
from bkpc_runtime.transfer.identity import need_key
from bkpc_runtime.world import World

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a drill is to be done: with which image (None: the one whose turn it is), where, how long to wait for log;
    by way of `to`, or of an instant that is drawn with `seed`."""

    image: str | None
    work: Path
    patience_seconds: float
    identities: Sequence[Secret]
    seed: int
    to: Point | None = None


def drawn_seed() -> int:
    """Another one each time."""
    return secrets.randbelow(1 << 32)


def run_drill(
    world: World, database: contract.Database, store: Store, asked: Asked, told: Callable[[str], None]
) -> Drill:
    """Restore a database into a scratch server and compare; what was found is kept in the store. `told` gets progress.

    Raises:
        PolicyBroken: the store has no image, or the log did not arrive in time.
        Refused: the image is encrypted and no identity opens it.
        ServerFailed, ToolFailed: the drill itself could not be held; nothing is said about the backup.
    """
    began = datetime.now(UTC)
    name, (store, streamed) = store.name, _with_log(world, database.name, store)
    _one_opens(store, database.name, asked)
    source = source_of(world, database)
    image, given = _beginning(world, store, database.name, source if streamed else None, asked)
    manifest = image.manifest
    aim = reached(store, image, source, asked.patience_seconds, told, streamed=streamed)
    start, means, measuring = start_to(image, aim.window, aim.stop), _means(asked), Measuring()
    instant = given or random_instant(start, store, asked.identities, asked.seed)
    told(f"image {manifest.id}, {_by_way_of(instant, asked)}to {aim.point.text}")
    with ExitStack() as stack:
        target, problems = _all_of_it(start, instant, store, means, measuring, stack, told)
        restored = held_by(target, measuring) if target and not problems else None
    at_source = aim.source if restored else None
    problems += differences(at_source, restored, manifest) if at_source and restored else []
    rows = restored.rows.tables if restored else {}
    drill = Drill(
        format_version=DRILL_VERSION,
        id=new_drill_id(began),
        database=database.name,
        store=name,
        image=manifest.id,
        point=aim.point.text,
        server_version=manifest.server_version,
        began=began.isoformat(),
        finished=datetime.now(UTC).isoformat(),
        steps=tuple(measuring.steps),
        tables=len(rows),
        rows=sum(one.rows for one in rows.values()),
        compared=len(at_source.rows.tables) if at_source else 0,
        not_compared=tuple(sorted(map(".".join, at_source.rows.changed))) if at_source else (),
        problems=tuple(problems),
        expected_ms=expected(world.plan, database.name),
        instant=instant.text if instant else "",
        seed=asked.seed if instant and not given else None,
        objects=at_source.objects if at_source else 0,
    )
    keep_drill(store, image.prefix, drill)
    return drill


def _means(asked: Asked) -> Means:
    """Rows are compared, whatever storage engine this machine's server has for them."""
    return Means(asked.identities, asked.work, other_engines=True)


def _with_log(world: World, database: str, store: Store) -> tuple[Store, bool]:
    """A store, with that of the log where the plan keeps it elsewhere; and whether log comes to it."""
    streamed = any(one.database == database and store.name in one.stores for one in world.plan.streams)
    both = reaching_furthest(world, database, store)
    return both, streamed or both.name != store.name


def _one_opens(store: Store, database: str, asked: Asked) -> None:
    """Before the source is asked, which reads all of its tables."""
    images = catalogue.all_images(store, database)
    need_key(encrypted=bool(images) and all(one.manifest.encrypted for one in images), identities=asked.identities)


def _openable(world: World, database: str, store: Store, image: Image, asked: Asked) -> None:
    need_key(encrypted=image.manifest.encrypted, identities=asked.identities)
    if not any(world.thaws(name) for name in both_names(store)):
        return
    window = catalogue.window(store, image)
    keys = keys_to_read(store, [image], window, window.end if window else None)
    if cold := cold_of(store, keys):
        name = both_names(store)[0]
        into = "--into-datadir FOLDER" if image.manifest.physical else "--into mysql://USER@HOST"
        raise Refused(
            f"{len(cold)} of {len(keys)} objects of image {image.manifest.id} and its log in store `{store.name}` "
            "must thaw before they can be read: a drill does not ask for that, since it is charged",
            help=f"`bkpc restore PLAN {database} --store {name} --thaw-only {into}` does, and needs no server yet; "
            "drill when they have thawed",
        )


def _by_way_of(instant: Position | None, asked: Asked) -> str:
    if instant is None:
        return ""
    return f"by way of {instant.text}, " if asked.to else f"by way of {instant.text} (drawn with --seed {asked.seed}), "


def _beginning(
    world: World, store: Store, database: str, source: Held | None, asked: Asked
) -> tuple[Image, Position | None]:
    """The image to begin with, and the instant that was asked for."""

    def openable(image: Image) -> None:
        _openable(world, database, store, image, asked)

    if asked.to is None and asked.image is None:
        return image_in_turn(store, database, source, openable), None
    image, instant = _asked_for(store, database, asked)
    openable(image)
    return image, instant


def _asked_for(store: Store, database: str, asked: Asked) -> tuple[Image, Position | None]:
    if asked.to is None:
        assert asked.image is not None
        return image_of(store, database, asked.image), None
    newest = next(iter(catalogue.all_images(store, database)), None)
    physical = newest is not None and newest.manifest.physical
    choice = choose(store, database, asked.to, asked.identities, physical=physical)
    return choice.image, choice.stop if choice.window else None


def _all_of_it(
    start: Start, instant: Position | None, store: Store, means: Means, measuring: Measuring, stack: ExitStack,
    told: Callable[[str], None],
) -> tuple[Target | None, list[str]]:  # fmt: skip
    """To the instant, and on from there."""
    if instant is None or start.reach is None or order(instant) >= order(start.reach):
        return _back(start, store, means, measuring, stack, told)
    target, problems = _back(start_to(start.image, start.window, instant), store, means, measuring, stack, told)
    if target and not problems:
        told(f"restored to {instant.text}, and on to {start.reach.text}")
        try:
            go_on(start, instant, store, target, means, measuring)
        except (DamagedBackup, ToolFailed, Refused) as problem:
            note_met(store, problem, datetime.now(UTC))
            problems = [f"from {instant.text} on: {problem}"]
    return target, problems


def _room(manifest: Manifest) -> int:
    """A restored database takes more than its dump: indexes, redo and undo log, and the log that is replayed."""
    return 3 * manifest.plain_size


def _back(
    start: Start, store: Store, means: Means, measuring: Measuring, stack: ExitStack, told: Callable[[str], None]
) -> tuple[Target | None, list[str]]:
    """A server of our own that holds `start` until `stack` is closed; or what is wrong with the backup."""
    manifest = start.image.manifest
    if manifest.physical:
        return restored_pages(start, store, means, measuring, stack, told)
    with measuring.step("provision"):
        server = scratch_server(manifest.flavour, means.work, manifest.variables, needed_bytes=_room(manifest))
        target = Target(stack.enter_context(server).address, Secret(""))
    return target, _restored(start, store, target, means, measuring)


def _restored(start: Start, store: Store, target: Target, means: Means, measuring: Measuring) -> list[str]:
    """What is wrong with the backup; empty when it came back."""
    try:
        if start.image.manifest.flavour == "mysql":
            with closing(target.connect()) as connection:
                query(connection, "SET GLOBAL partial_revokes = ON")
        moved = _Drilling(target, AccountsBack.on(target, start.image, store, means.identities))
        done = recover([start], store, target, means, moved)
    except (DamagedBackup, ToolFailed, Refused) as problem:
        note_met(store, problem, datetime.now(UTC))
        return [str(problem)]
    measuring.add("restore.image", done.loading, start.image.manifest.plain_size)
    if moved.size:
        measuring.add("restore.log", done.replaying, moved.size)
    return []


class _Drilling(Silent):
    """Counts the log that is replayed, and makes accounts: views need those that define what they use."""

    def __init__(self, target: Target, accounts: AccountsBack) -> None:
        self._target, self._accounts, self.size = target, accounts, 0

    def begins(self, marker: Marker) -> None:  # noqa: ARG002
        self._accounts.create(self._target)

    def before_views(self) -> None:
        self._accounts.grant(self._target)

    def loaded(self) -> None:
        self._accounts.grant_on_views(self._target)

    def replaying(self, file: str, size: int) -> None:  # noqa: ARG002
        self.size += size


def expected(plan: contract.Plan, database: str) -> int | None:
    """How long the plan says that image, log and check of a database take at most; None where it plans no recovery."""
    kinds = {"restore.image", "restore.increment", "restore.log", "check.service"}
    for recovery in plan.recoveries:
        steps = [one for one in recovery.steps if one.database == database and one.kind in kinds]
        if steps:
            return max(one.start_ms + one.expect_ms for one in steps) - min(one.start_ms for one in steps)
    return None
