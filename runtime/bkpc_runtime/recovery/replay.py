"""Replaying archived log into a restored server, up to an exact position, while it still comes from its store.

    with open_spool(start, store, identities, way) as spool:
        ...                                        # load the image
        spool.check()                              # nothing is replayed yet
        replay(spool, target, facts, way, progress)

What is replayed ends exactly where it must: bytes behind the asked point are in no file and in no pipe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.recovery.applier import replay_by_applier
from bkpc_runtime.recovery.blanks import blanked
from bkpc_runtime.recovery.choice import Start, log_pieces
from bkpc_runtime.recovery.client import replay_by_client
from bkpc_runtime.recovery.event_status import put_back, statuses
from bkpc_runtime.recovery.point import AfterGtids, AtTime, BeforeEvent
from bkpc_runtime.recovery.spool import Found, Spool
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import SPOOLED, ByApplier, Way
from bkpc_runtime.repository import windows
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

_BEGUN = "the replay had begun, and the target is not restored: empty it before it is restored again"


def open_spool(start: Start, store: Store, identities: Sequence[Secret], way: Way) -> Spool:
    """The log of `start` on its way to disk, once its block is entered.

    Raises:
        StepFailed: there is no room for it.
    """
    assert start.window is not None
    assert start.reach is not None
    if isinstance(way, ByApplier):
        # What a restore has left that was killed.
        for left in way.folder.glob(f"{SPOOLED}.*"):
            left.unlink()
    # Where only the log tells the point, it may lie far before the end.
    exact = not isinstance(start.point, AtTime | AfterGtids | BeforeEvent)
    needed = windows.size(store, start.window, start.image.position, start.reach) if exact else 0
    pieces = log_pieces(store, start, identities)
    return Spool(
        blanked(pieces, start.narrowing, start.skips_to) if start.narrowing else pieces,
        start.course(),
        way.place,
        skips_to=start.skips_to,
        anonymous=start.image.manifest.flavour == "mysql",
        # A physical image has its accounts with it, and the log goes on from there.
        with_accounts=start.image.manifest.physical,
        needed=needed,
        wanted=start.narrowing.wants if start.narrowing else lambda _: True,
    )


def replay(spool: Spool, target: Target, facts: ServerFacts, way: Way, progress: Callable[[str, int], None]) -> Found:
    """Everything after the image and before the asked point; returns when all of it is executed, and the log is read
    as far as it may show that the point is none.

    `progress` is told of binlogs and bytes. `spool.accounts` is then what was left out.

    Raises:
        ToolFailed, ServerFailed: the target stopped: it is then not restored, and must be emptied. The same for:
        LogGap: the archive lacks part of the way.
        DamagedBackup: a segment is not what was stored.
        Refused, BadUsage, NotHere: the log shows that the asked point is none.
    """
    events = statuses(target)
    try:
        done = replay_by_applier(spool, target, facts, way, progress) if isinstance(way, ByApplier) else 0
        if not isinstance(way, ByApplier) or spool.files(done):
            replay_by_client(spool, target, facts, progress, done)
        found = spool.found()
    except RuntimeFailure as problem:
        if problem is not spool.failure:
            raise
        # What was executed is right as far as it goes, and is not what was asked for.
        raise type(problem)(str(problem), help="; ".join(filter(None, (problem.help, _BEGUN)))) from problem
    if spool.of_events:
        put_back(target, events, spool.of_events)
    return found
