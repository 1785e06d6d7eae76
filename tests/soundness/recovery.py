"""Carrying out a planned recovery: each step at its planned start and reserved rate, with all it may have to move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf

from bkpc_grammar.plan import Recovery, Step
from tests.soundness.course import Course, Fault
from tests.soundness.log_stream import OBJECT
from tests.soundness.topology import Failure, Topology, thaw_seconds

LOOKED = 64 << 20
"""Bytes of the end of each log that a group reads before anything is loaded, where its point is that far from it."""
RANGES = 24 << 20
"""Bytes of a large object that are asked for at once, with three requests."""
AT_ONCE = 128
"""Objects of a log that a restore asks for at once."""
BINLOG = 1 << 30
"""Bytes of the largest binlog, but for the transaction that ends it."""
A_SECOND = 100
"""Objects that are asked to thaw in a second."""
# What must be over before a step of a kind begins, within one database, whatever the plan says.
_AFTER: dict[str, tuple[str, ...]] = {
    "detect": ("",),
    "activate": ("detect",),
    "thaw": ("detect",),
    "provision": ("detect",),
    "restore.image": ("detect", "activate", "thaw", "provision"),
    "restore.increment": ("detect", "activate", "thaw", "provision", "restore.image"),
    "restore.log": ("detect", "activate", "thaw", "provision", "restore.image"),
    "check.service": ("detect", "activate", "thaw", "provision", "restore.image", "restore.log"),
}


Figure = Callable[[str, str], float]
"""Of a database in a store: bytes that are read to bring its newest image back; in ms, how long its thaw waits, or how
long the image is prepared; how often its objects are asked for one after the other, and how many there are."""


def _at_once(_: str, __: str) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """Where the recovery takes the image, and the log unless None, of one database from. `synced`: all stores that may
    have the last of a log that commits waited for, and are read. `beside`: stores that have images by turns with
    `image`; whichever has the newest is read."""

    image: str
    log: str | None
    synced: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        return (self.image, *self.beside)


def line_of(recovery: Recovery, database: str) -> Line | None:
    """The line a recovery takes for a database; None where it brings no image back."""
    steps = {one.kind: one for one in recovery.steps if one.database == database}
    image, log = steps.get("restore.image"), steps.get("restore.log")
    return Line(image.store, log.store if log else None, (), image.beside) if image and image.store else None


def rate_of(step: Step) -> float:
    return min((one.rate for one in step.reserve), default=inf)


def stores_read(
    topology: Topology, recovery: Recovery, step: Step, failure: Failure, asking: float = 0.0
) -> tuple[str, ...]:
    """What a step reads: of a log that commits waited for each store that may have the last of it, if the plan has
    reserved for that, and waits until all can be read, which takes `asking` ms beside thaws; else the one it names."""
    named, home = step.store or "", topology.new_home(step.database, failure)
    read = topology.having_all(step.database, named, failure) if step.kind == "restore.log" else ()
    reserved, wanted, ready, thawed = {one.resource for one in step.reserve}, set[str](), 0.0, 0.0
    for name in read:
        store = topology.stores[name]
        wanted |= {f"link:{one.name}" for one in topology.route(store.site, home or "", failure.sites) or ()}
        wanted |= {f"store:{name}:reads"} if store.reads else set()
        thaws = thaw_seconds(store) * 1000
        thawed = max(thawed, seen_thawed(thaws) + asking if thaws else 0.0)
        ready = max(ready, acts_at(recovery, step.database) + thaws)
    waits = max(
        (one.expect_ms for one in recovery.steps if (one.kind, one.database) == ("thaw", step.database)), default=0
    )
    all_of_them = wanted <= reserved and ready <= step.start_ms + 1 and thawed <= waits + 1
    return read if read and all_of_them else (named, *step.beside)


def seen_thawed(thaw: float) -> float:
    """Milliseconds of a thaw, and until somebody looks again who has looked just before it was over."""
    return thaw + min(300_000.0, max(5000.0, thaw / 60)) if thaw else 0.0


def acts_at(recovery: Recovery, database: str) -> int:
    """Milliseconds after the failure at which somebody acts on one that it hit."""
    known = {"detect", "activate"}
    acts = (one.start_ms + one.expect_ms for one in recovery.steps if one.database == database and one.kind in known)
    return max(acts, default=0)


class Rehearsal:
    """One recovery of the plan against what the program says things take."""

    def __init__(
        self,
        topology: Topology,
        recovery: Recovery,
        failure: Failure,
        image: Figure,
        queue: Figure = _at_once,
        prepare: Figure = _at_once,
        turns: Figure = _at_once,
        objects: Figure = _at_once,
    ) -> None:
        self.topology, self.recovery, self.failure = topology, recovery, failure
        self.image, self.queue, self.prepare, self.turns = image, queue, prepare, turns
        self.objects = objects
        self._held_up = 0.0

    def run(self, ages: Mapping[str, float], *, waits: bool = True) -> Course:
        """Carry it out; `ages`: ms from the snapshot of the newest image to the failure, per database.

        `waits`: a step begins no earlier than planned, even where all it needs is done: others may use its way.
        """
        takes: dict[str, float] = {}
        ends: dict[str, float] = {}
        faults: list[Fault] = []
        by_kind: dict[tuple[str, str], float] = {}
        self._held_up = 0.0
        self._held_up = self._asking(ages)
        asking = self._asking(ages)
        looked = self._looks(ages)
        for step in self.recovery.steps:
            takes[step.id] = self._takes(step, ages.get(step.database, 0.0))
            ready = max((ends.get(one, inf) for one in step.needs), default=0.0)
            ready = max(ready, *(by_kind.get((step.database, kind), 0.0) for kind in _AFTER[step.kind]))
            if step.kind in {"restore.image", "restore.log"}:
                ready = max(ready, by_kind.get((step.database, "activate"), 0.0) + looked + self._thaws(step, asking))
                ready = max(ready, self._group_thaws(step.database, asking) + looked)
            if ready > step.start_ms + 1:
                text = f"{self._named(step)} is due at {step.start_ms} ms; what it needs is done at {ready:.0f} ms"
                faults.append(Fault("late", self._waiting(step.database), text, self.recovery.scope))
            ends[step.id] = max(float(step.start_ms) if waits else 0.0, ready) + takes[step.id]
            kind = (step.database, step.kind)
            by_kind[kind] = max(by_kind.get(kind, 0.0), ends[step.id])
            if takes[step.id] > step.expect_ms + 1:
                text = f"{self._named(step)} takes {takes[step.id]:.0f} ms, planned {step.expect_ms} ms"
                faults.append(Fault("overrun", self._waiting(step.database), text, self.recovery.scope))
        own = {name: end for (name, kind), end in by_kind.items() if kind == "check.service"}
        return Course(takes, own, tuple(faults))

    def _looks(self, ages: Mapping[str, float]) -> float:
        """Milliseconds in which one group after the other looks for its point in common, members side by side, each
        with the whole of its way."""
        logs = {one.database: one for one in self.recovery.steps if one.kind == "restore.log"}
        groups = {self.topology.group(name) & set(self.recovery.databases) for name in logs}
        return sum(
            max(self._looks_at(logs[name], ages.get(name, 0.0)) for name in group & logs.keys())
            for group in groups
            if len(group) > 1
        )

    def _looks_at(self, step: Step, age: float) -> float:
        database, home = self.topology.databases[step.database], self.topology.new_home(step.database, self.failure)
        size = float(database.burst.value.bytes) + float(database.writes.value.bytes_per_second) * age / 1000
        store = self.topology.stores[step.store or ""]
        way = self.topology.route(store.site, home or "", self.failure.sites) or ()
        rates = [float(database.replays.value.bytes_per_second)]
        rates += [float(one.bandwidth.value.bytes_per_second) for one in way]
        rates += [float(store.reads.value.bytes_per_second)] if store.reads else []
        return min(size, LOOKED) / min(rates) * 1000

    def _waiting(self, database: str) -> frozenset[str]:
        """The databases that are not in service before `database` is."""
        return frozenset(
            name for name in self.failure.out_of_service if database in self.topology.needed(name)
        ) | {database}  # fmt: skip

    def _named(self, step: Step) -> str:
        return f"{step.kind} of {step.database} ({self.failure.scope} of {self.failure.lost})"

    def _thaws(self, step: Step, asking: float) -> float:
        """Milliseconds after somebody acts from which on all that a step reads is known to be readable."""
        thaws = max(self._thaw(one) for one in self._stores_of(step))
        named = (step.store or "", *step.beside)
        waits = (self._thaw(one) + self.queue(step.database, one) for one in named)
        longest = max(thaws, *waits)
        return longest + asking if longest else 0.0

    def _group_thaws(self, database: str, asking: float) -> float:
        """Milliseconds after the failure at which all has thawed that a group reads, if any of its log must."""
        group = self.topology.group(database) & set(self.recovery.databases)
        reads = {"restore.image", "restore.log"}
        steps = [one for one in self.recovery.steps if one.database in group and one.kind in reads]
        thaws = [(self._thaws(one, asking), one) for one in steps]
        if len(group) < 2 or not any(takes and one.kind == "restore.log" for takes, one in thaws):
            return 0.0
        return max(acts_at(self.recovery, one.database) + takes for takes, one in thaws if takes)

    def _thaw(self, store: str) -> float:
        """Milliseconds until somebody looks again who has looked just before it had thawed."""
        return seen_thawed(thaw_seconds(self.topology.stores[store]) * 1000)

    def _asking(self, ages: Mapping[str, float]) -> float:
        """Milliseconds in which all that must thaw is asked for, one by one."""
        number = 0.0
        for step in self.recovery.steps:
            if step.kind in {"restore.image", "restore.log"}:
                frozen = [one for one in self._stores_of(step) if thaw_seconds(self.topology.stores[one])]
                if frozen and step.kind == "restore.image":
                    number += max(self.objects(step.database, one) for one in frozen)
                elif frozen:
                    number += self._objects_of_log(step, ages.get(step.database, 0.0))
        return number * 1000 / A_SECOND

    def _takes(self, step: Step, age: float) -> float:
        """The most a step takes, in ms, by the program's figures."""
        database = self.topology.databases[step.database]
        if step.kind in {"detect", "activate"}:
            return max(self._responds(step.kind, name) for name in self._acted_on(step.kind, step.database))
        if step.kind == "provision":
            home = self.topology.new_home(step.database, self.failure)
            return max(
                (float(one.provision.value.seconds) * 1000 for one in database.standbys if one.site == home),
                default=0.0,
            )
        if step.kind == "thaw":
            return max(self._thaw(one) for one in (step.store or "", *step.beside))
        if step.kind == "check.service":
            return float((database.verifies or self.topology.program.verification).value.seconds) * 1000
        beside = 0.0
        if step.kind == "restore.image":
            size = max(self.image(step.database, one) for one in self._stores_of(step))
            beside = max(self.prepare(step.database, one) for one in self._stores_of(step))
            beside += self._latency(step) * max(self.turns(step.database, one) for one in self._stores_of(step))
            beside += self._latency(step) * (size // RANGES if self.topology.databases[step.database].tables else 0)
        else:
            size = self._log(step, age)
            beside = ceil(self._objects_of_log(step, age) / AT_ONCE) * self._latency(step)
            # The last binlog, as long as they may be, is there before any of it is replayed.
            last = min(size, BINLOG + float(database.burst.value.bytes))
            beside += last / rate_of(step) * 1000 if rate_of(step) else 0.0
        rate = rate_of(step)
        return beside + size / rate * 1000 if rate else inf

    def _log(self, step: Step, age: float) -> float:
        """Bytes that are written in so many milliseconds, and a burst."""
        database = self.topology.databases[step.database]
        return float(database.burst.value.bytes) + float(database.writes.value.bytes_per_second) * age / 1000

    def _objects_of_log(self, step: Step, age: float) -> float:
        """Of a log that was flushed as often as it may be, each time with as much as a byte."""
        flushes = [
            float(hot.flush.value.seconds) * 1000
            for hot in self.topology.policies[step.database].hot
            if any(one.value == step.store for one in hot.stores)
        ]
        size = self._log(step, age)
        return (age / min(flushes) if flushes else 0.0) + size / OBJECT if size else 0.0

    def _latency(self, step: Step) -> float:
        """Milliseconds, of the longest way that it may have to read over."""
        home = self.topology.new_home(step.database, self.failure)
        ways = [
            self.topology.route(self.topology.stores[one].site, home or "", self.failure.sites)
            for one in self._stores_of(step)
        ]
        return max(float(sum(link.latency.value.seconds for link in way or ())) for way in ways) * 1000

    def _acted_on(self, kind: str, database: str) -> frozenset[str]:
        """Those that are noticed, or acted on, before `database` comes back: of one that is up, those of its group."""
        if database not in self.failure.along:
            return frozenset((database,))
        hit = self.topology.group(database) & self.failure.databases
        return hit if kind == "detect" else hit | {database}

    def _responds(self, kind: str, name: str) -> float:
        policy = self.topology.policies.get(name)
        given = (policy.detect if kind == "detect" else policy.activate) if policy else None
        return float(given.value.seconds) * 1000 if given else 0.0

    def shortcomings(self) -> Iterator[Fault]:
        """What the plan leaves out or gets wrong about the world, whatever the instant of the failure."""
        for name in self.recovery.databases:
            for text in self._missing(name):
                yield Fault(
                    "missing",
                    self._waiting(name),
                    f"{self.failure.scope} of {self.failure.lost}: {text}",
                    self.recovery.scope,
                )
        for step in self.recovery.steps:
            if step.kind in {"restore.image", "restore.log"}:
                for text in self._way_of(step):
                    yield Fault(
                        "way", self._waiting(step.database), f"{self._named(step)}: {text}", self.recovery.scope
                    )

    def _missing(self, name: str) -> Iterator[str]:
        kinds = {one.kind for one in self.recovery.steps if one.database == name}
        policy, line = self.topology.policies.get(name), line_of(self.recovery, name)
        wanted = {"restore.image", "check.service"}
        if policy and policy.detect and policy.detect.value.seconds:
            wanted.add("detect")
        if policy and policy.activate and policy.activate.value.seconds:
            wanted.add("activate")
        if line and any(thaw_seconds(self.topology.stores[one]) for one in line.images):
            wanted.add("thaw")
        if self.topology.new_home(name, self.failure) != self.topology.databases[name].site:
            wanted.add("provision")
        if self.topology.new_home(name, self.failure) is None:
            yield f"{name} has nowhere to go"
        for kind in sorted(wanted - kinds):
            yield f"no step {kind} for {name}"

    def _way_of(self, step: Step) -> Iterator[str]:
        """A restore reads stores that are left, over links that are left, no faster than its host takes in."""
        database = self.topology.databases[step.database]
        takes_in = database.restores if step.kind == "restore.image" else database.replays
        if rate_of(step) > takes_in.value.bytes_per_second:
            yield f"{rate_of(step)} B/s is more than the host takes in"
        home = self.topology.new_home(step.database, self.failure)
        wanted: set[str] = set()
        for name in self._stores_of(step):
            store = self.topology.stores[name]
            way = self.topology.route(store.site, home, self.failure.sites) if home else None
            if name in self.failure.gone(step.database):
                yield f"{name} is lost"
            if way is None:
                yield f"no way from {name} to {home}"
                return
            wanted |= {f"link:{one.name}" for one in way} | ({f"store:{name}:reads"} if store.reads else set())
        reserved = {one.resource for one in step.reserve}
        for name in sorted(wanted - reserved):
            yield f"nothing reserved on {name}"
        for name in sorted(one for one in reserved - wanted if one.startswith("link:")):
            yield f"reserved on {name}, which it does not cross"

    def _stores_of(self, step: Step) -> tuple[str, ...]:
        return stores_read(self.topology, self.recovery, step, self.failure, self._held_up)
