"""What an agent had received and not delivered, when it died or another server took over: into the stores, where
their log goes on with it.

The server may be gone together with the agent, and then nobody else has it. A store decides what it takes: its own
log must end where the leftover begins, in a file of the same first event. All else stays where it is, and is thrown
away when the server itself has been asked where to go on; log of another server than that is set aside until each
store could take it.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.joins import begun, joins_of
from bkpc_runtime.repository.layout import database_folder
from bkpc_runtime.repository.segments import Segment, epochs, newest_end, origin
from bkpc_runtime.steps.log_delivery import put
from bkpc_runtime.steps.log_held import pieces_of
from bkpc_runtime.steps.log_parcels import Parcel
from bkpc_runtime.steps.log_spool import labels, leftover
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_ASIDE = "aside-"


def deliver_leftover(work: Path, stores: Sequence[Store], database: str) -> None:
    """From every spool below `work`. A store that is away gets nothing, and nothing that fails is raised."""
    for folder in sorted(path for path in work.glob("*") if path.is_dir()):
        for store in stores:
            try:
                _deliver(folder, store, f"{database_folder(database)}/")
            except RuntimeFailure as problem:
                log.warning("what an earlier agent left is not delivered to %s: %s", store.name, problem)


def set_aside(work: Path, prefix: str) -> None:
    """Log of other servers than that of `prefix`, out of the way of the stream that begins in `work`."""
    for folder in [path for path in work.glob("*") if path.is_dir() and not path.name.startswith(_ASIDE)]:
        aside = work / f"{_ASIDE}{folder.name}"
        for path, label in labels(folder):
            if label != prefix:
                aside.mkdir(mode=0o700, exist_ok=True)
                path.rename(aside / f"{label.rpartition('/')[2]}-{path.name}")


def deliver_aside(work: Path, store: Store, database: str) -> None:
    """What was set aside into one store. `database`: its folder there.

    Raises:
        StoreFailed: it can't be told what it has, or does not take it.
    """
    for folder in sorted(work.glob(f"{_ASIDE}*")):
        _deliver(folder, store, f"{database}/")


def forget_aside(work: Path) -> None:
    """When every store could take it."""
    for folder in work.glob(f"{_ASIDE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _deliver(folder: Path, store: Store, ours: str) -> None:
    at: dict[str, tuple[int, Position, str]] = {}
    for prefix, parcel in leftover(folder):
        if not prefix.startswith(ours):
            continue
        epoch, position, known = at.get(prefix) or _end(store, prefix)
        at[prefix] = epoch, position, known
        if not epoch or not _continues(parcel, position, known):
            continue
        for key, body in parcel.objects(prefix, epoch):
            put(store, key, body)
        at[prefix] = epoch, parcel.end, parcel.origin
        log.info("log to %s, which an earlier agent had left, is in store %s now", parcel.end.text, store.name)


def _end(store: Store, prefix: str) -> tuple[int, Position, str]:
    """The newest epoch of a store's log, its end, and the hash of that file's first event; 0 where none goes on."""
    epoch = max(epochs(store, prefix), default=0)
    position = newest_end(store, prefix, epoch) if epoch else None
    if position is None or any(begun(store, one) for one in joins_of(store, prefix, epoch)):
        return 0, Position("", 0), ""  # where a log has gone on at another server, nothing may be added to it
    return epoch, position, origin(store, prefix, epoch, position.file)


def _continues(parcel: Parcel, position: Position, known: str) -> bool:
    """Whether a store's log that ends at `position` goes on with this, and it is as it was written."""
    content = parcel.content
    if not parcel.new_to(position):
        return False
    if not isinstance(content, Segment):
        return content.position == position
    if content.file != position.file or content.start > position.offset:
        return False
    if content.start and parcel.origin != known:
        return False
    digest = hashlib.sha256()
    for piece in pieces_of(parcel):
        digest.update(piece)
    return digest.hexdigest() == content.sha256
