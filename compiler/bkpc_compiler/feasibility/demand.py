"""What jobs and streams ask of the resources they share, settled: streams first, then the timetable of jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.resources import Resource, derated, transfer_at_best
from bkpc_compiler.feasibility.job_objects import Asked, JobObjects
from bkpc_compiler.feasibility.left_out import shared_servers, with_left_out
from bkpc_compiler.feasibility.shortages import Shortage, shortages_of
from bkpc_compiler.feasibility.starting import tried_again
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.once import once
from bkpc_compiler.program.model import ColdLevel, Given, ImageLevel, Schedule
from bkpc_compiler.timetable.calendar import Rhythm
from bkpc_compiler.timetable.placement import timetable_of
from bkpc_compiler.timetable.requests import Request, Slot, at_database
from bkpc_compiler.timetable.spread import Turn, spread
from bkpc_grammar.quantities import Duration, Rate, Size

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.images import ImageCopy
    from bkpc_compiler.feasibility.recovery_point import Line
    from bkpc_compiler.feasibility.thaw import Copies


PASSES = 16
"""So many times as fast as what changed is found on average it is moved, where there is room."""
LEAST_SHARE = Fraction(1, 1024)
WHOLE = Fraction(1)


class JobDemand(Struct, frozen=True):
    """One scheduled job: one image of `database` moved to `store`, in `slot` after each release.

    `slot` None: it fits nowhere, and nothing bounds when it is done. `source`: the store a copy reads. `thaw`: what the
    image in it takes to thaw. `queue`: milliseconds that it waits behind the thaw quota; None: nothing bounds them.
    `behind`: bytes at most of the incremental images that a copy moves behind a full one. `changes`: what an
    incremental one holds of each time; None: all that there is. `swift`: milliseconds that its slot may last if what is
    promised of its image is to be kept; None: nothing is that depends on it. `server`: of whose images one is taken at
    a time. `whole`: what an incremental one reads at its database to find what changed; None: no more than it moves.
    `others`: what all copies that thaw ask for, where others do; None: they do not.
    `left_out`: so many incremental images in a row at most, for full ones; None: nothing bounds how many. `presumed`:
    so many are counted in what one holds.
    `beside`: milliseconds that it takes beside its bytes, to start, for its tables, and for requests for its `objects`.
    """

    id: str
    database: str
    level: ImageLevel | ColdLevel
    source: str | None
    store: str
    size: Given[Size]
    resources: tuple[Resource, ...]
    rhythm: Rhythm
    limit: Given[Rate] | None
    slot: Slot | None = None
    thaw: Given[Duration] | None = None
    queue: int | None = 0
    others: Asked | None = None
    behind: int = 0
    changes: Given[Rate] | None = None
    swift: int | None = None
    server: str = ""
    left_out: int | None = 0
    presumed: int = 0
    whole: Given[Size] | None = None
    beside: int = 0
    objects: JobObjects | None = None

    def __hash__(self) -> int:
        """Of what tells it from others: of all its figures it takes longer than what is looked up."""
        return hash((self.id, self.store))

    @property
    def incremental(self) -> bool:
        return isinstance(self.level, ImageLevel) and self.level.kind == "incremental"

    @property
    def begins_chains(self) -> bool:
        """Whether incremental images go on from what it takes."""
        return isinstance(self.level, ImageLevel) and self.level.kind == "full" and self.level.engine == "physical"

    @property
    def of_its_end(self) -> bool:
        """Whether its image is of an instant that may be the last of the job: the engine that copies files notes its
        position when all are there. A logical one begins with its snapshot."""
        return isinstance(self.level, ImageLevel) and self.level.engine == "physical"

    @property
    def lead(self) -> int:
        """Milliseconds between its choice of an image and its first byte."""
        if self.thaw is None:
            return self.queue or 0
        asked = self.objects.asked if self.objects else 0
        return self.thaw.value.milliseconds_up() + (self.queue or 0) + asked + self.behind_others

    @property
    def behind_others(self) -> int:
        """Milliseconds that what other copies ask to thaw holds up what it asks."""
        return self.others.others(self.objects.count if self.objects else 0) if self.others else 0

    @property
    def begins(self) -> int:
        """Milliseconds after its release at which it chooses an image; of one that has a slot."""
        assert self.slot is not None
        return self.slot.offset - self.lead

    @property
    def bytes(self) -> Size:
        return Size(self.size.value.amount + self.behind) if self.behind else self.size.value

    @property
    def read(self) -> Size:
        """Bytes that it reads where it begins: to find what changed, the tool reads every page."""
        return Size(Fraction(self.whole.value.bytes_up())) if self.whole else self.bytes

    @property
    def reads_longest(self) -> bool:
        """Whether its slot is for the most part what it takes to read what it does not move."""
        slot = self.slot
        if slot is None or not slot.reads:
            return False
        return (self.read.amount - self.bytes.amount) * slot.rate > self.bytes.amount * slot.reads

    def through(self, resource: Resource) -> Size:
        """Bytes that it asks of a resource on its way."""
        return self.read if at_database(resource.name) else self.bytes

    @property
    def least(self) -> Size:
        """Bytes that it moves whatever has changed: of incremental images none."""
        return Size(Fraction(0)) if self.incremental or self.behind else self.size.value

    @property
    def schedule(self) -> Schedule:
        return self.level.schedule

    @property
    def window(self) -> Duration:
        """Declared time after the release; the period where none is."""
        return self.schedule.window.value if self.schedule.window else self.schedule.period

    @property
    def lasting(self) -> Fraction:
        """Seconds of its window at least: it must be done before it is released again."""
        return min(self.window.amount, Fraction(self.rhythm.least, 1000))

    @property
    def late(self) -> bool:
        """Whether it is not proved to be done within its window."""
        return self.slot is None or self.slot.end > self.window.milliseconds_up()

    @property
    def timely(self) -> bool:
        """Whether its slot lies within its window: what is done later no proof may count on."""
        return self.slot is not None and not self.late

    @property
    def hopeless(self) -> bool:
        """Whether it has no slot, and would not be done in its window though its way carried nothing else."""
        if self.slot is not None:
            return False
        takes = transfer_at_best(self.resources, self.least)
        return takes + (self.thaw.value.amount if self.thaw else 0) > self.window.amount

    @property
    def limited(self) -> bool:
        """Whether its flow limit alone keeps it from its window."""
        return self.limit is not None and self.bytes.amount > self.limit.value.amount * self.lasting

    @property
    def rate(self) -> int:
        """Reserved bytes per second; 0 where nothing is."""
        return self.slot.rate if self.slot else 0


@dataclass(frozen=True)
class Demand:
    """Everything that is asked, after settling. `peaks`: the most reserved at any instant, by resource.

    `queued`: ids of jobs that are late only since of their server one image is taken at a time.
    """

    jobs: tuple[JobDemand, ...]
    streams: tuple[StreamDemand, ...]
    shortages: tuple[Shortage, ...]
    peaks: Mapping[str, int]
    queued: frozenset[str] = frozenset()
    images: dict[str, tuple[ImageCopy, ...]] = field(default_factory=dict)
    lines: dict[tuple[str, ...], tuple[Line, ...]] = field(default_factory=dict)
    thawing: list[Copies] = field(default_factory=list)

    @once
    def flows(self) -> tuple[JobDemand | StreamDemand, ...]:
        """Jobs, then streams."""
        return (*self.jobs, *self.streams)

    @once
    def hopeless(self) -> frozenset[str]:
        """Databases of which some job is done by no plan."""
        return frozenset(job.database for job in self.jobs if job.hopeless)

    @once
    def jobs_by_database(self) -> Mapping[str, Sequence[JobDemand]]:
        found: dict[str, list[JobDemand]] = {}
        for job in self.jobs:
            found.setdefault(job.database, []).append(job)
        return found

    @once
    def streams_by_database(self) -> Mapping[str, Sequence[StreamDemand]]:
        found: dict[str, list[StreamDemand]] = {}
        for stream in self.streams:
            found.setdefault(stream.database, []).append(stream)
        return found


def settle(
    jobs: Sequence[JobDemand],
    streams: Sequence[StreamDemand],
    headroom: Fraction,
    retries: Fraction,
    turning: frozenset[str] = frozenset(),
) -> Demand:
    """Streams first, then jobs in their windows, then in their periods; what fits nowhere has no bound.

    `turning`: databases whose full images come best at different times.
    """
    resources = {one.name: one for job in jobs for one in job.resources}
    resources |= {one.name: one for stream in streams for one in stream.resources}
    usable = {name: int(room) for name, one in resources.items() if (room := derated(one, headroom)) is not None}
    fitted = _fitted(streams, usable)
    steady: dict[str, int] = {}
    for stream in fitted:
        for one in stream.resources:
            if one.name in usable and stream.fits:
                steady[one.name] = steady.get(one.name, 0) + stream.rate
    shared = shared_servers(jobs)
    requests = [_request(job, usable, retries, shared) for job in jobs if job.queue is not None]
    requests = _taking_turns(jobs, requests, turning, usable)
    table = timetable_of(requests, usable, steady)
    settled = with_left_out([replace(job, slot=table.slots.get(job.id)) for job in jobs])
    late = [job for job in settled if job.late and not job.limited]
    queued = _for_servers(late, requests, usable, steady) if shared and late else frozenset()
    short = shortages_of(settled, fitted, resources, usable, queued)
    return Demand(tuple(settled), fitted, short, table.peaks, queued)


def _for_servers(
    late: Iterable[JobDemand], requests: Iterable[Request], usable: Mapping[str, int], steady: Mapping[str, int]
) -> frozenset[str]:
    """The ids of late jobs that would be in time if of one server several images could be taken at once."""
    alone = [replace(one, server=None) for one in requests]
    slots = timetable_of(alone, usable, steady).slots
    found = (replace(job, slot=slots.get(job.id)) for job in late)
    return frozenset(job.id for job in found if not job.late)


def effort_of(job: JobDemand, retries: Fraction) -> int:
    """Bytes that the slot of `job` must be able to move: its own, and what failed attempts cost."""
    return _with_attempts(job.bytes.amount, retries)


def sought_of(job: JobDemand, retries: Fraction) -> int:
    """Bytes that it must be able to read beside these, which it does not move."""
    return _with_attempts(max(Fraction(0), job.read.amount - job.bytes.amount), retries) if job.whole else 0


def _with_attempts(size: Fraction, retries: Fraction) -> int:
    more, whole = retries.as_integer_ratio()
    bytes_, parts = size.as_integer_ratio()
    return -(-bytes_ * (whole + more) // (parts * whole))


def _share(job: JobDemand) -> Fraction:
    """What it reserves of links and stores at most, of the rate at which it reads: what changed passes them in a
    sixteenth of the time that reading takes."""
    if job.whole is None or not job.read.amount:
        return WHOLE
    return min(Fraction(1), max(job.bytes.amount * PASSES / job.read.amount, LEAST_SHARE))


def _request(job: JobDemand, usable: Mapping[str, int], retries: Fraction, shared: Collection[str]) -> Request:
    reads_more = any(at_database(one.name) and one.name in usable for one in job.resources)
    return Request(
        id=job.id,
        rhythm=job.rhythm,
        window=job.window.milliseconds_down(),
        effort=effort_of(job, retries),
        beside=tried_again(job.beside, retries),
        resources=tuple(sorted({one.name for one in job.resources if one.name in usable})),
        ceiling=max(1, int(job.limit.value.amount)) if job.limit else None,
        lead=job.lead,
        swift=job.swift,
        server=job.server if job.server in shared and not job.source else None,
        incremental=job.incremental,
        sought=sought_of(job, retries) if reads_more else 0,
        share=_share(job),
    )


def _taking_turns(
    jobs: Sequence[JobDemand], requests: Sequence[Request], turning: frozenset[str], usable: Mapping[str, int]
) -> list[Request]:
    """The requests; those for full images of `turning` databases with the start that suits them all best.

    What is copied stays as early as can be: its copies come after it.
    """
    by_id = {one.id: one for one in requests}
    groups: dict[str, list[JobDemand]] = {}
    copied = {(job.database, job.source) for job in jobs if job.source}
    for job in jobs:
        if job.database in turning and not job.source and job.id in by_id:
            groups.setdefault(job.database, []).append(job)
    for group in groups.values():
        if len(group) < 2 or not all(job.rhythm.fixed and not job.incremental for job in group):
            continue
        turns = tuple(_turn(by_id[job.id], (job.database, job.store) in copied, usable) for job in group)
        for job, wish in zip(group, spread(turns) or (), strict=False):
            by_id[job.id] = replace(by_id[job.id], wish=wish)
    return [by_id[one.id] for one in requests]


def _turn(request: Request, copied: bool, usable: Mapping[str, int]) -> Turn:
    """Where it may start: it takes a sixteenth of its window, or more where its way is narrow."""
    window = min(request.window, request.rhythm.least)
    narrow = min((usable[name] for name in request.resources), default=0)
    sixteenth = max(1, window // 16)
    takes = request.beside
    takes += -(-request.effort * 4000 // narrow) if narrow else 0  # a quarter of its way comes first
    latest = request.lead if copied else max(request.lead, window - -(-takes // sixteenth) * sixteenth)
    return Turn(request.rhythm.period, request.rhythm.phase, request.lead, latest)


def _fitted(streams: Sequence[StreamDemand], usable: Mapping[str, int]) -> tuple[StreamDemand, ...]:
    """Streams at the rates that their promises ask for, a quarter more than is written at least; where those drown a
    resource, without that quarter; where that does, at no more than that quarter."""
    fitted = _lowered(streams, usable, lambda one: one.rate if one.enough is None else one.enough)
    if fitted is streams:
        return tuple(streams)
    fitted = _lowered(fitted, usable, lambda one: min(one.rate, one.least))
    drowned = _drowned(fitted, usable)
    return tuple(replace(one, fits=False) if any(r.name in drowned for r in one.resources) else one for one in fitted)


def _lowered(
    streams: Sequence[StreamDemand], usable: Mapping[str, int], rate: Callable[[StreamDemand], int]
) -> Sequence[StreamDemand]:
    """Those through a resource that is drowned at another rate."""
    drowned = _drowned(streams, usable)
    if not drowned:
        return streams
    return [replace(one, rate=rate(one)) if any(r.name in drowned for r in one.resources) else one for one in streams]


def _drowned(streams: Iterable[StreamDemand], usable: Mapping[str, int]) -> set[str]:
    total: dict[str, int] = {}
    for stream in streams:
        for one in stream.resources:
            total[one.name] = total.get(one.name, 0) + stream.rate
    return {name for name, asked in total.items() if name in usable and asked > usable[name]}
