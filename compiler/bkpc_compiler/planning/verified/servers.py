"""Whether two images of one server are to be taken at once: an incremental one may be left out for a full one."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.planning.verified.calendar import Calendar
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_grammar.plan import Job, Plan


def at_once(plan: Plan, estate: Estate, calendar: Calendar) -> Iterator[str]:
    """Images of one server whose slots meet, of one kind: the second would begin late."""
    found: dict[tuple[str, str, str], list[Job]] = {}
    for job in plan.jobs:
        if job.kind in {"backup.full", "backup.incremental"}:
            found.setdefault((*estate.server(job.database), job.kind), []).append(job)
    for images in found.values():
        met = calendar.meeting(images) if len(images) > 1 else None
        if met:
            first, second, at = met
            yield f"{first} and {second} take images of one server at {at:%Y-%m-%d %H:%M:%S} UTC"
