"""A recovery as the runtime carries it out: its own rules of who begins and how fast, in virtual time.

The plan says when each transfer begins and how long it takes at its rate; here each moves its bytes at whatever rate
the runtime grants, and thaws, servers and other transfers are done at any time up to when the plan has them done.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random

from bkpc_grammar.plan import Plan, Recovery
from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer, room_beside, transfers_of
from tests.soundness.capacity import Load
from tests.soundness.topology import Failure


class Carried:
    """One recovery, carried out once."""

    def __init__(self, plan: Plan, recovery: Recovery, random: Random) -> None:
        self.plan, self.recovery, self.random = plan, recovery, random
        self.transfers = transfers_of(recovery, recovery.databases)
        self.room = room_beside(plan, recovery)
        self.ledger = SideBySide(self.transfers, self.room)
        self.now = Fraction(0)
        self.ends: dict[str, Fraction] = {}
        self.went_ahead = 0
        self._waits: dict[str, Fraction] = {}
        self._moves: dict[str, Fraction] = {}
        first = {one.database: one.start_ms for one in reversed(self.transfers)}
        self.held = {name: Fraction(start * self._part(), 100) for name, start in first.items()}

    def _part(self) -> int:
        """Percent of the time that something takes at most."""
        return self.random.choice((0, 50, 100, 100, 100))

    def run(self, load: Load, failure: Failure) -> Iterator[str]:
        """Carries it out, and says what is later, or takes more, than the plan has it."""
        self.ledger.hold(self.held)
        while not self.ledger.over:
            for name in [one for one, at in self.held.items() if at <= self.now]:
                del self.held[name]
                self.ledger.release(name)
            for one in self.ledger.begin():
                self._begun(one)
            self.went_ahead += len(self.ledger.ahead)
            rates = self.ledger.rates()
            yield from self._crowded(rates, load, failure)
            self._go_on(rates)
            yield from self._late()
        yield from self._served()

    def _begun(self, one: Transfer) -> None:
        bytes_ = Fraction(next(step.bytes for step in self.recovery.steps if step.id == one.id))
        moving = min(Fraction(one.takes_ms), bytes_ * 1000 / one.rate) if one.rate else Fraction(0)
        self._waits[one.id] = (one.takes_ms - moving) * self._part() / 100
        self._moves[one.id] = moving * one.rate / 1000 * self._part() / 100

    def _go_on(self, rates: dict[str, int | None]) -> None:
        """To the next instant at which anything is done."""
        ends = []
        for id_, wait in self._waits.items():
            rate = rates[id_]
            if not self._moves[id_]:
                ends.append(wait)
            elif rate:
                ends.append(wait + self._moves[id_] * 1000 / rate)
        step = min((*ends, *(at - self.now for at in self.held.values())))
        self.now += step
        for id_, wait in self._waits.items():
            self._waits[id_] = max(Fraction(0), wait - step)
            self._moves[id_] -= max(Fraction(0), step - wait) * (rates[id_] or 0) / 1000

    def _late(self) -> Iterator[str]:
        done = [one for one in self.transfers if one.id in self._waits and self._is_done(one.id)]
        for one in done:
            self.ends[one.id] = self.now
            del self._waits[one.id], self._moves[one.id]
            if self.now > one.end_ms:
                yield f"{one.id} is done after {float(self.now):.0f} ms, planned {one.end_ms} ms"
        self.ledger.end([one.id for one in done])

    def _is_done(self, id_: str) -> bool:
        return self._waits[id_] <= 0 and self._moves[id_] <= 0

    def _crowded(self, rates: dict[str, int | None], load: Load, failure: Failure) -> Iterator[str]:
        """More is granted of a resource than what goes on for others leaves of it."""
        back = frozenset(
            name
            for name in self.recovery.databases
            if all(one.id in self.ends for one in self.transfers if one.database == name)
        )
        stopped = load.stopped_by(failure, back if failure.scope.value in {"host", "intruder"} else frozenset())
        for name in sorted({name for one in self.transfers for name in one.resources}):
            granted = sum(rates.get(one.id) or 0 for one in self.transfers if name in one.resources)
            granted -= self.room[name] // 100 + 1024 * len(rates)  # what keeps connections alive, out of headroom
            if granted > 0 and not load.fits(name, granted, stopped):
                usable = load.usable.get(name)
                yield f"{name}: {granted} B/s granted, {load.peak(name, stopped)} beside, {usable} usable"

    def _served(self) -> Iterator[str]:
        """When each is in service, against what is proved."""
        served: dict[str, Fraction] = {}
        for step in self.recovery.steps:  # in an order that respects needs
            if step.kind == "check.service":
                own = [self.ends[one.id] for one in self.transfers if one.database == step.database]
                needs = [served[need] for need in step.needs if need in served]
                served[step.id] = max((*own, *needs), default=Fraction(0)) + step.expect_ms
        proved = {
            one.database: one.rto_proved_ms
            for one in self.plan.objectives
            if one.scope == self.recovery.scope and one.rto_millionths == 1_000_000
        }
        for id_, at in served.items():
            name = id_.rpartition("/")[0]
            most = proved.get(name)
            if name in self.recovery.down and most is not None and at > most:
                yield f"{name} is in service after {float(at):.0f} ms, proved {most} ms"
