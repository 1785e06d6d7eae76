"""A world that does what the plan says, no better: what is lost and how long recovery takes, at the worst.

Shares no code with the compiler's bounds and planner: it reads the program for what is true of the world (sizes,
writes, what a failure takes) and the plan for what is done (offsets, slots, reservations, recovery steps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from random import Random

from bkpc_compiler.program.model import Program, Promise, Scope
from bkpc_grammar.plan import Job, Plan, Recovery, Stream
from tests.soundness import images, log_stream
from tests.soundness.capacity import Load
from tests.soundness.course import Fault
from tests.soundness.household import Household
from tests.soundness.recovery import Line, Rehearsal, acts_at, line_of, stores_read
from tests.soundness.thawing import Ask, Thawing, all_asked
from tests.soundness.topology import Failure, Topology, thaw_seconds

Promised = tuple[str, Scope, str]
"""(database, scope, "rpo" or "rto")."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Seconds per promised objective: the worst, and what was not passed in the promised share of instants."""

    worst: dict[Promised, float]
    held: dict[Promised, float]
    faults: tuple[Fault, ...]


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
        moves = {job.id: self.households[job.database].moves(job) for job in plan.jobs if job.kind == "copy"}
        thawed = [job for job in plan.jobs if job.kind == "copy" and self._thaws(job)]
        alone = {job.id: self.households[job.database].asking(job) for job in thawed}
        self.asking = all_asked(thawed, alone)
        self.thawing = Thawing(self.topology, plan, moves, random, self.asking)
        self.recoveries = {(one.scope, name): one for one in plan.recoveries for name in one.down if one.databases}

    def _thaws(self, job: Job) -> bool:
        return bool(job.source_store and thaw_seconds(self.topology.stores[job.source_store]))

    def line(self, database: str, failure: Failure, hit: str) -> Line | None:
        """The line the plan takes when `hit` is lost; where it plans no recovery, the one that loses least."""
        recovery = self.recoveries.get((failure.scope.value, hit))
        planned = line_of(recovery, database) if recovery else None
        if recovery and planned:
            logs = [one for one in recovery.steps if one.database == database and one.kind == "restore.log"]
            for one in logs:
                read = stores_read(self.topology, recovery, one, failure)
                if read == self.topology.having_all(database, one.store or "", failure):
                    return replace(planned, synced=read)
            return planned
        household = self.households[database]
        left = [name for name in sorted(self.topology.stores) if name not in failure.gone(database)]
        lines = [Line(name, None) for name in left] + [
            Line(name, log, self.topology.having_all(database, log, failure))
            for name in left
            for log in left
            if log in household.streams
        ]
        lines += [Line(left[0], None, (), tuple(left[1:]))] if left else []
        return min(lines, key=lambda one: household.loss(one, 1), default=None)

    def loss(self, database: str, promise: Promise, share: float) -> float:
        """Seconds of data lost, or endless where nothing is left to recover from."""
        failure = self.topology.failure(promise.scope, database)
        group = sorted(self.topology.group(database))
        lines = {name: self.line(name, failure, database) for name in group}
        known = {
            name: line for name, line in lines.items() if line and not {*line.images, line.log} & failure.gone(name)
        }
        if len(known) < len(lines):
            return inf
        lost = self._point_in_common(known, share)
        if any(self._forgotten(database, name, line, lost, failure) for name, line in known.items()):
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
        logged = {name: line for name, line in lines.items() if line.log is not None}
        behind = max(self.households[name].loss(line, 1) for name, line in logged.items())
        (name,) = imaged
        return self.households[name].age_once_reached(lines[name], behind, share)

    def _forgotten(self, hit: str, database: str, line: Line, lost: float, failure: Failure) -> bool:
        """Whether what leads to the point that a recovery of `hit` goes back to may be gone by the time it is read:
        expired, where the database is up and its agent goes on; or no longer locked, where somebody deletes."""
        kept = [one for one in self.plan.retention if one.database == database and one.store in line.images]
        begins, ends = self._reading(hit, database, failure)
        oldest = lost
        if line.log is not None and len(self.topology.group(hit)) > 1:
            oldest += self.households[database].oldest(line)  # an image from before that point
        goes_on = failure.scope in {Scope.CORRUPTION, Scope.INTRUDER} or database in failure.along
        if goes_on and any(one.keep_ms is not None and oldest + begins > one.keep_ms for one in kept):
            return True
        if failure.scope is not Scope.INTRUDER:
            return False
        if line.log is not None and len(self.topology.group(hit)) == 1:
            oldest = self.households[database].oldest(line)
        oldest += self.households[database].older(line.image)
        return any(one.lock_ms is None or oldest + ends > one.lock_ms for one in kept)

    def _reading(self, hit: str, database: str, failure: Failure) -> tuple[float, float]:
        """Milliseconds after a failure at which the plan has the first byte of a database read, and the last; where it
        plans no recovery, when somebody acts."""
        recovery = self.recoveries.get((failure.scope.value, hit))
        moves = [one for one in recovery.steps if one.database == database and one.store] if recovery else []
        moves = [one for one in moves if one.kind.startswith("restore.")]
        if moves:
            return min(one.start_ms for one in moves), max(one.start_ms + one.expect_ms for one in moves)
        policy = self.topology.policies[hit]
        noticed = sum(float(one.value.seconds) * 1000 for one in (policy.detect, policy.activate) if one)
        return noticed, noticed

    def time(self, database: str, promise: Promise, share: float) -> float:
        """Seconds until it is in service again."""
        failure = self.topology.failure(promise.scope, database)
        recovery = self.recoveries.get((failure.scope.value, database))
        if recovery is None:
            return inf
        rehearsal = self.rehearsal(recovery, failure)
        course = rehearsal.run(self.worst_ages(recovery))
        if share >= 1:
            return course.in_service(database, self.topology, failure) / 1000
        return self._usual_time(database, rehearsal, share)

    def image(self, database: str, store: str) -> float:
        """Bytes that are read of it in a store."""
        return self.households[database].image(store)

    def rehearsal(self, recovery: Recovery, failure: Failure) -> Rehearsal:
        """A recovery of the plan, with what it reads and waits for."""
        asked = self._asked(recovery) if self.thawing.quotas else {}

        def queue(database: str, store: str) -> float:
            name = self.thawing.limited(store)
            return float(self.thawing.behind(name, asked[name], f"{database} {store}")) if name else 0.0

        def prepare(database: str, store: str) -> float:
            return self.households[database].starting() + self.households[database].preparing(store)

        def turns(database: str, store: str) -> float:
            return self.households[database].turns(store)

        def objects(database: str, store: str) -> float:
            return self.households[database].objects(store)

        return Rehearsal(self.topology, recovery, failure, self.image, queue, prepare, turns, objects)

    def _asked(self, recovery: Recovery) -> dict[str, list[Ask]]:
        """What all ask to thaw of each class with a quota when somebody acts: images, and log with its first object."""
        found: dict[str, list[Ask]] = {name: [] for name in self.thawing.quotas}
        for step in recovery.steps:
            name, line = step.database, line_of(recovery, step.database)
            if line is None or step.kind not in {"restore.image", "restore.log"}:
                continue
            household = self.households[name]
            size = max(household.image(one) for one in line.images)
            if step.kind == "restore.log":
                size = household.log_since(line) + log_stream.OBJECT
            # Whether all stores of a `hot sync` are asked no plan says: those it names are.
            for one in (step.store or "", *step.beside):
                if (limited := self.thawing.limited(one)) is not None:
                    found[limited].append(Ask(acts_at(recovery, name), size, f"{name} {one}"))
        return found

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
        yield from self.load.crowded({self.topology.at_server(name) for name in self.topology.databases})
        for job, takes in self.thawing.late(self.plan.jobs):
            text = f"{job.id} waits {takes:.0f} ms for its thaw, planned {job.thaw_ms} ms"
            yield Fault("slot", frozenset((job.database,)), text)
        for job in self.plan.jobs:
            yield from self._faults_of_job(job)
        for stream in self.plan.streams:
            yield from self._faults_of_stream(stream)
        for recovery in (one for one in self.plan.recoveries if one.databases):
            failure = self.topology.failure(Scope(recovery.scope), recovery.down[0])
            rehearsal = self.rehearsal(recovery, failure)
            yield from rehearsal.shortcomings()
            course = rehearsal.run(self.worst_ages(recovery))
            yield from course.faults
            yield from self.load.faults_in(recovery, failure, course)

    def _faults_of_job(self, job: Job) -> Iterator[Fault]:
        if job.kind not in images.JOBS:
            return
        household, at = self.households[job.database], job.schedule
        whole = images.read_by(job, household.size)
        longest = images.moving_ms(job, household.moves(job), whole) + job.retry.budget_ms
        longest += int(household.beginning(job))
        source = self.topology.stores[job.source_store].site if job.source_store else household.database.site
        whose = frozenset((job.database,))
        if longest > at.slot_ms:
            yield Fault("slot", whose, f"{job.id} takes {longest} ms, its slot is {at.slot_ms} ms")
        if at.offset_ms + at.slot_ms > at.window_ms:
            yield Fault("window", whose, f"{job.id} is done {at.offset_ms + at.slot_ms} ms after its release")
        thaw = thaw_seconds(self.topology.stores[job.source_store]) * 1000 if job.source_store else 0.0
        thaw += self.asking[job.id] if thaw else 0.0
        if job.thaw_ms < thaw or job.schedule.offset_ms < job.thaw_ms:
            yield Fault("slot", whose, f"{job.id} reads what takes {thaw:.0f} ms to thaw")
        reads = {f"store:{job.source_store}:reads"} if self._reads(job.source_store) else set()
        machine = [one for one in job.reserve if one.resource.startswith("database:")]
        if household.database.dumps and job.source_store is None and not machine:
            yield Fault("way", whose, f"{job.id}: nothing reserved of the machine that it reads")
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
