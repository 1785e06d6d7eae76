"""A recovery as people carry it out: steps in order of time, those that are one act told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from bkpc_compiler.backends import words
from bkpc_grammar.log_left import LogLeft
from bkpc_grammar.plan import Objective, Plan, Recovery, Step
from bkpc_grammar.shares import MILLION

_FEW = 5
"""Databases that are named, each, in the title of a step."""
_ONE_ACT = frozenset({"detect", "activate", "provision"})
"""Kinds that are done for several databases at the same time by the same people."""
BEGINS = frozenset({"thaw", "restore.image"})
"""Kinds with which the command of a restore begins."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One entry of a procedure: a step, or the same step for several databases."""

    number: int
    kind: str
    databases: tuple[str, ...]
    store: str | None
    start_ms: int
    takes_ms: int
    bytes: int
    after: tuple[int, ...]  # numbers of phases that come first
    critical: bool
    beside: tuple[str, ...] = ()  # stores that have images by turns with it: the newest is read

    @property
    def stores(self) -> tuple[str, ...]:
        return (self.store, *self.beside) if self.store else ()

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.takes_ms

    @property
    def title(self) -> str:
        """What is done, as an instruction: `Load the image of orders from far`."""
        names = words.listed(self.databases)
        what = {
            "detect": words.STEPS["detect"],
            "activate": words.STEPS["activate"],
            "provision": f"Make an empty server ready for {names}",
            "check.service": f"Check the service of {names}",
        }.get(self.kind, f"{words.STEPS[self.kind]} of {names}")
        return f"{what} from {' or '.join(self.stores)}" if self.store else what

    @property
    def briefly(self) -> str:
        """The same with the number of databases where there are many."""
        if self.kind == "provision" and len(self.databases) > _FEW:
            return f"Make {len(self.databases):,} empty servers ready"
        return self.title


@dataclass(frozen=True, slots=True)
class Procedure:
    """One recovery, ready to print or draw."""

    recovery: Recovery
    title: str
    phases: tuple[Phase, ...]
    promised: tuple[Objective, ...]
    physical: frozenset[str] = frozenset()
    """Databases whose images are all of files: they come back into a data directory, not into a server."""

    together: frozenset[str] = frozenset()
    """Databases that one command restores: some go back to a point in common with their group."""

    @property
    def first_of_all(self) -> int:
        """The step whose command brings back all of those."""
        return min(one.number for one in self.phases if one.kind in BEGINS and self.together.issuperset(one.databases))

    def log_left(self, name: str) -> LogLeft | None:
        """The log that its way back does without, though the failure leaves it."""
        return next((one for one in self.recovery.logs_left if one.database == name), None)

    @property
    def for_shares(self) -> bool:
        """Whether a promise is for a share of all instants only."""
        return any(
            (one.rpo_ms is not None and one.rpo_millionths < MILLION)
            or (one.rto_ms is not None and one.rto_millionths < MILLION)
            for one in self.promised
        )

    @property
    def anchor(self) -> str:
        return f"{self.recovery.scope}-{self.recovery.lost}"


def _physical(plan: Plan) -> frozenset[str]:
    engines: dict[str, set[str]] = {}
    for job in plan.jobs:
        if job.kind == "backup.full":
            engines.setdefault(job.database, set()).add(job.engine)
    return frozenset(name for name, found in engines.items() if found == {"physical"})


def _together(plan: Plan, recovery: Recovery, physical: frozenset[str]) -> frozenset[str]:
    """All that go back into servers, and members of groups, where two of one group come back; else none."""
    back = set(recovery.databases)
    grouped = {name for group in plan.groups if len(back & set(group.databases)) > 1 for name in group.databases} & back
    alone = {one.database for one in recovery.logs_left} if recovery.scope in {"corruption", "intruder"} else set[str]()
    return frozenset(grouped | (back - physical - alone)) if grouped else frozenset()


def procedures_of(plan: Plan, recoveries: Sequence[Recovery] | None = None) -> tuple[Procedure, ...]:
    """One per recovery of the plan, in its order; or of some of them."""
    physical = _physical(plan)
    promised: dict[tuple[str, str], list[Objective]] = {}
    for one in plan.objectives:
        promised.setdefault((one.scope, one.database), []).append(one)
    return tuple(
        Procedure(
            recovery,
            words.failure(recovery.scope, recovery.lost),
            _phases(recovery, together),
            tuple(
                one
                for name in sorted(set(recovery.down))
                for one in promised.get((recovery.scope, name), ())
            ),
            physical=physical,
            together=together,
        )
        for recovery in (plan.recoveries if recoveries is None else recoveries)
        for together in (_together(plan, recovery, physical),)
    )  # fmt: skip


def critical_path(recovery: Recovery) -> frozenset[str]:
    """The ids of the steps that decide when all is done: from the last to end, back through what ends last."""
    steps = {step.id: step for step in recovery.steps}
    found: set[str] = set()
    ahead = tuple(steps)
    while ahead:
        last = max((steps[one] for one in ahead), key=lambda step: (_end(step), step.start_ms, step.id))
        found.add(last.id)
        ahead = last.needs
    return frozenset(found)


def _end(step: Step) -> int:
    return step.start_ms + step.expect_ms


def _typed_first(steps: Sequence[Step], together: frozenset[str]) -> Sequence[Step]:
    """The command for those that go back together looks for all of them before it loads anything: where it begins with
    an image, that step begins as soon as it may."""
    begins = [one for one in steps if one.kind in BEGINS and one.database in together]
    first = min(begins, key=lambda one: one.start_ms, default=None)
    if first is None or first.kind != "restore.image":
        return steps
    ready = max((_end(one) for one in steps if one.id in first.needs), default=first.start_ms)
    earlier = replace(first, start_ms=ready, expect_ms=_end(first) - ready)
    return [earlier if one is first else one for one in steps]


def _phases(recovery: Recovery, together: frozenset[str]) -> tuple[Phase, ...]:
    critical = critical_path(recovery)
    order = {step.id: place for place, step in enumerate(recovery.steps)}
    grouped: dict[tuple[object, ...], list[Step]] = {}
    for step in sorted(_typed_first(recovery.steps, together), key=lambda one: (one.start_ms, order[one.id])):
        one_act = step.kind in _ONE_ACT
        key = (step.kind, step.start_ms, step.expect_ms, None if one_act else step.id)
        grouped.setdefault(key, []).append(step)
    numbers = {step.id: number for number, steps in enumerate(grouped.values(), 1) for step in steps}
    return tuple(
        Phase(
            number,
            steps[0].kind,
            tuple(sorted(step.database for step in steps)),
            steps[0].store,
            steps[0].start_ms,
            steps[0].expect_ms,
            sum(step.bytes for step in steps),
            tuple(sorted({numbers[need] for step in steps for need in step.needs})),
            any(step.id in critical for step in steps),
            steps[0].beside,
        )
        for number, steps in enumerate(grouped.values(), 1)
    )
