"""BKP2003 window-unproved: a job that may not be done within its window."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.shortages import Shortage
from bkpc_compiler.feasibility.verdict import Analysis


def window_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per crowded resource and window clause."""
    for shortage in analysis.demand.shortages:
        jobs = [job for job in analysis.demand.jobs if job.id in shortage.ids]
        by_span = {(job.schedule.window or job.schedule).span: job for job in jobs}
        for job in by_span.values():
            yield _diagnostic(shortage, job)


def _diagnostic(shortage: Shortage, job: JobDemand) -> Diagnostic:
    resource = shortage.resource
    certainty = "cannot all be done" if shortage.hopeless else "are not proved to be done"
    at = (Label(resource.span, f"{shortage.available.human()} after headroom"),) if resource.span else ()
    return Diagnostic(
        code="BKP2003",
        name="window-unproved",
        severity=Severity.ERROR,
        message=f"the jobs through {resource.words} {certainty} in their windows",
        primary=Label((job.schedule.window or job.schedule).span, f"asks for {shortage.asked.human()} in all"),
        secondary=at,
        notes=(f"sharing it: {', '.join(sorted(set(shortage.ids)))}",),
        help="widen the windows: all jobs and streams of a resource count as running at once",
    )
