"""BKP2003 window-unproved: a job that may not be done within its window."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.shortages import Shortage
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.remedies.remedy import Remedy
from bkpc_compiler.remedies.windows import room_at_server, room_for
from bkpc_compiler.rules.alone import moving, told_alone, too_long_alone
from bkpc_compiler.rules.words import window_of
from bkpc_compiler.timetable.requests import at_database
from bkpc_grammar.quantities import ZERO_RATE, Duration, Rate, Size

SLIGHT = 10
"""What a job takes beside its bytes is told where it is more than such a part of its window."""
SHOWN = 6
"""Jobs that a note names."""


def window_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per crowded resource and window clause; one per server whose images have to wait for each other."""
    for shortage in analysis.demand.shortages:
        jobs = [job for job in analysis.demand.jobs if job.id in shortage.ids]
        by_span = {window_of(job): job for job in jobs}
        for job in by_span.values():
            yield _diagnostic(analysis, shortage, job)
    waiting: dict[str, list[JobDemand]] = {}
    for job in analysis.demand.jobs:
        if job.id in analysis.demand.queued:
            waiting.setdefault(job.server, []).append(job)
    for jobs in waiting.values():
        yield _beside_others(analysis, jobs)


def _diagnostic(analysis: Analysis, shortage: Shortage, job: JobDemand) -> Diagnostic:
    resource = shortage.resource
    logs = [one for one in analysis.demand.streams if one.id in shortage.ids and resource in one.resources]
    drowned = shortage.hopeless and _written(logs) > (resource.capacity or ZERO_RATE)
    certainty = "cannot all be done" if shortage.hopeless else "are not proved to be done"
    at = (Label(resource.span, f"{shortage.available.human()}{_derated(resource)}"),) if resource.span else ()
    due = [] if drowned else [one for one in analysis.demand.jobs if one.id in shortage.due]
    sizes = {one.size.span: Label(one.size.span, f"{one.bytes} through it") for one in due}
    written = {one.writes.span: Label(one.writes.span, f"{one.writes.value} of log through it") for one in logs}
    remedy = room_for(analysis, shortage, job)
    asked = "no room beside the log" if drowned else f"asks for {shortage.asked.human()} in all"
    jobs = [one for one in analysis.demand.jobs if one.id in shortage.ids]
    notes = (
        f"sharing it: {_named(sorted(set(shortage.ids)))}",
        *(_drowning(shortage, logs) if drowned else _witness(shortage, due, logs)),
        *_starting(jobs),
        *_thawing(jobs),
        *(_seeking(jobs) if at_database(resource.name) else ()),
        *_attempts(analysis, shortage),
    )
    message = f"the jobs through {resource.words} {certainty} in their windows"
    if not shortage.hopeless and too_long_alone(analysis.program, job):
        message = f"{job.id} is not proved to be done in its window, were nothing else on its way"
        notes = (told_alone(analysis.program, job), *(_seeking([job]) if at_database(resource.name) else ()))
        asked = "too short for it alone"
    return _error(message, Label(window_of(job), asked), (*at, *sizes.values(), *written.values()), notes, remedy)


def _beside_others(analysis: Analysis, jobs: list[JobDemand]) -> Diagnostic:
    """Images that only wait for their server."""
    job = jobs[0]
    images = [one for one in analysis.demand.jobs if one.server == job.server and not one.source]
    others = {window_of(one): one for one in images if window_of(one) != window_of(job)}
    return _error(
        f"{_named([one.id for one in jobs])} {'is' if len(jobs) == 1 else 'are'} not proved to be done in "
        f"{'its window' if len(jobs) == 1 else 'their windows'}: of one server one image is taken at a time",
        Label(window_of(job), "no room in it beside the other images of this server"),
        tuple(Label(span, f"{one.id} is taken in it") for span, one in list(others.items())[:SHOWN]),
        (
            f"of this server: {_named(sorted(one.id for one in images))}",
            *_one_by_one(analysis, images),
            *_seeking(images),
        ),
        room_at_server(analysis, job),
    )


