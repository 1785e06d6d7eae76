"""BKP2003 window-unproved: a job that may not be done within its window."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.shortages import Shortage
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.remedies.windows import room_for
from bkpc_grammar.quantities import Size

SHOWN = 6
"""Jobs that a note names."""


def window_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per crowded resource and window clause."""
    for shortage in analysis.demand.shortages:
        jobs = [job for job in analysis.demand.jobs if job.id in shortage.ids]
        by_span = {(job.schedule.window or job.schedule).span: job for job in jobs}
        for job in by_span.values():
            yield _diagnostic(analysis, shortage, job)


def _diagnostic(analysis: Analysis, shortage: Shortage, job: JobDemand) -> Diagnostic:
    resource = shortage.resource
    certainty = "cannot all be done" if shortage.hopeless else "are not proved to be done"
    at = (Label(resource.span, f"{shortage.available.human()} after headroom"),) if resource.span else ()
    due = [one for one in analysis.demand.jobs if one.id in shortage.due]
    sizes = {one.size.span: Label(one.size.span, f"{one.bytes} through it") for one in due}
    remedy = room_for(analysis, shortage, job)
    return Diagnostic(
        code="BKP2003",
        name="window-unproved",
        severity=Severity.ERROR,
        message=f"the jobs through {resource.words} {certainty} in their windows",
        primary=Label((job.schedule.window or job.schedule).span, f"asks for {shortage.asked.human()} in all"),
        secondary=(*at, *sizes.values()),
        notes=(f"sharing it: {_named(sorted(set(shortage.ids)))}", *_witness(shortage, due)),
        help=remedy.help,
        edit=remedy.edit,
    )


def _witness(shortage: Shortage, due: list[JobDemand]) -> tuple[str, ...]:
    """The demand test that fails: bytes due in an interval, against all that the resource carries in it."""
    if shortage.interval is None or shortage.resource.capacity is None:
        return ()
    bytes_ = Size(sum((one.bytes.amount for one in due), start=Fraction(0)))
    carried = shortage.resource.capacity.during(shortage.interval)
    names = _named([one.id for one in due])
    due_then = f"in {shortage.interval} from a release {bytes_.human()} are due ({names}), the log beside them"
    return (f"{due_then}; {shortage.resource.words} moves at most {carried.human()} in that time",)


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"
