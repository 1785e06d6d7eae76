"""How a stream stands at one moment: what the agent publishes, and `status` shows."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_group import SILENT, LogGroup


@dataclass(frozen=True, slots=True)
class StoreState:
    """One store's log. `lag_seconds` is what would be lost if server and agent died now and only this store were left.

    `behind`: it is fed by a receiver of its own until it has caught up. `waiting` are bytes on this machine only.
    """

    store: str
    epoch: int
    durable: Position | None
    durable_commit: float
    lag_seconds: float
    waiting: int
    failure: str
    behind: bool = False


@dataclass(frozen=True, slots=True)
class StreamState:
    """The stream at one moment; times in Unix seconds.

    `acknowledged` is on a disk (of this machine or of a store); `acknowledged_lag` what would be lost if the server
    died now. A lag is 0 only while the server itself says, once a second, that there is nothing more. `sync` says
    whether commits wait for stores: off, waiting for the server's first event, on, degraded, or not asked by the
    server. `failure` is empty while all is well; `pausing` says why no log is read.
    """

    connected: bool
    received: Position | None
    acknowledged: Position | None
    acknowledged_lag: float
    stores: tuple[StoreState, ...]
    sync: str
    degraded_since: float | None
    commit_waits: float
    spooled: int
    pausing: str
    problem: str
    sync_problem: str = ""
    """Why commits do not wait, whatever we do: found at the server."""
    others: tuple[str, ...] = ()
    """Other agents that read the same log: from where, and since when."""

    def of(self, store: str) -> StoreState:
        """How one store stands."""
        return next(one for one in self.stores if one.store == store)

    @property
    def _least(self) -> StoreState | None:
        return max(self.stores, key=lambda one: (one.durable is None, one.lag_seconds), default=None)

    @property
    def durable(self) -> Position | None:
        """What the store that lags most has."""
        return self._least.durable if self._least else None

    @property
    def lag_seconds(self) -> float:
        return self._least.lag_seconds if self._least else 0.0

    @property
    def epoch(self) -> int:
        return self._least.epoch if self._least else 0

    @property
    def failure(self) -> str:
        """What is wrong with the server, or else with the first store that fails."""
        return self.problem or next((one.failure for one in self.stores if one.failure), "")


def store_state(group: LogGroup, delivery: Delivery, now: float, behind_since: float | None = None) -> StoreState:
    """A store that a group feeds; `behind_since` is when the oldest came that one lacks which catches up."""
    waiting, arrived = delivery.waiting()
    since = [at for at in (arrived, group.oldest(), silent_since(group, now)) if at is not None]
    if behind_since is not None:  # what arrives only now was committed long ago
        since.append(max(behind_since, delivery.durable_commit))
    return StoreState(
        delivery.store.name,
        delivery.epoch,
        delivery.durable if delivery.durable.offset else None,
        delivery.durable_commit,
        max(0.0, now - min(since, default=now)),
        waiting,
        delivery.failure or _not_noted(delivery),
        behind_since is not None,
    )


def _not_noted(delivery: Delivery) -> str:
    problem = delivery.noting.failure
    return f"how far its log is complete can't be noted, which its group goes back by: {problem}" if problem else ""


def silent_since(group: LogGroup, now: float) -> float | None:
    """A server that is not heard may have committed since it last was; None while it is."""
    return group.contact if now - group.contact > SILENT or not group.connected else None


def sync_word(group: LogGroup) -> str:
    """Whether commits wait for this group's stores."""
    if group.acknowledging is None:
        return "off"
    if group.acknowledging.degraded_since:
        return "degraded"
    if not group.connected or group.semi_synchronous is None:
        return "waiting"
    return "on" if group.semi_synchronous else "not asked"


def stream_state(
    main: LogGroup | None,
    behind: list[StoreState],
    others: list[tuple[tuple[LogGroup, Delivery], float]],
    problem: str,
    unanswered: str = "",
) -> StreamState:
    """All of a stream: `main` group, stores without a group, and groups that catch up (each since when). `unanswered`:
    why the server does not say how far its log is complete."""
    now = time.time()
    if main is None:
        return StreamState(False, None, None, 0.0, tuple(behind), "waiting", None, 0.0, 0, "", problem)
    stores = [store_state(main, one, now) for one in main.deliveries]
    stores += [store_state(group, one, now, since) for (group, one), since in others]
    unsafe = (main.oldest(), main.outgoing.oldest_unkept(), silent_since(main, now))
    since = [at for at in unsafe if at is not None]
    acknowledging = main.acknowledging
    return StreamState(
        connected=main.connected,
        received=main.received,
        acknowledged=main.outgoing.acknowledged,
        acknowledged_lag=max(0.0, now - min(since, default=now)),
        stores=tuple(sorted([*stores, *behind], key=lambda one: one.store)),
        sync=sync_word(main),
        degraded_since=acknowledging.degraded_since if acknowledging else None,
        commit_waits=acknowledging.waiting() if acknowledging else 0.0,
        spooled=main.outgoing.spool.used,
        pausing=main.pausing,
        problem=problem or main.failure or (unanswered and f"how far its log is complete is not known: {unanswered}"),
    )
