"""Jobs that find no room in their windows though they share nothing: what each takes with all of its way for itself."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.estate.resources import derated
from bkpc_compiler.feasibility.demand import JobDemand, effort_of, sought_of
from bkpc_compiler.feasibility.starting import tried_again
from bkpc_compiler.program.model import Program
from bkpc_compiler.timetable.requests import at_database
from bkpc_grammar.quantities import Duration


def moving(program: Program, job: JobDemand) -> Fraction:
    """Seconds from its first byte on, failed attempts included; 0 where nothing on its way is known to be narrow."""
    headroom, retries = program.headroom.value, program.retries.value
    rates = {one.name: rate for one in job.resources if (rate := derated(one, headroom))}
    way = [*rates.values(), *((job.limit.value.amount,) if job.limit else ())]
    machine = [rate for name, rate in rates.items() if at_database(name)]
    takes = effort_of(job, retries) / min(way) if way else Fraction(0)
    takes += sought_of(job, retries) / min(machine) if machine else Fraction(0)
    return takes + Fraction(tried_again(job.beside, retries), 1000)


def too_long_alone(program: Program, job: JobDemand) -> bool:
    """Whether nobody else needs to be on its way for its window to be too short."""
    return job.queue is not None and Fraction(job.lead, 1000) + moving(program, job) > job.lasting


def told_alone(program: Program, job: JobDemand) -> str:
    """What fills its window, part by part."""
    whole = Duration(Fraction(job.lead, 1000) + moving(program, job))
    parts = ", ".join(_parts(program, job))
    return f"{job.id} takes {whole.human(job.window)} with all of its way for itself: {parts}"


def _parts(program: Program, job: JobDemand) -> Iterator[str]:
    if job.thaw:
        yield f"{job.thaw.value} to thaw"
    if job.queue:
        yield f"{_human(job.queue)} behind the thaw quota"
    asked = (job.objects.asked if job.thaw and job.objects else 0) + job.behind_others
    if asked:
        others = " and those of other copies" if job.behind_others else ""
        yield f"{_human(asked)} to ask for the thaw of its objects{others}"
    if job.beside:
        yield f"{_human(job.beside)} beside its bytes (`starts`, `table`, latency)"
    bytes_ = moving(program, job) - Fraction(job.beside, 1000)
    yield f"{Duration(bytes_).human()} to move {job.bytes}, failed attempts included"


def _human(milliseconds: int) -> str:
    return Duration(Fraction(milliseconds, 1000)).human()
