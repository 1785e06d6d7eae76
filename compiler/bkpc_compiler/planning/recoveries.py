"""The recovery procedures: what is done, in which order, and how long each step takes at most."""

from __future__ import annotations

from typing import Literal

from bkpc_compiler.feasibility.recovery_time import Recovery, Transfer
from bkpc_compiler.feasibility.together import needed_by, together
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.model import Given
from bkpc_grammar import plan
from bkpc_grammar.quantities import ZERO_DURATION, Duration

StepKind = Literal["detect", "activate", "provision", "thaw", "restore.image", "restore.log", "check.service"]
"""The kinds of step that this version plans."""


def recoveries_of(analysis: Analysis) -> tuple[plan.Recovery, ...]:
    """One per failure somebody promised to survive, for all the databases it takes down."""
    grouped: dict[tuple[str, str], list[Answer]] = {}
    for answer in analysis.answers:
        loss = answer.choice.loss
        grouped.setdefault((loss.scope.value, loss.lost), []).append(answer)
    return tuple(_recovery(analysis, answers) for _, answers in sorted(grouped.items()))


def _recovery(analysis: Analysis, answers: list[Answer]) -> plan.Recovery:
    loss = answers[0].choice.loss
    found: dict[str, Recovery] = {}
    for answer in answers:
        for recovery in together(analysis.setting, analysis.demand, answer.choice).recoveries:
            found.setdefault(recovery.database.name, recovery)
    order = sorted(found, key=lambda name: (len(needed_by(analysis.program, found[name].database, loss)), name))
    steps = [step for name in order for step in _steps(analysis, found[name], set(found))]
    totals = [answer.upper.total for answer in answers if answer.kind == "rto" and answer.upper]
    alone = [recovery.upper.total for recovery in found.values() if recovery.upper]
    return plan.Recovery(
        scope=loss.scope.value,
        lost=loss.lost,
        databases=tuple(sorted(found)),
        steps=tuple(steps),
        expect_ms=max((*totals, *alone), default=ZERO_DURATION).milliseconds_up(),
    )


def _steps(analysis: Analysis, recovery: Recovery, recovered: set[str]) -> list[plan.Step]:
    name, policy = recovery.database.name, recovery.policy
    steps: list[plan.Step] = []

    def add(kind: StepKind, takes: Duration, needs: tuple[str, ...], store: str | None = None) -> str:
        id_ = f"{name}/{kind}"
        steps.append(
            plan.Step(
                id=id_,
                kind=kind,
                database=name,
                store=store,
                needs=needs,
                reserve=(),
                expect_ms=takes.milliseconds_up(),
            )
        )
        return id_

    def taken(transfer: Transfer) -> Duration:
        term = transfer.at_worst(analysis.setting)
        return term.duration if term else ZERO_DURATION

    detected = add("detect", _value(policy.detect), ())
    ready: tuple[str, ...] = (add("activate", _value(policy.activate), (detected,)),)
    begun = ready
    if recovery.place.standby:
        ready = (add("provision", recovery.place.standby.provision.value, begun),)
    line = recovery.line
    thaws = [
        store.storage_class.value.thaw
        for store in (line.image.store, line.log_store)
        if store and store.storage_class and store.storage_class.value.thaw
    ]
    if thaws:
        ready = (*ready, add("thaw", max(one.value for one in thaws), begun, line.image.store.name))
    last = add("restore.image", taken(recovery.transfers[0]), ready, line.image.store.name)
    if line.log_store is not None:
        replay = sum((taken(one) for one in recovery.transfers[1:]), start=ZERO_DURATION)
        last = add("restore.log", replay, (last,), line.log_store.name)
    waits = tuple(f"{need.value}/check.service" for need in recovery.database.needs if need.value in recovered)
    add("check.service", analysis.program.verification.value, (last, *waits))
    return steps


def _value(given: Given[Duration] | None) -> Duration:
    return given.value if given else ZERO_DURATION
