"""Of one server one image is taken at a time: where an incremental one meets a full one, it is left out.

The planner keeps their slots apart where windows allow. Where they do not, the full image is all that changed; into
another store the next one comes later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bkpc_compiler.timetable.servers import held, hop

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.demand import JobDemand


def shared_servers(jobs: Iterable[JobDemand]) -> frozenset[str]:
    """Those of which several jobs take images."""
    images = Counter(job.server for job in jobs if not job.source)
    return frozenset(server for server, count in images.items() if count > 1)


def with_left_out(jobs: Sequence[JobDemand]) -> list[JobDemand]:
    """`jobs` with how many incremental images in a row are left out, in their slots."""
    servers = {job.server for job in jobs if job.incremental}
    if not servers:
        return list(jobs)
    fulls: dict[str, list[JobDemand]] = {}
    for job in jobs:
        if job.server in servers and not job.source and not job.incremental:
            fulls.setdefault(job.server, []).append(job)
    return [
        replace(job, left_out=_left_out(job, fulls.get(job.server, ()))) if job.incremental else job for job in jobs
    ]


def _left_out(job: JobDemand, fulls: Sequence[JobDemand]) -> int | None:
    """None: nothing bounds how many, since full ones come so often, or one of them has no slot."""
    if job.slot is None:
        return None
    if any(full.slot is None for full in fulls):
        return None
    met = [(full, full.slot.length) for full in fulls_met(job, fulls) if full.slot]
    left_out = sum(meeting(job, lasts, job.slot.length) for _, lasts in met)
    lasts = left_out * job.rhythm.period + job.rhythm.shift
    often = any(lasts + full.rhythm.shift + length + job.slot.length > full.rhythm.least for full, length in met)
    return None if often else left_out


def fulls_met(job: JobDemand, server: Iterable[JobDemand]) -> list[JobDemand]:
    """Those that take full images of its server whose slots the slots of `job` meet, now and then."""
    assert job.slot is not None
    wanted = held(job.rhythm, job.slot.offset, job.slot.length)
    fulls = (one for one in server if one.slot and not one.source and not one.incremental)
    return [
        one for one in fulls if one.slot and hop(wanted, (held(one.rhythm, one.slot.offset, one.slot.length),)) != 0
    ]


def meeting(job: JobDemand, full: int, own: int) -> int:
    """How many images of a job, each `own` ms long, one that takes `full` ms may meet."""
    return -(-(full + own) // job.rhythm.least)
