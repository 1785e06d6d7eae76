"""The recovery procedures: what is done, in which order, with which reservations, and how long each step takes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from bkpc_compiler.feasibility.log_left import log_left
from bkpc_compiler.feasibility.recovery_schedule import Move, Return
from bkpc_compiler.feasibility.recovery_time import longest_thaw, thawing_ms
from bkpc_compiler.feasibility.together import Outage, needed_by, serves, waited_for
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Given
from bkpc_grammar import plan
from bkpc_grammar.log_left import LogLeft
from bkpc_grammar.quantities import ZERO_DURATION, Duration

StepKind = Literal["detect", "activate", "provision", "thaw", "restore.image", "restore.log", "check.service"]
"""The kinds of step that this version plans."""


def recoveries_of(analysis: Analysis) -> tuple[plan.Recovery, ...]:
    """One per failure somebody promised to survive, for all the databases it takes down."""
    return tuple(_recovery(analysis, outage) for _, outage in sorted(analysis.outages.items()))


def _recovery(analysis: Analysis, outage: Outage) -> plan.Recovery:
    back = {name: one for name, one in outage.returns.items() if one is not None}
    databases = analysis.setting.databases
    served = {name: milliseconds for name in back if (milliseconds := serves(outage, name)) is not None}
    order = sorted(back, key=lambda name: (len(needed_by(databases, databases[name], outage.down)), name))
    steps = tuple(step for name in order for step in _Steps(back[name], served, waited_for(outage, name)).all())
    return plan.Recovery(
        scope=outage.loss.scope.value,
        lost=outage.loss.lost,
        down=tuple(sorted(outage.hit & outage.choices.keys())),
        databases=tuple(sorted(back)),
        steps=steps,
        expect_ms=max((step.start_ms + step.expect_ms for step in steps), default=0),
        logs_left=tuple(one for name in sorted(back) if (one := _log_left(outage, name)) is not None),
        beside=_beside(outage, steps),
    )


def _beside(outage: Outage, steps: tuple[plan.Step, ...]) -> tuple[plan.Reservation, ...]:
    """As the schedule has taken it off, but for what is itself on its way back: that counts too, as if it were back."""
    names = sorted({one.resource for step in steps for one in step.reserve})
    held = ((name, outage.left.background(name)) for name in names)
    return tuple(plan.Reservation(resource=name, rate=rate) for name, rate in held if rate)


def _log_left(outage: Outage, name: str) -> LogLeft | None:
    found = log_left(outage.choices[name])
    if found is None:
        return None
    return LogLeft(
        database=name,
        image=None if found.line.image.beside else found.line.image.store.name,
        log=found.log.name,
        without_loses_ms=_seconds_up(found.without),
        loses_ms=_seconds_up(found.loses),
        back_ms=found.back,
    )


def _seconds_up(amount: Fraction | None) -> int | None:
    return None if amount is None else Duration(amount).milliseconds_up()


class _Steps:
    """The steps of one database; each begins when those it needs are done, or when there is room for it."""

    def __init__(self, back: Return, served: Mapping[str, int], waits: tuple[str, ...]) -> None:
        self.back, self.served, self.waits = back, served, waits
        self.name = back.recovery.database.name
        self.steps: list[plan.Step] = []

    def all(self) -> list[plan.Step]:
        recovery = self.back.recovery
        detect = _milliseconds(recovery.policy.detect)
        activate = _milliseconds(recovery.policy.activate)
        self._add("detect", 0, detect, ())
        begun: tuple[str, ...] = (self._add("activate", detect, activate, (f"{self.name}/detect",)),)
        ready = begun
        if recovery.place.standby:
            takes = recovery.place.standby.provision.value.milliseconds_up()
            ready = (self._add("provision", detect + activate, takes, begun),)
        if self._thaw:
            ready = (*ready, self._add("thaw", detect + activate, self._thaw, begun, *self._images))
        last = ready
        for kind, stores, move in self._moves():
            last = (self._move(kind, stores, move, last),)
        needs = [name for name in self.waits if name in self.served]
        waits = tuple(f"{name}/check.service" for name in needs)
        begins = max((self.back.loaded, *(self.served[name] for name in needs)))
        self._add("check.service", begins, self.back.done - self.back.loaded, (*last, *waits))
        return self.steps

    @property
    def _thaw(self) -> int:
        """The longest thaw until it is seen, and what it waits for before; 0 where nothing thaws."""
        recovery = self.back.recovery
        longest = longest_thaw((*recovery.line.image.stores, *recovery.line.log_stores))
        if longest is None:
            return 0
        return thawing_ms(longest) + sum(term.duration.milliseconds_up() for term in recovery.queue)

    @property
    def _images(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.back.recovery.line.image.stores)

    def _moves(self) -> list[tuple[StepKind, tuple[str, ...], Move]]:
        line = self.back.recovery.line
        found: list[tuple[StepKind, tuple[str, ...], Move]] = [("restore.image", self._images, self.back.moves[0])]
        if line.log_store is not None:
            found.append(("restore.log", (line.log_store.name,), self.back.moves[1]))
        return found

    def _move(self, kind: StepKind, stores: tuple[str, ...], move: Move, needs: tuple[str, ...]) -> str:
        names = sorted({one.name for one in move.transfer.resources if one.capacity is not None})
        reserve = tuple(plan.Reservation(resource=name, rate=move.rate) for name in names) if move.rate else ()
        return self._add(kind, move.start, move.lasts, needs, *stores, reserve=reserve, bytes_=move.transfer.bytes)

    def _add(
        self,
        kind: StepKind,
        start: int,
        takes: int,
        needs: tuple[str, ...],
        *stores: str,
        reserve: tuple[plan.Reservation, ...] = (),
        bytes_: int = 0,
    ) -> str:
        id_ = f"{self.name}/{kind}"
        self.steps.append(
            plan.Step(
                id=id_,
                kind=kind,
                database=self.name,
                store=stores[0] if stores else None,
                beside=stores[1:],
                needs=needs,
                reserve=reserve,
                start_ms=start,
                bytes=bytes_,
                expect_ms=takes,
            )
        )
        return id_


def _milliseconds(given: Given[Duration] | None) -> int:
    return (given.value if given else ZERO_DURATION).milliseconds_up()
