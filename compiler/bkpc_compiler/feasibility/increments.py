"""What incremental images add to what is read back: how many a full one may have behind it, and their bytes.

An incremental image continues the newest image whose chain begins with the newest full one of its store. So between two
full images that are whole there are no more of them than their schedule releases in that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.left_out import meeting
from bkpc_compiler.program.model import Given
from bkpc_grammar.quantities import Rate, Size


class Increments(Struct, frozen=True):
    """Behind one full image in a store, at most.

    `older`: milliseconds by which the full image may be older than the last of them. `bounded`: whether every job that
    takes images has a slot within its window, and how many are left out is known.
    """

    count: int
    bytes: int
    older: int
    bounded: bool


def limited_by_changes(
    job: JobDemand, beside: Sequence[JobDemand], left_out: Mapping[str, int] | None = None
) -> JobDemand:
    """An incremental one holds what changed since the image before it began, at most; that may be a full one.

    `beside`: all jobs of its server. Where it meets a full image of it, it may be left out: the next one holds what
    changed meanwhile: `left_out` in a row by its id, or as many as windows allow. To find it all is read.
    """
    if not job.incremental or job.changes is None:
        return job
    without = left_out_at_most(job, beside) if left_out is None else left_out.get(job.id, 0)
    since = job.rhythm.gap + without * job.rhythm.period + job.window.milliseconds_up()
    most = _changed(job.changes, since)
    if most >= job.size.value.bytes_up():
        return replace(job, presumed=without)
    size = Given(Size(Fraction(most)), job.changes.span, job.changes.origin)
    return replace(job, size=size, whole=job.size, presumed=without)


def left_out_at_most(job: JobDemand, beside: Sequence[JobDemand]) -> int:
    """How many in a row, whatever slots the jobs have in their windows."""
    fulls = (one for one in beside if not one.source and not one.incremental)
    own = job.window.milliseconds_up()
    return sum(meeting(job, one.window.milliseconds_up(), own) for one in fulls)


def _changed(changes: Given[Rate], milliseconds: int) -> int:
    return ceil(changes.value.amount * milliseconds / 1000)


def increments_in(jobs: Sequence[JobDemand], *, planned: bool = True) -> Mapping[str, Increments]:
    """Of each store that incremental images of one database get to, of all `jobs` of it; directly or by copies.

    `planned`: in their slots; else wherever these may lie in their windows.
    """
    own = {job.store: _own(jobs, job.store, planned=planned) for job in jobs if job.incremental}
    if not own:
        return {}
    found: dict[str, Increments] = {}
    for store in dict.fromkeys(job.store for job in jobs):
        behind = _behind(jobs, own, store, frozenset())
        if behind is not None:
            found[store] = behind
    return found


def lasting(job: JobDemand, *, planned: bool) -> int:
    """Milliseconds that one run takes at most, from the earliest that it may begin."""
    return job.slot.length if planned and job.slot else job.window.milliseconds_up()


def _own(jobs: Sequence[JobDemand], store: str, *, planned: bool) -> Increments:
    fulls = [job for job in jobs if job.store == store and job.begins_chains]
    adding = [job for job in jobs if job.store == store and job.incremental]
    apart = max((job.rhythm.gap + lasting(job, planned=planned) for job in fulls), default=0)
    count = bytes_ = 0
    for job in adding:
        images = between_fulls(job, fulls, apart, planned=planned)
        count += images
        bytes_ += images * job.bytes.bytes_up()
    changes = next((job.changes for job in adding if job.changes), None)
    if changes:
        # From when the full one begins until the last is whole; what changes while one is taken is in the next as well.
        taking = max(lasting(job, planned=planned) for job in adding)
        bytes_ = min(bytes_, _changed(changes, apart + (count + 1) * taking))
    bounded = bool(fulls) and not any(job.late or job.left_out is None for job in jobs if not job.source)
    return Increments(count, bytes_, apart, bounded)


def between_fulls(job: JobDemand, fulls: Sequence[JobDemand], apart: int, *, planned: bool) -> int:
    """How many images of a job begin until the next full one is whole: each begins at one time after its release, or
    somewhere in its window."""
    moved = 0 if planned and job.slot else job.window.milliseconds_up()
    return -(-(apart + moved) // least_between(job, fulls))


def least_between(job: JobDemand, fulls: Sequence[JobDemand]) -> int:
    """Milliseconds between two releases of an incremental one at least, while two full ones are as far apart as they
    ever are. By the same clocks both come as often as these say: their change is in the longer time already."""
    alike = all((one.schedule.timezone, one.rhythm.shift) == (job.schedule.timezone, job.rhythm.shift) for one in fulls)
    return max(1, job.rhythm.least + (job.rhythm.shift if alike else 0))


def _behind(
    jobs: Sequence[JobDemand], own: Mapping[str, Increments], store: str, passed: frozenset[str]
) -> Increments | None:
    """Its own, behind those that a copy brought: of all sources the most."""
    copied = [
        found
        for source in {job.source for job in jobs if job.store == store and job.source}
        if source not in passed and source != store
        if (found := _behind(jobs, own, source, passed | {store})) is not None
    ]
    parts = [own[store]] if store in own else []
    if copied:
        parts.append(_most(copied))
    if not parts:
        return None
    return Increments(
        sum(one.count for one in parts),
        sum(one.bytes for one in parts),
        sum(one.older for one in parts),
        all(one.bounded for one in parts),
    )


def _most(found: Sequence[Increments]) -> Increments:
    return Increments(
        max(one.count for one in found),
        max(one.bytes for one in found),
        max(one.older for one in found),
        all(one.bounded for one in found),
    )
