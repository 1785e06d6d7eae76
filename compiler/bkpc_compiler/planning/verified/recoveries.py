"""Whether recoveries are in order, done in their time, and find the room they reserve at every instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bkpc_compiler.planning.verified.beside import Beside, Failures
from bkpc_compiler.planning.verified.booking import Booking
from bkpc_compiler.planning.verified.calendar import Peak
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.planning.verified.flow import Flow
from bkpc_compiler.planning.verified.pieces import handing_takes, objects_take, pieces_take, starting_takes
from bkpc_compiler.planning.verified.prepared import Jobs, jobs_of, preparing_takes
from bkpc_grammar.plan import Plan, Step, Stream
from bkpc_grammar.shares import MILLION


def disordered(plan: Plan, estate: Estate) -> Iterator[str]:
    """Steps that begin before what they need is done, can't be done in their time, or bring back too little."""
    jobs = jobs_of(plan.jobs)
    streams = {(one.database, store): one for one in plan.streams for store in one.stores}
    proved = {(one.database, one.scope): one.rto_proved_ms for one in plan.objectives if one.rto_millionths == MILLION}
    for recovery in plan.recoveries:
        what = f"{recovery.scope} of {recovery.lost}"
        ends = {step.id: step.start_ms + step.expect_ms for step in recovery.steps}
        for step in recovery.steps:
            for need in step.needs:
                if need not in ends:
                    yield f"{what}: {step.id} needs {need}, which is no step"
                elif ends[need] > step.start_ms:
                    yield f"{what}: {step.id} begins too early: {need} is done {ends[need]} ms after the failure"
            yield from (f"{what}: {step.id} {fault}" for fault in _too_short(step, jobs, estate, streams))
            claim = proved.get((step.database, recovery.scope)) if step.database in recovery.down else None
            if step.kind == "check.service" and claim is not None and ends[step.id] > claim:
                yield f"{what}: {step.id} is done after {ends[step.id]} ms; {claim} ms are proved"
        if max(ends.values(), default=0) > recovery.expect_ms:
            yield f"{what}: ends after {recovery.expect_ms} ms"


def _too_short(step: Step, jobs: Jobs, estate: Estate, streams: Mapping[tuple[str, str], Stream]) -> Iterator[str]:
    waits, what = 0, ""
    if step.kind == "restore.log":
        waits = pieces_take(step, estate, streams) + handing_takes(step, estate)
        what = "the latency of its objects and whole binlogs"
    if step.kind == "restore.image":
        waits = preparing_takes(step, jobs, estate) + objects_take(step, jobs, estate)
        waits += starting_takes(step, jobs, estate)
        what = "starting, its tables, preparing it and the latency of its objects"
        size = estate.databases[step.database].size.value.bytes_up()
        if step.bytes < size:
            yield f"loads {step.bytes} bytes of an image of {size}"
    for one in step.reserve:
        if step.bytes * 1000 > one.rate * (step.expect_ms - waits):
            besides = f", {waits} ms of them for {what}," if waits else ""
            yield f"can't move {step.bytes} bytes in its time of {step.expect_ms} ms{besides} through {one.resource}"


class Recoveries:
    """The recoveries of a plan beside its flows."""

    def __init__(self, plan: Plan, estate: Estate, flows: Iterable[Flow], booking: Booking) -> None:
        self._plan, self._estate, self._booking = plan, estate, booking
        self._failures = Failures(estate, flows)

    def overbooked(self) -> Iterator[str]:
        """Resources of which more is reserved than they give, at some instant after a failure."""
        for recovery in self._plan.recoveries:
            held: dict[str, list[Step]] = {}
            for step in recovery.steps:
                for one in step.reserve:
                    held.setdefault(one.resource, []).append(step)
            beside = self._failures.beside(recovery)
            for name, steps in sorted(held.items()):
                fault = self._fault(name, steps, beside)
                if fault is not None:
                    yield f"{recovery.scope} of {recovery.lost}: {name} is promised twice {fault}"

    def _fault(self, name: str, steps: list[Step], beside: Beside) -> str | None:
        """The first instant at which too much is reserved, and by whom; None where there is none."""
        usable = self._estate.usable(name)
        if usable is None:
            return "at every instant: nothing declares it"
        streams = self._booking.streams.get(name, 0) + beside.streams.get(name, 0)
        again = beside.begins_again(name)
        at_most = self._booking.peak(name).rate + sum(one.rate for one in beside.moved.get(name, ()))
        known: dict[int, Peak] = {}
        for at, moving, back in _instants(name, steps, again):
            if not moving or moving + streams + back + at_most <= usable:
                continue
            since = sum(1 for when, one in again if one.job and when <= at)
            if since not in known:
                known[since] = self._booking.calendar.peak(self._failures.jobs_on(name, beside, at))
            reserved = moving + streams + back + known[since].rate
            if reserved > usable:
                return f"{at} ms after it: {reserved} B/s reserved, {usable} usable: " + self._by(
                    name, steps, beside, at, known[since], streams
                )
        return None

    def _by(self, name: str, steps: list[Step], beside: Beside, at: int, jobs: Peak, streams: int) -> str:
        """Who holds a resource at an instant."""
        found = [step.id for step in steps if step.start_ms <= at < step.start_ms + step.expect_ms]
        found += [one.id for since, one in beside.begins_again(name) if since <= at and not one.job]
        if streams:
            found.append(f"streams that go on ({streams} B/s)")
        if jobs.rate:
            on = self._booking.calendar.held_at(self._failures.jobs_on(name, beside, at), jobs.at)
            found.append(f"{', '.join(on)} ({jobs})")
        return ", ".join(found)


def _instants(name: str, steps: list[Step], again: list[tuple[int, Flow]]) -> Iterator[tuple[int, int, int]]:
    """Milliseconds at which anything changes, and what steps and streams that are back hold from then on."""
    changes: list[tuple[int, int, int]] = []
    for step in steps:
        rate = sum(one.rate for one in step.reserve if one.resource == name)
        changes += [(step.start_ms, rate, 0), (step.start_ms + step.expect_ms, -rate, 0)]
    changes += [(at, 0, 0 if one.job else one.rate) for at, one in again]
    moving = back = 0
    changes.sort()
    for index, (at, step_rate, stream) in enumerate(changes):
        moving, back = moving + step_rate, back + stream
        if index + 1 == len(changes) or changes[index + 1][0] > at:
            yield at, moving, back
