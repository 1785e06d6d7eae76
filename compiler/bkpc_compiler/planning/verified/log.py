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
    until that is known; None: for ever."""
    database = estate.databases[flow.database]
    writes, burst = database.writes.value.amount, database.burst.value.amount
    latency = sum((one.latency.value.amount for one in flow.way), start=Fraction(0))
    if not flow.rate:
        return None
    found = _in_turns if stream.sync else _one_after_the_other
    late = found(writes, burst, Fraction(stream.flush_ms, 1000), latency, flow.rate)
    if late is None:
        return None
    return ceil((late + (latency if stream.known_ms else 0)) * 1000) + _until_known(stream)


def _one_after_the_other(
    writes: Fraction, burst: Fraction, flush: Fraction, latency: Fraction, rate: int
) -> Fraction | None:
    """Objects are cut when they are full or `flush` old. Each costs the latency, and so do three requests where a
    binlog ends; 16 MiB are of two objects at most, and of one binlog that ends.

    The first of those that wait for one another may have been cut a `flush` before the last was begun, but no sooner
    than it was full or old enough: both hold what is written in two `flush`es.
    """
    cost = Fraction(1, rate) + 5 * latency / _OBJECT
    busy = writes * cost + (latency / flush if flush else Fraction(bool(latency)))
    if busy >= 1:
        return None
    first = flush + 2 * latency + min(burst + writes * flush, Fraction(_OBJECT)) / rate
    return max(first, 8 * latency + (burst + 2 * writes * flush) * cost)


def _in_turns(writes: Fraction, burst: Fraction, flush: Fraction, latency: Fraction, rate: int) -> Fraction | None:
    """What commits wait for is cut when that before is stored: between two cuts pass at most g; a batch with a burst in
    it takes d, and the next collects for as long."""
    cost = Fraction(1, rate) + latency / _OBJECT
    if writes * cost >= 1:
        return None
    gap = max(flush, latency / (1 - writes * cost))
    batch = latency + (burst + writes * gap) * cost
    whole = gap + latency + (burst + min(writes * gap, Fraction(_OBJECT))) * cost
    return max(whole, batch + latency + min(writes * batch, Fraction(_OBJECT)) * cost)


def _until_known(stream: Stream) -> int:
    """Milliseconds beside the way, of a member of a group, until others may go back to a point behind a commit."""
    return stream.known_ms + ANSWERED_MS + WHOLE_SECONDS_MS if stream.known_ms else 0
