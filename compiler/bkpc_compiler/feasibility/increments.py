"""What incremental images add to what is read back: how many a full one may have behind it, and their bytes.

An incremental image continues the newest image whose chain begins with the newest full one of its store. So between two
full images that are whole there are no more of them than their schedule releases in that time; one job more may be
released and not yet have begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.program.model import Given
from bkpc_grammar.quantities import Rate, Size


class Increments(Struct, frozen=True):
    """Behind one full image in a store, at most.

    `older`: milliseconds by which the full image may be older than the last of them. `bounded`: whether every job of
    the database has a slot within its window. `paused`: milliseconds that all jobs of the database take together: of a
    server one image is taken at a time; copies are counted as if they were waited for, too.
    """

    count: int
    bytes: int
    older: int
    bounded: bool
    paused: int


def limited_by_changes(job: JobDemand, jobs: Sequence[JobDemand]) -> JobDemand:
    """An incremental one holds what changed since the image before it began, at most; that may be a full one.

    Where periods are left out because other jobs of its database run, the next one holds what changed meanwhile.
    """
    if not job.incremental or job.changes is None:
        return job
    since = job.rhythm.gap + job.window.milliseconds_up()
    since += sum(one.window.milliseconds_up() for one in jobs if one.id != job.id)
    most = _changed(job.changes, since)
    if most >= job.size.value.bytes_up():
        return job
    return replace(job, size=Given(Size(Fraction(most)), job.changes.span, job.changes.origin))


def _changed(changes: Given[Rate], milliseconds: int) -> int:
    return ceil(changes.value.amount * milliseconds / 1000)


def increments_in(jobs: Sequence[JobDemand]) -> Mapping[str, Increments]:
    """Of each store that incremental images of one database get to, of all `jobs` of it; directly or by copies."""
    own = {job.store: _own(jobs, job.store) for job in jobs if job.incremental}
    if not own:
        return {}
    found: dict[str, Increments] = {}
    for store in dict.fromkeys(job.store for job in jobs):
        behind = _behind(jobs, own, store, frozenset())
        if behind is not None:
            found[store] = behind
    return found


def _own(jobs: Sequence[JobDemand], store: str) -> Increments:
    fulls = [job for job in jobs if job.store == store and job.begins_chains]
    adding = [job for job in jobs if job.store == store and job.incremental]
    apart = max((job.rhythm.gap + job.window.milliseconds_up() for job in fulls), default=0)
    count = bytes_ = 0
    for job in adding:
        images = (apart + job.window.milliseconds_up()) // least_between(job, fulls) + 1
        count += images
        bytes_ += images * job.bytes.bytes_up()
    changes = next((job.changes for job in adding if job.changes), None)
    if changes:
        # From when the full one begins until the last is whole; what changes while one is taken is in the next as well.
        taking = max(job.window.milliseconds_up() for job in adding)
        bytes_ = min(bytes_, _changed(changes, apart + (count + 1) * taking))
    bounded = bool(fulls) and not any(job.late for job in jobs)
    paused = sum(job.slot.length for job in jobs if job.slot)
    return Increments(count, bytes_, apart, bounded, paused)


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
        max(one.paused for one in parts),
    )


def _most(found: Sequence[Increments]) -> Increments:
    return Increments(
        max(one.count for one in found),
        max(one.bytes for one in found),
        max(one.older for one in found),
        all(one.bounded for one in found),
        max(one.paused for one in found),
    )
