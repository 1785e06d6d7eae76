"""Whether what is reserved at one time ever passes what may be used."""

from __future__ import annotations

from collections.abc import Iterable

from bkpc_compiler.program.model import Scope
from bkpc_grammar.plan import Job, Plan, Recovery, Stream
from tests.soundness.course import Course, Fault
from tests.soundness.releases import releases, windows
from tests.soundness.topology import Failure


class Load:
    """What jobs and streams hold on each resource."""

    def __init__(self, plan: Plan, year: int) -> None:
        self.plan, self.year = plan, year
        self.usable = {one.name: one.usable for one in plan.resources}
        self.jobs: dict[str, list[tuple[Job, int]]] = {}
        self.streams: dict[str, list[tuple[Stream, int]]] = {}
        for job in plan.jobs:
            for one in job.reserve:
                self.jobs.setdefault(one.resource, []).append((job, one.rate))
        for stream in plan.streams:
            for one in stream.reserve:
                self.streams.setdefault(one.resource, []).append((stream, one.rate))
        self._peaks: dict[tuple[str, frozenset[str]], int] = {}

    def most(self, resource: str, stopped: frozenset[str]) -> int:
        """No more than this is held at once: everything together."""
        held = [rate for job, rate in self.jobs.get(resource, ()) if job.id not in stopped]
        return sum(held) + self.streaming(resource, stopped)

    def streaming(self, resource: str, stopped: frozenset[str]) -> int:
        return sum(rate for stream, rate in self.streams.get(resource, ()) if stream.id not in stopped)

    def peak(self, resource: str, stopped: frozenset[str] = frozenset()) -> int:
        """The most that is held at one instant, with some jobs and streams `stopped`."""
        key = (resource, stopped & {job.id for job, _ in self.jobs.get(resource, ())})
        if key not in self._peaks:
            jobs = [(job, rate) for job, rate in self.jobs.get(resource, ()) if job.id not in stopped]
            self._peaks[key] = most_at_once(jobs, self.year)
        return self._peaks[key] + self.streaming(resource, stopped)

    def fits(self, resource: str, more: int = 0, stopped: frozenset[str] = frozenset()) -> bool:
        usable = self.usable.get(resource, 0)
        return self.most(resource, stopped) + more <= usable or self.peak(resource, stopped) + more <= usable

    def faults(self) -> Iterable[Fault]:
        """Resources on which jobs and streams hold too much at some instant."""
        for name in sorted({*self.jobs, *self.streams}):
            if not self.fits(name):
                text = f"{name}: {self.peak(name)} B/s reserved at once, {self.usable.get(name)} usable"
                yield Fault("capacity", self._users(name), text)

    def crowded(self, servers: Iterable[frozenset[str]]) -> Iterable[Fault]:
        """Servers of which two images are to be taken at once: the second begins when the first is done. Incremental
        ones are left out for full ones, and for no other. `servers`: the databases at each."""
        for databases in servers:
            for kind in ("backup.full", "backup.incremental"):
                images = [(job, 1) for job in self.plan.jobs if job.database in databases and job.kind == kind]
                if len(images) > 1 and most_at_once(images, self.year) > 1:
                    ids = ", ".join(sorted(job.id for job, _ in images))
                    yield Fault("server", databases, f"{ids} of one server are to be taken at once")

    def _users(self, resource: str) -> frozenset[str]:
        jobs = {job.database for job, _ in self.jobs.get(resource, ())}
        return frozenset(jobs | {stream.database for stream, _ in self.streams.get(resource, ())})

    def stopped_by(self, failure: Failure, back: frozenset[str] = frozenset()) -> frozenset[str]:
        """The jobs and streams that move nothing after a failure: of databases down, or of lost stores alone. Those of
        databases that are `back` go on."""
        down = failure.databases - back
        jobs = {
            one.id
            for one in self.plan.jobs
            if one.database in down
            or one.source_store in failure.stores
            or (one.stores and failure.stores.issuperset(one.stores))
        }
        streams = {
            one.id
            for one in self.plan.streams
            if one.database in failure.databases or failure.stores.issuperset(one.stores)
        }
        return frozenset(jobs | streams)

    def faults_in(self, recovery: Recovery, failure: Failure, course: Course) -> Iterable[Fault]:
        """Resources on which a recovery and what goes on beside it hold too much, for a failure at some instant.

        The failure may come at any instant, so the recovery's worst moment meets the worst of the rest. Databases that
        are back where they were stream and dump again, while others are on their way.
        """
        spans: dict[str, list[tuple[float, float, int]]] = {}
        for step in recovery.steps:
            until = step.start_ms + max(float(step.expect_ms), round(course.takes.get(step.id, 0.0), 3))
            for one in step.reserve:
                spans.setdefault(one.resource, []).append((step.start_ms, until, one.rate))
        moments = [0.0]
        if failure.scope in {Scope.HOST, Scope.INTRUDER}:
            moments += sorted(course.own.values())[:-1]
        for moment in moments:
            back = frozenset(name for name, done in course.own.items() if done <= moment and moment)
            stopped = self.stopped_by(failure, back)
            for name, found in sorted(spans.items()):
                left = [one for one in found if one[1] > moment]
                if left and not self.fits(name, _highest(left), stopped):
                    text = (
                        f"{name}: {_highest(left)} B/s to recover from {recovery.scope} of {recovery.lost} and "
                        f"{self.peak(name, stopped)} beside it, {self.usable.get(name)} usable"
                    )
                    yield Fault("capacity", failure.databases, text, recovery.scope)
                    yield Fault("capacity", self._users(name) - failure.databases, text)


def most_at_once(jobs: list[tuple[Job, int]], year: int) -> int:
    """The most that jobs hold together while in their slots."""
    if not jobs:
        return 0
    before = max(job.schedule.offset_ms + job.schedule.slot_ms for job, _ in jobs)
    most = 0
    for window in windows([job.schedule for job, _ in jobs], year):
        spans: list[tuple[float, float, int]] = []
        for job, rate in jobs:
            for release in releases(job.schedule, window.start - before, window.end):
                start = release + job.schedule.offset_ms
                spans.append((start, start + job.schedule.slot_ms, rate))
        most = max(most, _highest(spans))
    return most


def _highest(spans: list[tuple[float, float, int]]) -> int:
    """The highest sum of rates; a span that ends as another starts does not meet it."""
    edges = [(start, rate) for start, end, rate in spans if end > start]
    edges += [(end, -rate) for start, end, rate in spans if end > start]
    edges.sort()
    most = held = 0
    for _, change in edges:
        held += change
        most = max(most, held)
    return most
