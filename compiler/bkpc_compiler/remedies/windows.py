"""What would give jobs room in their windows: the least of their resource that does, or a longer window."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from bkpc_compiler.diagnostics.diagnostic import Edit
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.shortages import Shortage
from bkpc_compiler.feasibility.verdict import Analysis, demand_of
from bkpc_compiler.program.model import Cadence, Program
from bkpc_compiler.remedies.figures import Quantity, changed, figures_at
from bkpc_compiler.remedies.harm import harm_of
from bkpc_compiler.remedies.remedy import Remedy
from bkpc_compiler.remedies.search import MOST_DATABASES, first_that
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration, duration

WINDOWS = (*(duration(hours, "h") for hours in range(1, 25)), *(duration(days, "d") for days in range(2, 29)))
"""Windows tried."""
ROUNDS = 24
"""Programs that are placed again, at most."""


def room_for(analysis: Analysis, shortage: Shortage, job: JobDemand) -> Remedy:
    """Each change was tried: with it every job through the resource is done in its window."""
    program, resource = analysis.program, shortage.resource
    if len(program.databases) * ROUNDS * max(1, len(analysis.demand.shortages)) > MOST_DATABASES:
        return Remedy(_otherwise(job, shortage))
    told, edits = [], []
    window = job.schedule.window
    if window is not None:
        wider = [one for one in WINDOWS if window.value < one and one.milliseconds_up() <= job.rhythm.least]
        best = first_that(wider, partial(_fits_with, program, window.span, resource.name))
        if best is not None:
            harm = harm_of(analysis, changed(program, window.span, best))
            told.append(f"`within {best}`{harm}")
            edits += [] if harm else [Edit(window.span, str(best))]
    for figure in figures_at(program, (resource.span,) if resource.span else ()):
        enough = first_that(figure.steps(), partial(_fits_with, program, figure.span, resource.name))
        if enough is not None:
            harm = harm_of(analysis, changed(program, figure.span, enough))
            told.append(f"`{figure.clause} {enough}` of {figure.of} (now {figure.value}){harm}")
            edits += [] if harm else [Edit(figure.span, f"{figure.clause} {enough}", fact=True)]
    if not told:
        return Remedy(_otherwise(job, shortage))
    return Remedy(f"{' or '.join(told)} would make room", edits[0] if edits else None)


def room_at_server(analysis: Analysis, job: JobDemand) -> Remedy:
    """A wider window, tried: with it every image of the server is taken in its own."""
    program, window = analysis.program, job.schedule.window
    wide = window is None or window.value.milliseconds_up() >= job.rhythm.least
    least = "release one of them at another time, or take it less often"
    if window is None or wide or len(program.databases) * ROUNDS > MOST_DATABASES:
        return Remedy(least if wide else f"widen the window, or {least}")
    wider = [one for one in WINDOWS if window.value < one and one.milliseconds_up() <= job.rhythm.least]
    best = first_that(wider, partial(_all_taken, program, window.span, job.server))
    if best is None:
        return Remedy(least)
    harm = harm_of(analysis, changed(program, window.span, best))
    return Remedy(f"`within {best}`{harm} would make room", None if harm else Edit(window.span, str(best)))


def _all_taken(program: Program, span: Span, server: str, value: Quantity) -> bool:
    demand = demand_of(changed(program, span, value))
    return not any(job.late for job in demand.jobs if job.server == server and not job.source)


def _otherwise(job: JobDemand, shortage: Shortage) -> str:
    """What is left to be done where nothing was found, or looked for; a window only where it can be wider."""
    window = job.schedule.window
    others = "release a job at another time, " if len(shortage.ids) > 1 else ""
    if window is not None and window.value.milliseconds_up() < job.rhythm.least:
        return f"widen the window, {others}or send less through it"
    why = "no window helps: it must be done before it is due again"
    if job.schedule.cadence is Cadence.MONTHLY:
        least = Duration(Fraction(job.rhythm.least, 1000)).human()
        why = f"no window helps: it must be done within {least}, before it is due again after a February"
    return f"{why}; {others}make room on {shortage.resource.words}, or send less through it"


def _fits_with(program: Program, span: Span, name: str, value: Quantity) -> bool:
    """Whether all jobs through the resource are done in their windows, once `span` gives `value`."""
    demand = demand_of(changed(program, span, value))
    crowded = any(one.resource.name == name for one in demand.shortages)
    return not crowded and not any(job.late and any(one.name == name for one in job.resources) for job in demand.jobs)
