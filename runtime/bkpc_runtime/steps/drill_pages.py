"""A drill of a physical image: unpacked and prepared as a restore does it, on a server of our own over the files."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bkpc_runtime.errors import DamagedBackup, Refused, ToolFailed
from bkpc_runtime.mysql.scratch_server import server_over
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.data_folder import claimed
from bkpc_runtime.recovery.into_data_folder import facts_of
from bkpc_runtime.recovery.load import compare
from bkpc_runtime.recovery.opening import refuse_unreadable, unreadable
from bkpc_runtime.recovery.pages import bring_back, needed_bytes
from bkpc_runtime.recovery.recover import Means, way_of
from bkpc_runtime.recovery.replay import open_spool, replay
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import ByClient
from bkpc_runtime.repository import catalogue
from bkpc_runtime.steps.measuring import Measuring
from bkpc_runtime.steps.verification import note_met
from bkpc_runtime.stores.store import Store


def restored_pages(
    start: Start, store: Store, means: Means, measuring: Measuring, stack: ExitStack, told: Callable[[str], None]
) -> tuple[Target | None, list[str]]:
    """A server that holds `start` until `stack` is closed, each step measured; or what is wrong with the backup."""
    try:
        return _restored(start, store, means, measuring, stack, told), []
    except (DamagedBackup, ToolFailed, Refused) as problem:
        note_met(store, problem, datetime.now(UTC))
        return None, [str(problem)]


def _restored(
    start: Start, store: Store, means: Means, measuring: Measuring, stack: ExitStack, told: Callable[[str], None]
) -> Target:
    manifest = start.image.manifest
    chain = catalogue.chain(start.image, catalogue.all_images(store, manifest.database))
    folder = stack.enter_context(claimed(stack.enter_context(_folder(means.work)), needed_bytes(chain)))
    spool = None
    if start.window:
        spool = stack.enter_context(open_spool(start, store, means.identities, ByClient(folder.work, "not known yet")))
    with measuring.step("restore.image", sum(one.manifest.plain_size for one in chain)):
        bring_back(chain, store, folder.work, means.identities, told)
    with measuring.step("provision"):
        options = {"max_allowed_packet": "1G"}
        server = stack.enter_context(server_over(manifest.flavour, folder.work, manifest.variables, options))
    target = Target(server.address, server.address.password())
    compare(start.image, target)
    refuse_unreadable(unreadable(manifest, target))
    if spool:
        facts = facts_of(target)
        moved: list[int] = []
        began = time.monotonic()
        way = way_of(target, facts, Means(work=folder.work))
        replay(spool, target, facts, way, lambda _, size: moved.append(size))
        measuring.add("restore.log", time.monotonic() - began, sum(moved))
    return target


@contextmanager
def _folder(work: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bkpc-drill-", dir=work))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
