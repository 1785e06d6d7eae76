"""The instants at which jobs hold what they reserve, by the calendar of the fortnights in which most can go wrong."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from bkpc_grammar.plan import Job, Schedule

YEAR = 2026
"""The year whose clock changes are looked at: fixed, so that a plan does not depend on when it is checked."""
DAY = 86_400_000
DENSE = 4 * 3_600_000
"""Jobs that come more often than this hold their reservation at every instant."""
OFTEN = 600_000
"""Slots of jobs that come more often than this are worked out around those of others, rather than all looked at."""
_SOME = 10_000
_IMAGES = frozenset({"backup.full", "backup.incremental"})
_PLAIN = (date(YEAR, 1, 5), date(YEAR, 6, 29))
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Held = tuple[Job, int]
"""A job, and the bytes per second that it holds of a resource."""
_Release = tuple[str, int, int, int | None, int | None, str]
_Slot = tuple[_Release, int, int]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that is held of a resource, in bytes per second; `at`: None where it is held at every instant."""

    rate: int
    at: datetime | None = None

    def __str__(self) -> str:
        return f"at {self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at else "at every instant"


class Calendar:
    """The fortnights looked at for `zones`: winter, summer, and around every change of their clocks.

    Jobs that do not come weekly meet others in other weeks too: for what they hold, the whole year is looked at.
    `servers`: by database; of one server one full image and one incremental one are taken at a time.
    """

    def __init__(self, zones: Iterable[str], servers: Mapping[str, object] | None = None) -> None:
        self._servers = servers or {}
        days = {*_PLAIN, *(day for zone in sorted(set(zones)) for day in clock_changes(zone))}
        # From the Monday before: a change is never at the edge.
        before = (day - timedelta(days=1) for day in days)
        self.fortnights = tuple(sorted({day - timedelta(days=day.weekday()) for day in before}))
        self._year = tuple(sorted({*self.fortnights, *(_PLAIN[0] + timedelta(days=14 * one) for one in range(-1, 26))}))
        self._released: dict[tuple[_Release, date, int], tuple[int, ...]] = {}

    def peak(self, held: Iterable[Held]) -> Peak:
        """The most that `held` add up to, and when first."""
        weekly = True
        steady: dict[object, int] = {}
        rates: dict[_Slot, int] = {}
        for job, rate in held:
            when = job.schedule
            if when.period_ms < DENSE:
                of = (self._servers.get(job.database, job.database), job.kind) if job.kind in _IMAGES else job.id
                steady[of] = max(steady.get(of, 0), rate)
                continue
            weekly = weekly and _is_weekly(when)
            slot = (_release(when), when.offset_ms, when.slot_ms)
            rates[slot] = rates.get(slot, 0) + rate
        peak = Peak(0)
        for first in self.fortnights if weekly else self._year:
            peak = max(peak, self._peak_from(first, rates), key=lambda one: one.rate)
        return Peak(peak.rate + sum(steady.values()), peak.at)

    def meeting(self, jobs: Sequence[Job]) -> tuple[str, str, datetime] | None:
        """Two of `jobs` whose slots meet, and when first; None where none do. What lasts no time meets nothing."""
        often = [job for job in jobs if job.schedule.period_ms < OFTEN and job.schedule.slot_ms]
        others = [job for job in jobs if job.schedule.period_ms >= OFTEN]
        for first in self._looked_at(jobs):
            slots = sorted((*slot, job.id) for job in others for slot in self._slots(job, first))
            for (_, end, one), (start, _, other) in pairwise(slots):
                if start < end:
                    return one, other, _midnight(first) + timedelta(milliseconds=start)
            slots += ((*slot, job.id) for job in often for slot in _some_slots(job.schedule, first))
            for start, end, one in slots:
                for job in often:
                    if job.id != one and _begins_before(job.schedule, first, end) > start:
                        return one, job.id, _midnight(first) + timedelta(milliseconds=start)
        return None

    def left_out(self, job: Job, fulls: Sequence[Job]) -> int:
        """How many slots of a job in a row meet those of `fulls` at most."""
        most, when = 0, job.schedule
        if when.period_ms < OFTEN:
            return sum(-(-(one.schedule.slot_ms + when.slot_ms) // when.period_ms) for one in fulls)
        for first in self._looked_at((job, *fulls)):
            taken = sorted(slot for one in fulls for slot in self._slots(one, first))
            row, index, reached = 0, 0, taken[0][0] if taken else 0
            for start, end in sorted(self._slots(job, first)):
                while index < len(taken) and taken[index][0] < end:
                    reached = max(reached, taken[index][1])
                    index += 1
                row = row + 1 if index and start < reached else 0
                most = max(most, row)
        return most

    def _looked_at(self, jobs: Iterable[Job]) -> tuple[date, ...]:
        return self.fortnights if all(_is_weekly(job.schedule) for job in jobs) else self._year

    def _slots(self, job: Job, first: date) -> Iterator[tuple[int, int]]:
        """When its slots begin and end in a fortnight; those that last no time meet nothing."""
        offset, lasts = job.schedule.offset_ms, job.schedule.slot_ms
        for at in self._releases(_release(job.schedule), first, _back(offset + lasts)) if lasts else ():
            yield at + offset, at + offset + lasts

    def held_at(self, held: Iterable[Held], at: datetime | None) -> tuple[str, ...]:
        """The ids of those of `held` that hold their reservation at an instant."""
        first = at.date() if at else _PLAIN[0]
        since = None if at is None else (at - _midnight(first)) // _MILLISECOND
        return tuple(sorted({job.id for job, _ in held if self._holds(job.schedule, first, since)}))

    def _holds(self, when: Schedule, first: date, since: int | None) -> bool:
        if when.period_ms < DENSE or since is None:
            return when.period_ms < DENSE
        lasts = when.offset_ms + when.slot_ms
        released = self._releases(_release(when), first, _back(lasts))
        return any(one + when.offset_ms <= since < one + lasts for one in released)

    def _peak_from(self, first: date, rates: dict[_Slot, int]) -> Peak:
        edges: dict[int, int] = {}
        for (release, offset, lasts), rate in rates.items():
            for at in self._releases(release, first, _back(offset + lasts)):
                start, end = at + offset, at + offset + lasts
                edges[start] = edges.get(start, 0) + rate
                edges[end] = edges.get(end, 0) - rate
        highest = running = since = 0
        for at, change in sorted(edges.items()):
            running += change
            if running > highest:
                highest, since = running, at
        return Peak(highest, _midnight(first) + timedelta(milliseconds=since))

    def _releases(self, release: _Release, first: date, back: int) -> tuple[int, ...]:
        """Releases in the fortnight from `first`, and `back` days before it; in milliseconds of `first`."""
        key = (release, first, back)
        if key not in self._released:
            self._released[key] = tuple(_released(release, first, back))
        return self._released[key]


def clock_changes(zone: str) -> Iterator[date]:
    """The days of the year before which the clocks of `zone` were changed."""
    place, last = ZoneInfo(zone), None
    for number in range(-1, 367):
        at = datetime(YEAR, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)
        offset = place.utcoffset(at.astimezone(place))
        if last is not None and offset != last:
            yield at.date()
        last = offset


@cache
def shortest_month(minute: int, day: int, timezone: str) -> int:
    """Milliseconds between two monthly releases of the year at least, by the clocks of `timezone`."""
    zone, clock = ZoneInfo(timezone), time(minute // 60, minute % 60)
    days = (date(YEAR, month, min(day, monthrange(YEAR, month)[1])) for month in range(1, 13))
    released = [datetime.combine(one, clock, zone).astimezone(UTC) for one in days]
    return min((later - earlier) // _MILLISECOND for earlier, later in pairwise(released))


def _is_weekly(when: Schedule) -> bool:
    """Whether it is released at the same times of every week, but for changes of the clocks."""
    return when.cadence in {"daily", "weekly"} or (when.cadence != "monthly" and 7 * DAY % when.period_ms == 0)


def _some_slots(when: Schedule, first: date) -> Iterator[tuple[int, int]]:
    end = _begins_before(when, first, 0)
    return ((end + turn * when.period_ms - when.slot_ms, end + turn * when.period_ms) for turn in range(_SOME))


def _begins_before(when: Schedule, first: date, end: int) -> int:
    """When the last slot that begins before an instant is over, of a job that comes `every` so often."""
    since = (_midnight(first) - _EPOCH) // _MILLISECOND
    turns = (since + end - 1 - when.offset_ms) // when.period_ms
    return turns * when.period_ms + when.offset_ms + when.slot_ms - since


def _release(when: Schedule) -> _Release:
    return (when.cadence, when.period_ms, when.at_minute or 0, when.weekday, when.day, when.timezone)


def _back(lasts: int) -> int:
    """Days before a fortnight in which a slot that reaches into it may have been released."""
    return lasts // DAY + 2


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _released(release: _Release, first: date, back: int) -> Iterator[int]:
    cadence, period, minute, weekday, day, timezone = release
    origin = _midnight(first)
    if cadence in {"every", "hourly"}:
        since = (origin - _EPOCH) // _MILLISECOND
        yield from range(-(since % period) - -(-back * DAY // period) * period, 14 * DAY, period)
        return
    zone = ZoneInfo(timezone)
    clock = time(minute // 60, minute % 60)
    for number in range(-back, 15):
        local = first + timedelta(days=number)
        if weekday is not None and local.weekday() != weekday:
            continue
        if day is not None and local.day != min(day, monthrange(local.year, local.month)[1]):
            continue
        yield (datetime.combine(local, clock, zone).astimezone(UTC) - origin) // _MILLISECOND
