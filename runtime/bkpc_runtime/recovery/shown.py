"""What the head and the end of a log show of a point: a recovery need not read all of it to begin.

None of it is proof: a server may have skipped a transaction, or have set back its clock. That shows while the log is
read, which goes on beside the replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.binlog.transactions import transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import NONE, Gtids, gtid_list, previous_gtids, split_gtid
from bkpc_runtime.recovery.log_tail import Ending, ending
from bkpc_runtime.recovery.point import FIRST, Latest
from bkpc_runtime.repository import windows
from bkpc_runtime.repository.catalogue import Window
from bkpc_runtime.repository.segments import archived_file
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import segment_opener

if TYPE_CHECKING:
    from bkpc_runtime.recovery.choice import Start


def goes_beyond(store: Store, start: Start, moment: datetime, identities: Sequence[Secret]) -> bool:
    """Whether the last transaction of the log is from after a moment."""
    end = _end_of(store, start, identities)
    return end is not None and end.last is not None and end.last > moment


def holds(store: Store, start: Start, left: Gtids, identities: Sequence[Secret]) -> bool:
    """Whether the log goes on beyond what is `left` of GTIDs, and the last of them is not from before the image."""
    window = start.window
    assert window is not None
    image = start.image.position
    for one in transactions(_pieces(store, window, Position(image.file, max(image.offset, FIRST)), identities)):
        left = left.less(_up_to(one.gtid))
    end = None if left.empty else _end_of(store, start, identities)
    if end is None:
        return False
    left = left.less(_up_to(end.gtid))
    if not left.empty:
        tip, last = window.tip, window.tip_end.file
        head = archived_file(store, tip.prefix, tip.epoch, last).segments[0].end
        left = left.less(executed_before(store, window, tip.named(Position(last, head)), identities))
    return left.empty


def executed_before(store: Store, window: Window, position: Position, identities: Sequence[Secret]) -> Gtids:
    """What was executed when the binlog of a position began, as it says itself; nothing behind the position is read."""
    for event in events.walk(_pieces(store, window, Position(position.file, max(position.offset, FIRST)), identities)):
        if event.kind == events.PREVIOUS_GTIDS:
            return previous_gtids(event.body)
        if event.kind == events.GTID_LIST:
            return gtid_list(event.body)
        if event.kind in events.BEGINS:
            break
    return NONE


def _pieces(
    store: Store, window: Window, end: Position, identities: Sequence[Secret]
) -> Iterator[tuple[str, int, bytes]]:
    """One binlog from its beginning to `end`."""
    return windows.read(
        store, window, Position(end.file, FIRST), end,
        unpack=segment_opener(identities),
    )  # fmt: skip


def _end_of(store: Store, start: Start, identities: Sequence[Secret]) -> Ending | None:
    """The last of the log; None where that is damaged: then all of it is to be read first."""
    try:
        return ending(store, replace(start, point=Latest()), identities)
    except DamagedBackup:
        return None


def _up_to(gtid: str) -> Gtids:
    """All of its source up to one transaction."""
    if not gtid:
        return NONE
    source, number = split_gtid(gtid)
    return Gtids({source: [(1, number)]}, {})
