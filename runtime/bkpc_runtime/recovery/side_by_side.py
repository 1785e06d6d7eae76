"""Which transfers of a recovery run side by side, and how fast each may be.

The plan places each transfer so that its reservations fit. Here one begins as soon as they fit what runs, but never
before one that the plan begins earlier on a resource of both: then each begins no later than the plan says, as long
as each takes no longer than it says, whatever ends early. Who runs gets what it reserves, and its share of what nobody
has reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bkpc_grammar import plan as contract

TRANSFERS = ("restore.image", "restore.increment", "restore.log")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One step that moves bytes. `rate`: what it reserves of each of its resources; 0: nothing, and has no limit."""

    id: str
    database: str
    kind: str
    start_ms: int
    takes_ms: int
    rate: int
    resources: frozenset[str]
    needs: frozenset[str]


def transfers_of(recovery: contract.Recovery, databases: Iterable[str]) -> tuple[Transfer, ...]:
    """Those of some of its databases, in the order in which the plan begins them."""
    wanted = set(databases)
    moving = [one for one in recovery.steps if one.kind in TRANSFERS and one.database in wanted]
    ids = {one.id for one in moving}
    found = [
        Transfer(
            one.id, one.database, one.kind, one.start_ms, one.expect_ms,
            min((part.rate for part in one.reserve), default=0),
            frozenset(part.resource for part in one.reserve), frozenset(one.needs) & ids,
        )
        for one in moving
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: one.start_ms))


def needs_of(recovery: contract.Recovery, database: str) -> tuple[str, ...]:
    """The databases that must be in service before one is."""
    checks = {one.id: one.database for one in recovery.steps if one.kind == "check.service"}
    steps = [one for one in recovery.steps if one.database == database and one.kind == "check.service"]
    return tuple(sorted({checks[need] for one in steps for need in one.needs if need in checks}))


def room_beside(plan: contract.Plan, down: Iterable[str]) -> dict[str, int]:
    """What a recovery has of each resource: what can be reserved, less what goes on for databases that are up."""
    lost = set(down)
    room = {one.name: one.usable for one in plan.resources}
    flows: tuple[contract.Job | contract.Stream, ...] = (*plan.jobs, *plan.streams)
    for flow in flows:
        if flow.database not in lost:
            for one in flow.reserve:
                room[one.resource] = max(0, room.get(one.resource, 0) - one.rate)
    return room


class SideBySide:
    """The transfers of one recovery, as they begin and end."""

    def __init__(self, transfers: Iterable[Transfer], room: Mapping[str, int]) -> None:
        self._waiting = list(transfers)
        self._running: list[Transfer] = []
        self._room = room
        self._ended: set[str] = set()
        self._held: set[str] = set()

    def hold(self, databases: Iterable[str]) -> None:
        """What they read must thaw: they begin nothing, and stand in nobody's way, until `release`."""
        self._held |= set(databases)

    def release(self, database: str) -> None:
        self._held.discard(database)

    @property
    def over(self) -> bool:
        return not self._waiting and not self._running

    def begin(self) -> list[Transfer]:
        """Begins all that may, in order."""
        begun: list[Transfer] = []
        before: set[str] = set()
        for one in [each for each in self._waiting if each.database not in self._held]:
            if one.needs <= self._ended and not one.resources & before and self._fits(one):
                self._waiting.remove(one)
                self._running.append(one)
                begun.append(one)
            else:
                before |= one.resources
        return begun

    def end(self, ids: Iterable[str]) -> None:
        """They are done, or never will be."""
        gone = set(ids)
        self._ended |= gone
        self._running = [one for one in self._running if one.id not in gone]
        self._waiting = [one for one in self._waiting if one.id not in gone]

    def rates(self) -> dict[str, int | None]:
        """What each may use that runs, or waits for what runs of its own database (its log is read ahead: that has only
        what nobody reserves). None: no limit."""
        runs = {one.database for one in self._running}
        ahead = [one for one in self._waiting if one.database in runs]
        everyone = [*((one, one.rate) for one in self._running), *((one, 0) for one in ahead)]
        return {one.id: self._rate(one, own, everyone) if one.rate else None for one, own in everyone}

    def _rate(self, wanted: Transfer, own: int, everyone: list[tuple[Transfer, int]]) -> int:
        shares = []
        for resource in wanted.resources:
            there = [reserved for one, reserved in everyone if resource in one.resources]
            idle = max(0, self._room.get(resource, 0) - sum(there))
            shares.append(own + idle // len(there))
        return min(shares)

    def _fits(self, wanted: Transfer) -> bool:
        for resource in wanted.resources:
            reserved = [one.rate for one in self._running if resource in one.resources]
            # Alone it runs whatever is left there: nothing is gained by waiting.
            if reserved and sum(reserved) + wanted.rate > self._room.get(resource, 0):
                return False
        return True
