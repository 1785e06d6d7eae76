"""A world that does what the plan says, no better: what is lost and how long recovery takes, at the worst.

Shares no code with the compiler's bounds and planner: it reads the program for what is true of the world (sizes,
writes, what a failure takes) and the plan for what is done (offsets, slots, reservations, recovery steps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf
from random import Random

from bkpc_compiler.program.model import Program, Promise, Scope
from bkpc_grammar.plan import Job, Plan, Recovery, Stream
from tests.soundness import images, log_stream
from tests.soundness.capacity import Fault, Load
from tests.soundness.images import Shelf, Stretch
from tests.soundness.recovery import Line, Rehearsal, line_of
from tests.soundness.releases import Window, windows
from tests.soundness.topology import Failure, Topology, thaw_seconds

Promised = tuple[str, Scope, str]
"""(database, scope, "rpo" or "rto")."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Seconds per promised objective: the worst, and what was not passed in the promised share of instants."""

    worst: dict[Promised, float]
    held: dict[Promised, float]
    faults: tuple[Fault, ...]


class Household:
    """The images and the log of one database under the plan."""

    def __init__(self, topology: Topology, plan: Plan, name: str, random: Random, year: int) -> None:
        self.topology, self.name, self.random, self.year = topology, name, random, year
        self.database = topology.databases[name]
        self.size = float(self.database.size.value.bytes)
        self.jobs = [job for job in plan.jobs if job.database == name and job.kind in {"backup.full", "copy"}]
        self.streams = {store: one for one in plan.streams if one.database == name for store in one.stores}
        self._lost_log: dict[str, float] = {}

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        return windows([job.schedule for job in self.jobs], self.year) if self.jobs else ()

    @cached_property
    def shelves(self) -> list[tuple[Window, dict[str, Shelf]]]:
        """Every window with all runs at their slowest."""
        return [(one, images.shelves(self.jobs, one, images.slowest(self.size))) for one in self.windows]

    @cached_property
    def chance(self) -> tuple[Window, dict[str, Shelf]]:
        """One window with runs that take what they take: it must be no worse."""
        chosen = self.random.choice(self.windows)
        return chosen, images.shelves(self.jobs, chosen, images.any_speed(self.size, self.random))

    def ages(self, line: Line) -> list[Stretch]:
        """The age of the newest image in its stores over all windows, in ms."""
        return [
            one
            for window, found in self.shelves
            for one in images.staleness(images.together(found, line.images), window)
        ]

    def age_once_reached(self, line: Line, behind: float, share: float) -> float:
        """The age of the newest image that others, whose logs are `behind` ms late, have reached; for `share`."""
        found: list[Stretch] = []
        for window, shelves in (*self.shelves, self.chance) if share >= 1 else self.shelves:
            shelf = images.together(shelves, line.images)
            if shelf is not None:
                pairs = zip(shelf.usable, shelf.snapshots, strict=True)
                shelf = Shelf([max(at, ceil(snapshot + behind)) for at, snapshot in pairs], shelf.snapshots)
            found += images.staleness(shelf, window)
        return images.quantile(found, share)

    def oldest(self, line: Line) -> float:
        """The worst age of the newest image, in ms."""
        if not self.jobs:
            return inf
        window, found = self.chance
        by_chance = images.staleness(images.together(found, line.images), window)
        return max(one.worst for one in (*self.ages(line), *by_chance))

    def pipe(self, store: str) -> log_stream.Pipe:
        """The stream into one store as reserved."""
        stream = self.streams[store]
        return log_stream.Pipe(
            float(stream.rates[stream.stores.index(store)]) or 1e-9,
            self.topology.latency(self.database.site, self.topology.stores[store].site),
            stream.flush_ms / 1000,
            float(self.database.writes.value.bytes_per_second),
            float(self.database.burst.value.bytes),
        )

    def lost_log(self, store: str) -> float:
        """The worst loss of the log in a store, in ms."""
        if store not in self.streams:
            return inf
        if store not in self._lost_log:
            self._lost_log[store] = log_stream.worst_of_all(self.pipe(store), self.random) * 1000
        return self._lost_log[store]

    def losses(self, line: Line) -> list[Stretch]:
        """The loss over time on a line, by the adversary that is worst on average."""
        if line.log is None or line.log not in self.streams:
            return self.ages(line)
        pipe = self.pipe(line.log)
        tries = (log_stream.steady, log_stream.after_silence(pipe), log_stream.before_the_cut(pipe))
        found = [log_stream.over_time(pipe, adversary, 24) for adversary in tries]
        return max(found, key=lambda one: images.quantile(one, 0.9))

    def loss(self, line: Line, share: float) -> float:
        """The loss that is not passed in `share` of all instants, in ms; 1: the worst."""
        if self.oldest(line) == inf:
            return inf
        if share < 1:
            return images.quantile(self.losses(line), share)
        return self.oldest(line) if line.log is None else self.lost_log(line.log)


