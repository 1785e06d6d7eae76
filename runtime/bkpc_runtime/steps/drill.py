"""A drill: restored for real into a scratch server, compared with what the source had at that position, measured.

The source is asked first, in one snapshot whose position in the log is known. When the log of that position is in the
store, it is restored up to there; then both servers must hold the same rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import DamagedBackup, PolicyBroken, Refused, ServerFailed, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.fingerprint import Fingerprint, fingerprint
from bkpc_runtime.mysql.flavour import Position, ServerFacts, read_facts
from bkpc_runtime.mysql.scratch_server import scratch_server
from bkpc_runtime.recovery.accounts_back import AccountsBack
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.marker import Marker
from bkpc_runtime.recovery.point import AtPosition, OfImage
from bkpc_runtime.recovery.recover import Means, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image, Window
from bkpc_runtime.repository.drills import DRILL_VERSION, Drill, drills, keep_drill, new_drill_id
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.drill_pages import restored_pages
from bkpc_runtime.steps.measuring import Measuring
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """How a drill is to be done: with which image (None: the one whose turn it is), where, how long to wait for log."""

    image: str | None
    work: Path
    patience_seconds: float
    identities: Sequence[Secret]


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
    streamed = any(one.database == database.name and store.name in one.stores for one in world.plan.streams)
    image = _image(store, database.name, asked.image)
    if image.manifest.encrypted and not asked.identities:
        raise Refused("the image is encrypted", help="name the file with the age identity: --identity FILE")
    source = _source(world, database)
    window, stop = _reached(store, image, source.position if source else None, streamed, asked, told)
    told(f"image {image.manifest.id}, to {stop.text if stop else image.position.text}")
    measuring = Measuring()
    manifest = image.manifest
    start, means = _start(image, window, stop), Means(asked.identities, asked.work)
    with ExitStack() as stack:
        target, problems = _back(start, store, means, measuring, stack, told)
        restored = _fingerprint_of(target, measuring) if target and not problems else None
    point = stop or image.position
    at_source = source if restored and source and source.position == point else None
    if at_source and restored:
        problems = _differences(at_source, restored)
    drill = Drill(
        format_version=DRILL_VERSION,
        id=new_drill_id(began),
        database=database.name,
        store=store.name,
        image=manifest.id,
        point=point.text,
        server_version=manifest.server_version,
        began=began.isoformat(),
        finished=datetime.now(UTC).isoformat(),
        steps=tuple(measuring.steps),
        tables=len(restored.tables) if restored else 0,
        rows=sum(one.rows for one in restored.tables.values()) if restored else 0,
        compared=len(at_source.tables) if at_source else 0,
        not_compared=tuple(sorted(map(".".join, at_source.changed))) if at_source else (),
        problems=tuple(problems),
        expected_ms=expected(world.plan, database.name),
    )
    keep_drill(store, image.prefix, drill)
    return drill


def _room(manifest: Manifest) -> int:
    """A restored database takes more than its dump: indexes, redo and undo log, and the log that is replayed."""
    return 3 * manifest.plain_size


def _source(world: World, database: contract.Database) -> Fingerprint | None:
    """What the source holds; None where it can't be asked: a drill must be possible when it is gone."""
    address, password = world.login(database)
    try:
        connection = world.connect(database)
        try:
            facts = read_facts(connection)
        finally:
            connection.close()
        return fingerprint(address, password, facts)
    except ServerFailed as problem:
        log.warning("rows are not compared: `%s` can't be asked what it holds: %s", database.name, problem)
        return None


def _image(store: Store, database: str, wanted: str | None) -> Image:
    """The one that is asked for, or whose turn it is: never drilled, then drilled longest ago; newer ones first."""
    images = catalogue.all_images(store, database)
    if not images:
        raise PolicyBroken(f"store `{store.name}` has no image of `{database}`")
    if wanted:
        for image in images:
            if image.manifest.id == wanted:
                return image
        known = ", ".join(one.manifest.id for one in images[:_SHOWN])
        raise PolicyBroken(f"store `{store.name}` has no image {wanted}", help=f"it has: {known}")
    last = {one.image: one.began for one in reversed(drills(store, database))}
    return min(images, key=lambda one: last.get(one.manifest.id, ""))


def _reached(
    store: Store, image: Image, stop: Position | None, streamed: bool, asked: Asked, told: Callable[[str], None]
) -> tuple[Window | None, Position | None]:
    """The log that continues the image, and where to stop: where the source was asked, once log leads there.

    Without log only the image itself comes back; without the source, all that was archived.
    """
    if stop == image.position:
        return None, None
    deadline = time.monotonic() + asked.patience_seconds
    while True:
        window = catalogue.window(store, image)
        if stop is None or (window is None and not streamed):
            return window, window.end if window else None
        if window and order(window.end) >= order(stop):
            return window, stop
        reached = f"ends at {window.end.text}" if window else "does not reach the image"
        if time.monotonic() > deadline:
            raise PolicyBroken(
                f"the log in store `{store.name}` {reached}: {stop.text}, where the source was asked what it holds, "
                f"did not arrive within {asked.patience_seconds:.0f} s",
                help="is `bkpc agent` running? `bkpc status` tells how far the log is",
            )
        told(f"waiting for the log to {stop.text}: it {reached}")
        time.sleep(_LOOK_SECONDS)


def _start(image: Image, window: Window | None, stop: Position | None) -> Start:
    if window and stop:
        return Start(image, window, AtPosition(stop))
    return Start(image, None, OfImage(image.manifest.id))


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


def _fingerprint_of(target: Target, measuring: Measuring) -> Fingerprint:
    connection = target.connect()
    try:
        facts: ServerFacts = read_facts(connection)
    finally:
        connection.close()
    with measuring.step("check.service"):
        return fingerprint(target.address, target.password, facts)


def _differences(source: Fingerprint, restored: Fingerprint) -> list[str]:
    """What is not the same, in words that name the table."""
    problems = []
    for key in sorted(source.tables.keys() | restored.tables.keys()):
        if key in source.changed or key in restored.changed:
            continue
        name = ".".join(key)
        there, here = source.tables.get(key), restored.tables.get(key)
        if here is None:
            problems.append(f"{name} is missing after the restore")
        elif there is None:
            problems.append(f"{name} came back, and the source had it not")
        elif there.rows != here.rows:
            problems.append(f"{name} has {here.rows:,} rows, the source had {there.rows:,}")
        elif there != here:
            problems.append(f"{name} has other values than the source had, in as many rows ({here.rows:,})")
    return problems


def expected(plan: contract.Plan, database: str) -> int | None:
    """How long the plan says that image, log and check of a database take at most; None where it plans no recovery."""
    kinds = {"restore.image", "restore.increment", "restore.log", "check.service"}
    for recovery in plan.recoveries:
        steps = [one for one in recovery.steps if one.database == database and one.kind in kinds]
        if steps:
            return max(one.start_ms + one.expect_ms for one in steps) - min(one.start_ms for one in steps)
    return None
