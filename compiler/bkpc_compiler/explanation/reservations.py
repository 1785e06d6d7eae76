"""What the terms of a failure rest on: the slots of jobs and the rates of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from bkpc_compiler.explanation.clauses import Clauses
from bkpc_compiler.explanation.explanation import ReservedJob, ReservedStream
from bkpc_compiler.feasibility.bounds import Term
from bkpc_compiler.feasibility.demand import Demand, JobDemand, effort_of, sought_of
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.lines import Choice
from bkpc_compiler.feasibility.starting import tried_again
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.working import Ageing, AtBest, Crowding, Fetching, Logging, Moving


def jobs_behind(
    choice: Choice, terms: Iterable[Term], clauses: Clauses, demand: Demand, retries: Fraction
) -> tuple[ReservedJob, ...]:
    """The jobs that make the image of the chosen line, and those that a term names."""
    images = [choice.line.image] if choice.line else []
    images += [image for term in terms for image in _images(term)]
    jobs = dict.fromkeys(
        job for image in images for jobs in (image.jobs, *(image.others if image.joint else ())) for job in jobs
    )
    if any(job.incremental for job in jobs):  # while others run it does not
        jobs |= dict.fromkeys(demand.jobs_by_database[choice.database.name])
    return tuple(_job(job, clauses, retries) for job in sorted(jobs, key=lambda one: one.id))


def streams_behind(choice: Choice, terms: Iterable[Term], clauses: Clauses) -> tuple[ReservedStream, ...]:
    """The same of the log."""
    streams = [choice.line.log] if choice.line and choice.line.log else []
    streams += [term.working.stream for term in terms if isinstance(term.working, Logging)]
    once = dict.fromkeys(streams)
    return tuple(_stream(one, clauses) for one in sorted(once, key=lambda one: (one.id, one.store)))


def _images(term: Term) -> Iterator[ImageCopy]:
    working = term.working
    if isinstance(working, Ageing):
        yield working.image
    elif isinstance(working, Moving | Fetching) and working.move.transfer.follows:
        yield working.move.transfer.follows
    elif isinstance(working, AtBest) and working.transfer.follows:
        yield working.transfer.follows
    elif isinstance(working, Crowding):
        yield from (part.transfer.follows for part in working.parts if part.transfer.follows)


def _job(job: JobDemand, clauses: Clauses, retries: Fraction) -> ReservedJob:
    slot = job.slot
    return ReservedJob(
        id=job.id,
        reads=job.source or job.database,
        writes=job.store,
        offset=Fraction(slot.offset, 1000) if slot else None,
        lasts=Fraction(slot.length, 1000) if slot else None,
        rate=slot.rate if slot else None,
        effort=effort_of(job, retries),
        beside=Fraction(tried_again(job.beside, retries), 1000),
        source=clauses.source(job.schedule.span),
        sought=sought_of(job, retries) if slot and slot.reads else 0,
        sought_rate=slot.reads if slot else 0,
    )


def _stream(stream: StreamDemand, clauses: Clauses) -> ReservedStream:
    return ReservedStream(stream.id, stream.store, stream.rate, stream.fits, clauses.source(stream.level.span))