class World:
    """One program under one plan."""

    def __init__(self, program: Program, plan: Plan, random: Random) -> None:
        self.plan, self.random = plan, random
        self.topology = Topology(program)
        self.year = random.randrange(2002, 2030)
        self.load = Load(plan, self.year)
        self.households = {
            one.name: Household(self.topology, plan, one.name, random, self.year) for one in program.databases
        }
        self.recoveries = {
            (one.scope, name): one for one in plan.recoveries for name in one.down if name in one.databases
        }

    def line(self, database: str, failure: Failure, hit: str) -> Line | None:
        """The line the plan takes when `hit` is lost; where it plans no recovery, the one that loses least."""
        recovery = self.recoveries.get((failure.scope.value, hit))
        planned = line_of(recovery, database) if recovery else None
        if planned:
            return planned
        household = self.households[database]
        left = [name for name in sorted(self.topology.stores) if name not in failure.stores]
        lines = [Line(name, None) for name in left] + [
            Line(name, log) for name in left for log in left if log in household.streams
        ]
        lines += [Line(left[0], None, tuple(left[1:]))] if left else []
        return min(lines, key=lambda one: household.loss(one, 1), default=None)

    def loss(self, database: str, promise: Promise, share: float) -> float:
        """Seconds of data lost, or endless where nothing is left to recover from."""
        failure = self.topology.failure(promise.scope, database)
        group = sorted(self.topology.group(database))
        lines = {name: self.line(name, failure, database) for name in group}
        known = {name: line for name, line in lines.items() if line and not {*line.images, line.log} & failure.stores}
        if len(known) < len(lines):
            return inf
        lost = self._point_in_common(known, share)
        if promise.scope is Scope.CORRUPTION and any(
            self._forgotten(database, name, line, lost) for name, line in known.items()
        ):
            return inf
        return lost / 1000

    def _point_in_common(self, lines: dict[str, Line], share: float) -> float:
        """How old the newest point is that all have, in ms: of images, two are never of one instant."""
        losses = {name: self.households[name].loss(line, share) for name, line in lines.items()}
        imaged = [name for name, line in lines.items() if line.log is None]
        if len(lines) == 1 or not imaged or inf in losses.values():
            return max(losses.values())
        if len(imaged) > 1:
            return inf
        behind = max(self.households[name].loss(line, 1) for name, line in lines.items() if line.log is not None)
        (name,) = imaged
        return self.households[name].age_once_reached(lines[name], behind, share)

    def _forgotten(self, hit: str, database: str, line: Line, lost: float) -> bool:
        """Whether what leads to the point before the damage of `hit` may have expired by the time that is noticed."""
        policy = self.topology.policies[hit]
        kept = [one.keep_ms for one in self.plan.retention if one.database == database and one.store in line.images]
        noticed = float(policy.detect.value.seconds) * 1000 if policy.detect else 0.0
        if line.log is not None and len(self.topology.group(hit)) > 1:
            lost += self.households[database].oldest(line)  # an image from before that point
        return any(one is not None and lost + noticed > one for one in kept)

    def time(self, database: str, promise: Promise, share: float) -> float:
        """Seconds until it is in service again."""
        failure = self.topology.failure(promise.scope, database)
        recovery = self.recoveries.get((failure.scope.value, database))
        if recovery is None:
            return inf
        rehearsal = Rehearsal(self.topology, recovery, failure)
        course = rehearsal.run(self.worst_ages(recovery))
        if share >= 1:
            return course.in_service(database, self.topology, failure) / 1000
        return self._usual_time(database, rehearsal, share)

    def worst_ages(self, recovery: Recovery) -> dict[str, float]:
        """For each database the worst age of the image that the recovery takes."""
        lines = {name: line_of(recovery, name) for name in recovery.databases}
        return {name: self.households[name].oldest(line) for name, line in lines.items() if line}

    def _usual_time(self, database: str, rehearsal: Rehearsal, share: float) -> float:
        """The time to recover that is not passed in `share` of instants: it never falls as the image's age grows."""
        line = line_of(rehearsal.recovery, database)
        if line is None:
            return inf
        usual = images.quantile(self.households[database].ages(line), share)
        alone = len(rehearsal.recovery.databases) == 1
        course = rehearsal.run(self.worst_ages(rehearsal.recovery) | {database: usual}, waits=not alone)
        return course.in_service(database, self.topology, rehearsal.failure) / 1000

    def faults(self) -> Iterator[Fault]:
        """All that makes the plan impossible to carry out."""
        yield from self.load.faults()
        for job in self.plan.jobs:
            yield from self._faults_of_job(job)
        for stream in self.plan.streams:
            yield from self._faults_of_stream(stream)
        for recovery in (one for one in self.plan.recoveries if one.databases):
            failure = self.topology.failure(Scope(recovery.scope), recovery.down[0])
            rehearsal = Rehearsal(self.topology, recovery, failure)
            yield from rehearsal.shortcomings()
            course = rehearsal.run(self.worst_ages(recovery))
            yield from course.faults
            yield from self.load.faults_in(recovery, failure, course.takes)

    def _faults_of_job(self, job: Job) -> Iterator[Fault]:
        if job.kind not in {"backup.full", "copy"}:
            return
        household, at = self.households[job.database], job.schedule
        longest = images.slowest(household.size)(job)[0]
        source = self.topology.stores[job.source_store].site if job.source_store else household.database.site
        whose = frozenset((job.database,))
        if longest > at.slot_ms:
            yield Fault("slot", whose, f"{job.id} takes {longest} ms, its slot is {at.slot_ms} ms")
        if at.offset_ms + at.slot_ms > at.window_ms:
            yield Fault("window", whose, f"{job.id} is done {at.offset_ms + at.slot_ms} ms after its release")
        thaw = thaw_seconds(self.topology.stores[job.source_store]) * 1000 if job.source_store else 0.0
        if job.thaw_ms < thaw or job.schedule.offset_ms < job.thaw_ms:
            yield Fault("slot", whose, f"{job.id} reads what takes {thaw:.0f} ms to thaw")
        reads = {f"store:{job.source_store}:reads"} if self._reads(job.source_store) else set()
        yield from self._unreserved(job.id, whose, source, job.stores, {one.resource for one in job.reserve}, reads)

    def _reads(self, store: str | None) -> bool:
        return store is not None and self.topology.stores[store].reads is not None

    def _faults_of_stream(self, stream: Stream) -> Iterator[Fault]:
        site = self.topology.databases[stream.database].site
        reserved = {one.resource for one in stream.reserve}
        yield from self._unreserved(stream.id, frozenset((stream.database,)), site, stream.stores, reserved, set())

    def _unreserved(
        self, what: str, whose: frozenset[str], site: str, stores: tuple[str, ...], reserved: set[str], reads: set[str]
    ) -> Iterator[Fault]:
        """What a flow crosses and has nothing reserved on."""
        wanted = set(reads)
        for name in stores:
            store = self.topology.stores[name]
            way = self.topology.route(site, store.site)
            if way is None:
                yield Fault("way", whose, f"{what}: no way to {name}")
            wanted |= {f"link:{one.name}" for one in way or ()}
            wanted |= {f"store:{name}:writes"} if store.writes else set()
        for name in sorted(wanted - reserved):
            yield Fault("way", whose, f"{what}: nothing reserved on {name}")


def simulate(program: Program, plan: Plan, random: Random) -> Observed:
    """Everything promised, as it turns out at the worst when the plan is carried out."""
    world = World(program, plan, random)
    worst: dict[Promised, float] = {}
    held: dict[Promised, float] = {}
    for protection in program.protections:
        name = protection.database
        for promise in protection.policy.promises:
            if promise.rpo is not None:
                worst[name, promise.scope, "rpo"] = found = world.loss(name, promise, 1)
                usual = float(promise.rpo_quantile)
                held[name, promise.scope, "rpo"] = world.loss(name, promise, usual) if usual < 1 else found
            if promise.rto is not None:
                worst[name, promise.scope, "rto"] = found = world.time(name, promise, 1)
                usual = float(promise.rto_quantile)
                held[name, promise.scope, "rto"] = world.time(name, promise, usual) if usual < 1 else found
    return Observed(worst, held, tuple(world.faults()))
