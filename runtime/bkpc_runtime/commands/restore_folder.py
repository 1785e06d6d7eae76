"""`bkpc restore … --into-datadir`: a physical image, and the log after it, into an empty data directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bkpc_runtime import events
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.status_keeping import untrusted
from bkpc_runtime.recovery.choice import choose, starts
from bkpc_runtime.recovery.image_first import ImageFirst
from bkpc_runtime.recovery.into_data_folder import restore_into_folder
from bkpc_runtime.recovery.pages import needed_bytes
from bkpc_runtime.recovery.point import Point
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import need_key

_TOLD = ("innodb_page_size", "innodb_data_file_path", "lower_case_table_names")
"""What the server that is to start on the files must be told as its source was, where it is not the default."""
_DEFAULTS = {"innodb_page_size": "16384", "innodb_data_file_path": "ibdata1:12M:autoextend"}


def restore_folder(
    store: Store, database: str, point: Point, path: Path, identities: Sequence[Secret], reading: Reading,
    *, dry_run: bool, loaded: Callable[[], None] = lambda: None, first: ImageFirst | None = None,
) -> int:  # fmt: skip
    """Says what will be done, does it unless `dry_run`; the exit code."""
    start = next(starts(store, database, point, identities, physical=True), None)
    if dry_run or start is None or not start.sure:
        # Only the log tells the exact position, or whether there is any.
        start = choose(store, database, point, identities, physical=True).start
    chain = catalogue.chain(start.image, catalogue.all_images(store, database))
    for image in chain:
        manifest = image.manifest
        say(f"image  {manifest.id}, {manifest.kind}, by {manifest.engine} of {manifest.flavour} "
            f"{manifest.server_version}, {manifest.stored_size:,} bytes")  # fmt: skip
        for line in untrusted(store, image):
            say(f"       {line}")
    if start.window:
        say(f"log    from {start.image.position.text}, {start.until}")
        for line in start.failovers:
            say(f"       {line}")
    say(f"into   {path}, up to {needed_bytes(chain):,} bytes")
    if dry_run:
        return 0
    need_key(encrypted=start.image.manifest.encrypted, identities=identities)
    reading.hold(start.image, log_too=start.window is not None)
    began = time.monotonic()
    with events.step(f"{database}/restore", "restore", database):
        owner, stop = restore_into_folder(start, store, path, identities, say, loaded, first)
    say(f"restored in {time.monotonic() - began:.1f} s; the files belong to {owner}")
    for line in _remarks(start.image, owner, path):
        say(line)
    events.tell(events.Restored(database=database, point=stop.text, into=str(path), tables=()))
    print(f"{database} is restored to {stop.text}")
    return 0


def _remarks(image: Image, owner: str, path: Path) -> list[str]:
    """What the person who starts the server must know."""
    variables = image.manifest.variables
    set_ = {name: variables[name] for name in _TOLD if variables.get(name, "") not in {"", _DEFAULTS.get(name, "0")}}
    remarks = [f"start its server with {name} = {value}" for name, value in set_.items()]
    if owner == "root":
        remarks.append(f"no server runs as root: chown -R mysql:mysql {path}")
    if any(one.events for one in image.manifest.inventory):
        remarks.append("it holds events, which fire as soon as it starts: event_scheduler = OFF until you have looked")
    return remarks
