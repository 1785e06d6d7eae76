"""Of the logs that several stores have of one image, the one that leads furthest.

Where they end in the log of one server, by its places. Those of two servers can't be compared, nor does it tell how
many servers a log leads through: a store may have been away while the log went on at another, and be there again when
the first is back, whose own log holds all of that. Then the GTIDs tell that are executed at each end.
"""

from __future__ import annotations

from collections.abc import Iterable

from bkpc_runtime.errors import DamagedBackup, StoreFailed
from bkpc_runtime.repository.joins import Ended, ended_at
from bkpc_runtime.repository.segments import order
from bkpc_runtime.repository.windows import Window
from bkpc_runtime.stores.store import Store


def furthest(found: Iterable[tuple[Window, Store]]) -> tuple[Window, Store] | None:
    """The window that reaches furthest and its store; of those that reach as far the first."""
    best: tuple[Window, Store] | None = None
    for one in found:
        if best is None or _further(one, best):
            best = one
    return best


def _further(one: tuple[Window, Store], other: tuple[Window, Store]) -> bool:
    window, before = one[0], other[0]
    if (window.tip.prefix, window.tip.epoch) == (before.tip.prefix, before.tip.epoch):
        return order(window.tip_end) > order(before.tip_end)
    mine, theirs = _ended(*one), _ended(*other)
    more, less = _holds(mine, theirs), _holds(theirs, mine)
    return window.reach > before.reach if more == less else more


def _holds(more: Ended | None, less: Ended | None) -> bool:
    """Whether all that was executed at one end is known to have been at another. Numbers of MariaDB are of a domain,
    whoever wrote: who did there must be known here."""
    if more is None or less is None or more.gtids is None or less.gtids is None:
        return False
    return less.gtids.less(more.gtids).empty and less.writers <= more.writers


def _ended(window: Window, store: Store) -> Ended | None:
    """The end of a window, with what is executed there; None where nothing tells."""
    try:
        ended = ended_at(store, window.tip.prefix, window.tip.epoch)
    except (StoreFailed, DamagedBackup):
        return None
    return ended if ended and ended.end == window.tip_end else None
