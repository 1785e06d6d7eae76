"""Whether every stream's rate carries what is written, and loses no more than is proved of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil

from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.planning.verified.flow import Flow
from bkpc_grammar.log_objects import ANSWERED_MS, WHOLE_SECONDS_MS
from bkpc_grammar.plan import Plan, Stream

_OBJECT = 16 * 1024 * 1024


def slow(plan: Plan, estate: Estate, flows: Iterable[Flow]) -> Iterator[str]:
    """Streams whose rates are too low for what is written, or for the loss that is proved with them."""
    streams = {one.id: one for one in plan.streams}
    carried: dict[tuple[str, str], list[tuple[Stream, Flow, int | None]]] = {}
    for flow in flows:
        if flow.job is not None:
            continue
        writes = estate.databases[flow.database].writes.value.amount
        if len(estate.grouped(flow.database) & estate.policies.keys()) > 1 and not streams[flow.id].known_ms:
            yield f"{flow.id} never notes until when its log is complete: {flow.database} goes back with others"
        if flow.rate < writes:
            yield f"{flow.id} holds {flow.rate} B/s to {flow.store}; {ceil(writes)} B/s are written"
        carried.setdefault((flow.database, flow.store), []).append(
            (streams[flow.id], flow, waits(streams[flow.id], flow, estate))
        )
    proved = {(one.database, one.scope): one.rpo_proved_ms for one in plan.objectives}
    for recovery in plan.recoveries:
        for step in recovery.steps:
            if step.kind != "restore.log" or step.store is None:
                continue
            # One that only goes back with its group loses what is proved of those that the failure hits.
            group = {step.database} if step.database in recovery.down else estate.grouped(step.database)
            claims = (proved.get((name, recovery.scope)) for name in group.intersection(recovery.down))
            claim = min((one for one in claims if one is not None), default=None)
            if claim is not None:
                found = carried.get((step.database, step.store), [])
                yield from _beyond(claim, f"{recovery.scope} of {recovery.lost}", step.id, step.store, found)


def _beyond(
    claim: int, what: str, step: str, store: str, found: list[tuple[Stream, Flow, int | None]]
) -> Iterator[str]:
    if not found:
        yield f"{what}: {step} reads a log from {store} that no stream of the plan brings there"
        return
    if any(stream.sync and not stream.known_ms for stream, _, _ in found):  # nothing acknowledged is on its way
        return
    if all(late is None or late > claim for _, _, late in found):
        for stream, flow, late in found:
            told = "falls behind for ever" if late is None else f"may lose {late} ms"
            yield f"{what}: {stream.id} {told} into {store} at {flow.rate} B/s; {claim} ms are proved"


def waits(stream: Stream, flow: Flow, estate: Estate) -> int | None:
    """Milliseconds, rounded up, that a transaction waits at most until it is in the store, and of a member of a group
    until that is known; None: for ever.

    Between two cuts pass at most g; a batch with a burst in it takes d, and the next collects for as long.
    """
    database = estate.databases[flow.database]
    writes, burst = database.writes.value.amount, database.burst.value.amount
    latency = sum((one.latency.value.amount for one in flow.way), start=Fraction(0))
    if not flow.rate:
        return None
    cost = Fraction(1, flow.rate) + latency / _OBJECT
    if writes * cost >= 1:
        return None
    gap = max(Fraction(stream.flush_ms, 1000), latency / (1 - writes * cost))
    batch = latency + (burst + writes * gap) * cost
    whole = gap + latency + (burst + min(writes * gap, Fraction(_OBJECT))) * cost
    after = batch + latency + min(writes * batch, Fraction(_OBJECT)) * cost
    return ceil((max(whole, after) + (latency if stream.known_ms else 0)) * 1000) + _until_known(stream)


def _until_known(stream: Stream) -> int:
    """Milliseconds beside the way, of a member of a group, until others may go back to a point behind a commit."""
    return stream.known_ms + ANSWERED_MS + WHOLE_SECONDS_MS if stream.known_ms else 0
