"""Going on at another server: whether its log continues, by GTID, what a store has of an earlier one's.

It does where the server has executed all that is stored, and still has the log of all that it has executed besides.
Its own file and offset mean nothing to the earlier one: its log is stored as its own, from the beginning of the file
in which the first transaction lies that is not stored, and a JOIN says where one log passes into the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.gtid import NONE, Gtids
from bkpc_runtime.repository.joins import Ended, Join, begun, ended_at, joins_of
from bkpc_runtime.repository.segments import epochs
from bkpc_runtime.steps.log_taking_over import Connect, beginning
from bkpc_runtime.stores.store import Store


@dataclass(frozen=True, slots=True)
class NoJoin:
    """Why the log of an earlier server is not gone on from."""

    ended: Ended
    reason: str


def find_join(
    connect: Connect, facts: ServerFacts, store: Store, prefix: str, *, broken: bool = False
) -> Join | NoJoin | None:
    """How this server's log continues what a store has of an earlier one's; None: it has none, or its own is later.

    Only the end of all is looked at: a log that goes on at another server already has had its turn. `broken`: its own
    does not go on, so that any other is better.
    """
    ends = list(_ends(store, prefix))
    own = max(epochs(store, prefix), default=0)
    if own and not broken and ends:
        known = ended_at(store, prefix, own)
        ends = [one for one in ends if known and _later(one, known)]
    if not ends:
        return None
    # Of several, that which has most: others were left behind earlier.
    ended = max(ends, key=lambda one: _count(one.gtids or NONE))
    if ended.gtids is None:
        return NoJoin(ended, _UNTOLD)
    found = _UNFIT if _of(ended.gtids) not in {"", facts.flavour} else beginning(connect, facts, ended, ended.gtids)
    if isinstance(found, str):
        return NoJoin(ended, found)
    file, passed = found
    tried = [one for one in joins_of(store, ended.prefix, ended.epoch) if one.prefix_there == prefix]
    for one in tried:
        if (one.end, one.file, one.gtids, one.passed) == (ended.end, file, ended.gtids, passed):
            return one  # written, and broken off before there was any log
    epoch = max([ended.epoch, own, *(one.epoch_there for one in tried)]) + 1
    return Join(ended.prefix, ended.epoch, ended.end, prefix, epoch, file, ended.gtids, passed, int(time.time()))


_UNTOLD = (
    "the names of its objects do not tell which GTIDs it holds: it is of an older bkpc, or of a server without GTIDs; "
    "with them it could go on"
)
_UNFIT = "it is of the other flavour"


def _later(one: Ended, own: Ended) -> bool:
    """Whether it holds more; or as much, and was begun when the other had ended."""
    if one.gtids is None or own.gtids is None:
        return False
    return (_count(one.gtids), one.epoch) > (_count(own.gtids), own.epoch)


def _of(gtids: Gtids) -> str:
    """The flavour whose GTIDs these are."""
    return "" if gtids.empty else "mariadb" if gtids.servers else "mysql"


def _count(gtids: Gtids) -> int:
    return sum(last - first + 1 for ranges in gtids.intervals.values() for first, last in ranges)


def _ends(store: Store, prefix: str) -> Iterator[Ended]:
    """The ends of the logs of all other servers, but of those that go on elsewhere already."""
    folder = prefix.rpartition("/")[0]
    for name in store.folders(f"{folder}/"):
        other = f"{folder}/{name.rstrip('/')}"
        epoch = max(epochs(store, other), default=0)
        if other == prefix or not epoch:
            continue
        if any(begun(store, one) for one in joins_of(store, other, epoch)):
            continue
        if (ended := ended_at(store, other, epoch)) is not None:
            yield ended
