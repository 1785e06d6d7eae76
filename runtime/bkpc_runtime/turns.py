"""Of one server one image is taken at a time: whose turn it is, by the slots of the plan.

Full images have slots that never meet. Where the slot of an incremental one meets that of a full one, it is left out.
An image that is late is not begun where it would run into the slot of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bkpc_grammar import plan as contract
from bkpc_grammar.address import one_server
from bkpc_runtime.schedule import last_start

_INSTANT = timedelta(milliseconds=1)
_PROMPT = timedelta(minutes=1)
"""What begins so long after its planned start has begun in time: an agent looks now and then."""
_MOST = 2000
"""Slots of an incremental job that are looked at: two months of hours."""


def servers_of(plan: contract.Plan) -> Mapping[str, tuple[str, str]]:
    """By database, what tells its server from others. Two sites never share one."""
    return {one.name: (one.site, one_server(one.address)) for one in plan.estate.databases}


def fulls_beside(plan: contract.Plan, job: contract.Job) -> tuple[contract.Job, ...]:
    """The jobs that take full images of its server, but for itself."""
    servers = servers_of(plan)
    own = servers.get(job.database)
    return tuple(
        one for one in plan.jobs if one.kind == "backup.full" and one.id != job.id and servers.get(one.database) == own
    )


def last_taken(job: contract.Job, fulls: Iterable[contract.Job], now: datetime) -> datetime:
    """The newest planned start at or before `now` of an incremental image that is not left out for one of `fulls`."""
    fulls, start = tuple(fulls), last_start(job.schedule, now)
    for _ in range(_MOST):
        if not in_the_way(fulls, start, start + _lasts(job)):
            return start
        start = last_start(job.schedule, start - _INSTANT)
    return start


def in_the_way(others: Iterable[contract.Job], start: datetime, end: datetime) -> datetime | None:
    """When the last slot of `others` ends that meets the time between two instants; None where none does."""
    ends = (last_start(one.schedule, end - _INSTANT) + _lasts(one) for one in others if one.schedule.slot_ms)
    return max((one for one in ends if one > start), default=None)


def waits_for(job: contract.Job, fulls: Iterable[contract.Job], now: datetime) -> datetime | None:
    """Until when an image that is due is not begun, since it would run into the slot of another; None: it may begin.

    In its slot, while what is left has room for its bytes, it is done by the end; later it takes as long from now on.
    """
    start = last_start(job.schedule, now)
    timely = now <= start + max(_PROMPT, timedelta(milliseconds=job.retry.budget_ms))
    return in_the_way(fulls, now, (start if timely else now) + _lasts(job))


def _lasts(job: contract.Job) -> timedelta:
    return timedelta(milliseconds=job.schedule.slot_ms)
