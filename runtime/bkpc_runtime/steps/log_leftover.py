"""What an agent that died had received and not delivered: into the stores, where their log goes on with it.

The server may be gone together with the agent, and then nobody else has it. A store decides what it takes: its own
log must end where the leftover begins, in a file of the same first event. All else stays where it is, and is thrown
away when the server itself has been asked where to go on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.layout import database_folder
from bkpc_runtime.repository.segments import Segment, epochs, newest_end, origin
from bkpc_runtime.steps.log_parcels import Parcel
from bkpc_runtime.steps.log_spool import leftover
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)


def deliver_leftover(work: Path, stores: Sequence[Store], database: str) -> None:
    """From every spool below `work`. A store that is away gets nothing, and nothing that fails is raised."""
    for folder in sorted(path for path in work.glob("*") if path.is_dir()):
        for store in stores:
            try:
                _deliver(folder, store, f"{database_folder(database)}/")
            except RuntimeFailure as problem:
                log.warning("what an earlier agent left is not delivered to %s: %s", store.name, problem)


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
            store.put(key, body())
        at[prefix] = epoch, parcel.end, parcel.origin
        log.info("log to %s, which an earlier agent had left, is in store %s now", parcel.end.text, store.name)


def _end(store: Store, prefix: str) -> tuple[int, Position, str]:
    """The newest epoch of a store's log, its end, and the hash of that file's first event; epoch 0 for none."""
    epoch = max(epochs(store, prefix), default=0)
    position = newest_end(store, prefix, epoch) if epoch else None
    if position is None:
        return 0, Position("", 0), ""
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
    return hashlib.sha256(parcel.body()).hexdigest() == content.sha256