def _error(
    message: str, primary: Label, secondary: tuple[Label, ...], notes: tuple[str, ...], remedy: Remedy
) -> Diagnostic:
    return Diagnostic(
        code="BKP2003",
        name="window-unproved",
        severity=Severity.ERROR,
        message=message,
        primary=primary,
        secondary=secondary,
        notes=notes,
        help=remedy.help,
        edit=remedy.edit,
    )


def _one_by_one(analysis: Analysis, images: list[JobDemand]) -> tuple[str, ...]:
    """What each takes where nothing else is on its way, if anything on it is known to be narrow."""
    takes = {one.id: moving(analysis.program, one) for one in images}
    known = [f"{name} {Duration(took).human()}" for name, took in list(takes.items())[:SHOWN] if took]
    if not known:
        return ()
    total = Duration(sum(takes.values(), start=Fraction(0))).human()
    return (f"with nothing else on their ways they take, failed attempts included: {', '.join(known)}; {total} in all",)


def _derated(resource: Resource) -> str:
    """What a machine gives is said of the whole of it."""
    return " in all" if resource.name.startswith("database:") else " after headroom"


def _seeking(jobs: list[JobDemand]) -> tuple[str, ...]:
    """Why an incremental image takes as long as a full one where it is read."""
    return tuple(f"{one.id} reads all of {one.whole.value} to find what changed" for one in jobs[:SHOWN] if one.whole)


def _written(logs: list[StreamDemand]) -> Rate:
    return sum((one.writes.value for one in logs), start=ZERO_RATE)


def _drowning(shortage: Shortage, logs: list[StreamDemand]) -> tuple[str, ...]:
    assert shortage.resource.capacity is not None
    names = _named(sorted({one.id for one in logs}))
    moved = f"{shortage.resource.words} moves {shortage.resource.capacity.human()} at most"
    return (f"the log alone is written at {_written(logs).human()} ({names}); {moved}",)


def _witness(shortage: Shortage, due: list[JobDemand], logs: list[StreamDemand]) -> tuple[str, ...]:
    """The demand test that fails: bytes due in an interval, against all that the resource carries in it."""
    if shortage.interval is None or shortage.resource.capacity is None:
        return ()
    bytes_ = Size(sum((one.bytes.amount for one in due), start=Fraction(0)))
    carried = shortage.resource.capacity.during(shortage.interval)
    due_then = f"in {shortage.interval} from a release {bytes_.human()} are due ({_named([one.id for one in due])})"
    if logs:
        log = _written(logs).during(shortage.interval)
        due_then += f" and {log.human()} of log is written ({_named(sorted({one.id for one in logs}))})"
    return (f"{due_then}; {shortage.resource.words} moves at most {carried.human()} in that time",)


def _thawing(jobs: list[JobDemand]) -> tuple[str, ...]:
    """What a copy of a window waits for before its first byte."""
    return tuple(
        f"{one.id} thaws for {one.thaw.value} what it copies"
        + (f", behind a quota for {Duration(Fraction(one.queue, 1000)).human()}" if one.queue else "")
        + (", and of its class more is asked than the quota, day by day" if one.queue is None else "")
        for one in jobs
        if one.thaw is not None and (one.queue is None or one.slot is None)
    )


def _starting(jobs: list[JobDemand]) -> tuple[str, ...]:
    """What a job of a window takes beside its bytes, where that is much of it."""
    return tuple(
        f"{one.id} takes {Duration(Fraction(one.beside, 1000)).human()} beside its bytes (`starts`, `table`, latency)"
        for one in jobs
        if one.slot is None and one.beside * SLIGHT > one.window.milliseconds_down()
    )


def _attempts(analysis: Analysis, shortage: Shortage) -> tuple[str, ...]:
    """What a slot has room for beside the bytes of its job."""
    retries = analysis.program.retries.value
    if shortage.hopeless or not retries:
        return ()
    return (f"beside these bytes each job's room holds {float(retries * 100):g}% for failed attempts (`retries`)",)


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"
