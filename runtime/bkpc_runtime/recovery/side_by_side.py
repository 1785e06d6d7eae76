"""Which transfers of a recovery run side by side, and how fast each may be.

The plan places each transfer so that its reservations fit. Here each has its turn no later than the plan begins it, as
long as each takes no longer than it says, whatever ends early and whatever waits for a thaw or a server;
docs/feasibility.md says why. Whose turn it is gets what it reserves, and its share of what nobody has reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bkpc_grammar import plan as contract

_MOVES = (1024, 256 * 1024)
"""Bytes per second of what waits for its turn, at least and at most: so that its connections last."""
_PARTS = 4
"""Of what is idle, against one for a log that is read ahead."""
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

    @property
    def end_ms(self) -> int:
        """When it is done at the latest, if it begins when the plan says."""
        return self.start_ms + self.takes_ms


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
    return tuple(in_order(found))


def in_order(transfers: Iterable[Transfer]) -> list[Transfer]:
    """As the plan begins them; what takes no time before what begins as it ends."""
    return sorted(transfers, key=lambda one: (one.start_ms, one.end_ms))


def needs_of(recovery: contract.Recovery, database: str) -> tuple[str, ...]:
    """The databases that must be in service before one is."""
    checks = {one.id: one.database for one in recovery.steps if one.kind == "check.service"}
    steps = [one for one in recovery.steps if one.database == database and one.kind == "check.service"]
    return tuple(sorted({checks[need] for one in steps for need in one.needs if need in checks}))


def room_beside(plan: contract.Plan, recovery: contract.Recovery) -> dict[str, int]:
    """What a recovery has of each resource: what can be reserved, less what goes on for others."""
    beside = {one.resource: one.rate for one in recovery.beside}
    return {one.name: max(0, one.usable - beside.get(one.name, 0)) for one in plan.resources}


@dataclass(frozen=True, slots=True)
class _Using:
    """A transfer that moves: what it has for itself, and how many parts of what is idle."""

    transfer: Transfer
    own: int
    parts: int


class SideBySide:
    """The transfers of one recovery, as they begin and end.

    The turn of one comes when all have had theirs that the plan begins earlier on a resource of both, and those that it
    ends before are over; or sooner, if it fits beside all whose turn it is. While an earlier one is held, a later one
    may go ahead of its turn with what is idle: it reserves nothing until then, and is in nobody's way.
    """

    def __init__(self, transfers: Iterable[Transfer], room: Mapping[str, int]) -> None:
        self._left = list(transfers)
        self._room = room
        self._running: list[Transfer] = []
        self._ahead: list[Transfer] = []
        self._ended: set[str] = set()
        self._held: set[str] = set()
        self._begun: set[str] = set()

    def hold(self, databases: Iterable[str]) -> None:
        """What they read must thaw, or their server is not there: they begin nothing until `release`."""
        self._held |= set(databases)

    def release(self, database: str) -> None:
        self._held.discard(database)

    @property
    def over(self) -> bool:
        return not self._left

    @property
    def ahead(self) -> frozenset[str]:
        """The ids of those that run ahead of their turn."""
        return frozenset(one.id for one in self._ahead)

    def begin(self) -> list[Transfer]:
        """Begins all that may, in order. Of one that went ahead the turn may come: it has begun already."""
        begun: list[Transfer] = []
        before: set[str] = set()
        waiting: set[str] = set()
        running, ahead = {one.id for one in self._running}, self.ahead
        for one in [each for each in self._left if each.id not in running]:
            runs, held = one.id in ahead, one.database in self._held
            ready = runs or (not held and one.needs <= self._ended)
            if ready and not one.resources & before and self._has_its_turn(one):
                self._ahead = [each for each in self._ahead if each is not one]
                self._running.append(one)
                begun += () if runs else (one,)
                continue
            before |= one.resources
            if ready and not runs and not one.resources & waiting and self._goes_ahead(one):
                self._ahead.append(one)
                begun.append(one)
            elif not runs and not held:
                waiting |= one.resources
        self._begun |= {one.database for one in begun}
        return begun

    def end(self, ids: Iterable[str]) -> None:
        """They are done, or never will be."""
        gone = set(ids)
        self._ended |= gone
        self._running = [one for one in self._running if one.id not in gone]
        self._ahead = [one for one in self._ahead if one.id not in gone]
        self._left = [one for one in self._left if one.id not in gone]

    def rates(self) -> dict[str, int | None]:
        """What each may use that runs, or that follows what has begun of its own database (its log is read ahead). Who
        runs before its turn has only what nobody reserves. None: no limit."""
        turns = {one.id for one in self._running}
        there = [
            _Using(one, one.rate if one.id in turns else 0, _PARTS if one.needs <= self._ended else 1)
            for one in self._left
            if one.database in self._begun
        ]
        return {one.transfer.id: self._rate(one, there) if one.transfer.rate else None for one in there}

    def _rate(self, wanted: _Using, everyone: list[_Using]) -> int:
        shares = []
        for resource in wanted.transfer.resources:
            there = [one for one in everyone if resource in one.transfer.resources]
            room = self._room.get(resource, 0)
            idle = max(0, room - sum(one.own for one in there))
            # All that wait take a hundredth at most, which headroom has.
            moves = 0 if wanted.own else max(_MOVES[0], min(_MOVES[1], room // (100 * len(there))))
            shares.append(max(wanted.own + idle * wanted.parts // sum(one.parts for one in there), moves))
        return min(shares)

    def _has_its_turn(self, wanted: Transfer) -> bool:
        """Where all that runs there is to overlap with it, the plan has all of them there at once as it begins."""
        beside = [one for one in self._running if one.resources & wanted.resources]
        return all(one.end_ms > wanted.start_ms for one in beside) or self._fits(wanted, beside)

    def _goes_ahead(self, wanted: Transfer) -> bool:
        """Not beside many: each takes memory."""
        there = [one for one in (*self._running, *self._ahead) if one.resources & wanted.resources]
        return not there or self._fits(wanted, there)

    def _fits(self, wanted: Transfer, beside: list[Transfer]) -> bool:
        for resource in wanted.resources:
            reserved = sum(one.rate for one in beside if resource in one.resources)
            if reserved + wanted.rate > self._room.get(resource, 0):
                return False
        return True
