"""The best that any plan could do: what a refutation must stay beyond.

Declared sizes, capacities without headroom, nothing else on the way, the offsets that suit best. What is found here is
a schedule that works in such a world, so a promise it meets was refuted wrongly; a promise it does not meet may still
have been, for not every schedule is tried.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise, product
from math import ceil, inf
from random import Random

import msgspec

from bkpc_compiler.program.model import ImageLevel, Program, Promise, Schedule, Scope
from bkpc_grammar.plan import Job
from tests.soundness import images, log_stream
from tests.soundness.fluid import Flow, Part, together
from tests.soundness.images import Stretch
from tests.soundness.plans import job, reserving, scheduled
from tests.soundness.recovery import Line
from tests.soundness.releases import Window, releases, windows
from tests.soundness.topology import Failure, Topology, synced, thaw_seconds, width

_MOST_SCHEDULES, _LEAST_SCHEDULES = 100, 4
_MOST_RUNS = 5000
_MOST_CHOICES = 8
_MOST_INSTANTS = 12
_MOMENT = 1  # ms: windows are in whole ones


@dataclass(frozen=True, slots=True)
class Chain:
    """The best schedule found for the images of one database in one store, and the loss under it, in ms."""

    jobs: tuple[Job, ...]
    loss: float


class BestCase:
    """One program in the best of worlds."""

    def __init__(self, program: Program, random: Random) -> None:
        self.topology, self.random = Topology(program), random
        self.year = random.randrange(2002, 2030)
        self._chains: dict[tuple[str, tuple[str, ...], float], Chain | None] = {}
        self._logs: dict[tuple[str, str, float], float] = {}

    def least(self, database: str, promise: Promise, kind: str) -> float:
        """Seconds: the least worst loss ("rpo") or time ("rto") over the schedules tried."""
        failure = self.topology.failure(promise.scope, database)
        if kind == "rto":
            return self._least_time(database, promise, failure)
        return self._lost_in_common(database, float(promise.rpo_quantile), failure)

    def _lost_in_common(self, database: str, share: float, failure: Failure) -> float:
        """Seconds: of the whole group, which goes back to one point."""
        group = sorted(self.topology.group(database))
        losses = [
            [
                (line.log is None, self.loss(name, line, share, failure))
                for line in (*self.lines(name, failure), *self.by_turns(name, failure))
            ]
            for name in group
        ]
        return min((images.in_common(chosen) for chosen in product(*losses)), default=inf)

    def lines(self, database: str, failure: Failure) -> list[Line]:
        """The images in each store that is left, alone and with the log in each store that is left."""
        policy = self.topology.policies.get(database)
        left = [
            name
            for name in sorted(self.topology.stores)
            if policy and name not in failure.gone(database) and self.topology.leads_back(database, name, failure)
        ]
        logged = {store.value for hot in policy.hot for store in hot.stores} if policy else set()
        found: list[Line] = []
        for name in left:
            if self.chain(database, name, 1.0) is not None:
                found.append(Line(name, None))
                found += [Line(name, log) for log in left if log in logged]
        return found

    def by_turns(self, database: str, failure: Failure) -> list[Line]:
        """The images in all stores that are left, as one line: whichever has the newest is read."""
        alone = [line.image for line in self.lines(database, failure) if line.log is None]
        return [Line(alone[0], None, (), tuple(alone[1:]))] if len(alone) > 1 else []

    # ------------------------------------------------------------ loss

    def loss(self, database: str, line: Line, share: float, failure: Failure) -> float:
        """The least loss on a line in seconds; endless where the point before the damage is no longer kept."""
        chain = self.chain(database, line.image, share, line.beside)
        if chain is None:
            return inf
        lost = chain.loss / 1000 if line.log is None else self._lost_log(database, line.log, share)
        policy = self.topology.policies[database]
        if line.log is not None and (
            database in failure.along or self.topology.keeps_quorums(database, line.log, failure)
        ):
            lost = 0.0  # it is up, and sends what is behind; or a store of every quorum is left
        if failure.scope in {Scope.CORRUPTION, Scope.INTRUDER} and policy.keep and policy.keep.days:
            noticed = float(policy.detect.value.seconds) if policy.detect else 0.0
            if lost + noticed > policy.keep.days.value.seconds:
                return inf
        if failure.scope is Scope.INTRUDER and policy.lock:
            read = (
                chain.loss / 1000 + self.topology.until_somebody_acts(database, failure) + self._alone(database, line)
            )
            if read > policy.lock.value.seconds:
                return inf
        return lost

    def _alone(self, database: str, line: Line) -> float:
        """Seconds in which a database can be read back in any case: ten times what its own machine takes."""
        one, thaws = self.topology.databases[database], [line.image, *([line.log] if line.log else [])]
        loading = one.size.value.bytes / one.restores.value.bytes_per_second
        return float(10 * loading) + max(thaw_seconds(self.topology.stores[name]) for name in thaws) + 86400

    def _lost_log(self, database: str, store: str, share: float) -> float:
        key = (database, store, share)
        if key not in self._logs:
            pipe = self._pipe(database, store)
            if share >= 1:
                self._logs[key] = log_stream.best_of_all(pipe, self.random)
            else:
                tries = (log_stream.steady, log_stream.after_silence(pipe), log_stream.before_the_cut(pipe))
                over_time = [log_stream.over_time(pipe, adversary, 24) for adversary in tries]
                self._logs[key] = max(images.quantile(one, share) for one in over_time) / 1000
        return self._logs[key]

    def _pipe(self, database: str, store: str) -> log_stream.Pipe:
        """The whole way for one stream."""
        one, there = self.topology.databases[database], self.topology.stores[store]
        flush = min(
            float(hot.flush.value.seconds)
            for hot in self.topology.policies[database].hot
            if any(name.value == store for name in hot.stores)
        )
        rates = [width(self.topology.route(one.site, there.site) or ())]
        rates += [there.writes.value.bytes_per_second] if there.writes else []
        return log_stream.Pipe(
            float(min(rates)),
            self.topology.latency(one.site, there.site),
            0.0 if synced(self.topology.policies[database], store) else flush,
            float(one.writes.value.bytes_per_second),
            float(one.burst.value.bytes),
        )

    # ------------------------------------------------------------ images

    def chain(self, database: str, store: str, share: float, beside: tuple[str, ...] = ()) -> Chain | None:
        """The best schedule for images in `store`, or in any of those `beside` it; None where none come there."""
        stores = (store, *beside)
        key = (database, stores, share)
        if key not in self._chains:
            waiting = [job for one in stores for job in self._jobs_into(database, one, ())]
            waiting = self._whole(database, list({job.id: job for job in waiting}.values()))
            if not any(one in job.stores for job in waiting for one in stores):
                waiting = []
            best: Chain | None = None
            for placed in islice(self._placed(database, waiting, ()), self._tries(waiting)):
                lost = images.quantile(self.ages(database, placed, stores), share)
                if best is None or lost < best.loss:
                    best = Chain(placed, lost)
            self._chains[key] = best
        return self._chains[key]

    def _whole(self, database: str, jobs: list[Job]) -> list[Job]:
        """Those that bring whole images: done in their windows, and with something to copy."""
        found = [one for one in jobs if self._fits(database, one)]
        brought = {store for one in found for store in one.stores}
        copying = [one for one in found if one.source_store is None or one.source_store in brought]
        return copying if len(copying) == len(jobs) else self._whole(database, copying)

    def _fits(self, database: str, one: Job) -> bool:
        """Whether it can be done in its window, were it to have the whole way: no plan may do it later."""
        size = float(self.topology.databases[database].size.value.bytes)
        return one.thaw_ms + next(images.unchanged(size)(one))[0] <= one.schedule.window_ms + _MOMENT

    def _tries(self, jobs: list[Job]) -> int:
        """How many schedules of `jobs`: fewer of those with very many runs."""
        if not jobs:
            return 0
        runs = sum(one.end - one.start for one in self._windows(tuple(jobs))) / min(
            one.schedule.period_ms for one in jobs
        )
        return max(_LEAST_SCHEDULES, min(_MOST_SCHEDULES, int(_MOST_RUNS / max(1.0, runs))))

    def _windows(self, jobs: tuple[Job, ...]) -> tuple[Window, ...]:
        return windows([one.schedule for one in jobs], self.year)

    def ages(self, database: str, jobs: tuple[Job, ...], stores: tuple[str, ...]) -> list[Stretch]:
        """The age of the newest image in any of `stores` under a schedule."""
        slowest = images.unchanged(float(self.topology.databases[database].size.value.bytes))
        return [
            stretch
            for window in self._windows(jobs)
            for stretch in images.staleness(images.together(images.shelves(jobs, window, slowest), stores), window)
        ]

    def _jobs_into(self, database: str, store: str, seen: tuple[str, ...]) -> list[Job]:
        """The jobs that bring images of a database into a store, sources first, each at the full width of its way."""
        policy, site = self.topology.policies[database], self.topology.databases[database].site
        if store in seen:
            return []
        found: list[Job] = []
        for level in policy.images:
            if any(one.value == store for one in level.stores):
                found += self._imaged(database, level, site, store)
        for cold in policy.cold:
            if any(one.value == store for one in cold.stores):
                source = cold.source.value
                before = self._jobs_into(database, source, (*seen, store))
                copying = self._job(database, cold.schedule, self.topology.stores[source].site, store, source)
                if before and copying:
                    found += [one for one in before if one not in found] + copying
        return found

    def _imaged(self, database: str, level: ImageLevel, site: str, store: str) -> list[Job]:
        made = self._job(database, level.schedule, site, store, None, incremental=level.kind != "full")
        return [msgspec.structs.replace(one, engine=level.engine) for one in made]

    def _job(
        self, database: str, wish: Schedule, site: str, store: str, source: str | None, *, incremental: bool = False
    ) -> list[Job]:
        way, there = self.topology.route(site, self.topology.stores[store].site), self.topology.stores[store]
        if way is None:
            return []
        rates = [one.bandwidth.value.bytes_per_second for one in way]
        rates += [there.writes.value.bytes_per_second] if there.writes else []
        reads = self.topology.stores[source].reads if source else None
        rates += [reads.value.bytes_per_second] if reads else [] if source else self.topology.dumped(database)
        reserve = reserving(way=ceil(min(rates))) if rates else ()
        made = job(database, scheduled(wish, 0, 0), store, source=source, reserve=reserve, incremental=incremental)
        thaw = ceil(thaw_seconds(self.topology.stores[source]) * 1000) if source else 0
        return [msgspec.structs.replace(made, id=f"{made.id}.{source}.{wish.span.start}", thaw_ms=thaw)]

    def _placed(self, database: str, waiting: list[Job], placed: tuple[Job, ...]) -> Iterator[tuple[Job, ...]]:
        """Schedules with offsets worth trying."""
        if not waiting:
            yield placed
            return
        one, *rest = waiting
        size = float(self.topology.databases[database].size.value.bytes)
        latest = max(0, one.schedule.window_ms - next(images.unchanged(size)(one))[0])
        for offset in self._offsets(one, latest, placed, size):
            moved = msgspec.structs.replace(one, schedule=msgspec.structs.replace(one.schedule, offset_ms=offset))
            yield from self._placed(database, rest, (*placed, moved))

    def _offsets(self, one: Job, latest: int, placed: tuple[Job, ...], size: float) -> list[int]:
        """At once, as late as can be; a copy just when an image becomes usable, an image midway between others."""
        if not placed:
            return [0, latest]
        window = self._windows((*placed, one))[0]
        around = window.end - window.start
        if one.source_store is None:
            starts = sorted(
                at + other.schedule.offset_ms
                for other in placed
                for at in releases(other.schedule, window.start - around, window.end + around)
            )
            likely = [(before + after) // 2 for before, after in pairwise(starts)]
        else:
            shelf = images.shelves(placed, window, images.unchanged(size)).get(one.source_store)
            likely = [at + one.thaw_ms for at in shelf.usable] if shelf else []
        likely.sort()
        waits = sorted(
            {
                at - release
                for release in releases(one.schedule, window.start, window.end)
                for at in likely[bisect_left(likely, release) : bisect_right(likely, release + latest)]
            }
        )
        if len(waits) > _MOST_CHOICES:
            waits = self.random.sample(waits, _MOST_CHOICES)
        return sorted({*waits, 0, latest})

    # ------------------------------------------------------------ time

    def _least_time(self, database: str, promise: Promise, failure: Failure) -> float:
        """Over the lines of all that must come back, each of which keeps its own promise of loss."""
        back = failure.databases | {name for name in failure.along if self._must_go_back(name, failure)}
        members = sorted(self.topology.needed(database) & back | {database})
        choices = [self._lines_that_keep(name, promise, failure, name == database) for name in members]
        taken = (dict(zip(members, lines, strict=True)) for lines in product(*choices))
        found = (self._time(database, lines, promise, failure) for lines in taken)
        return min(islice(found, 4 * _MOST_CHOICES), default=inf)

    def _must_go_back(self, name: str, failure: Failure) -> bool:
        """Whether one that is up has what others of its group are sure to have lost at the worst instant."""
        hit = self.topology.group(name) & failure.databases & self.topology.policies.keys()
        if failure.scope is Scope.CORRUPTION:  # what was written since, until somebody acted
            return any(self.topology.until_somebody_acts(one, failure) > 0 for one in hit)
        return any(
            min((self.loss(one, x, 1, failure) for x in self.lines(one, failure)), default=inf) > 0 for one in hit
        )

    def _own(self, name: str, promise: Promise, itself: bool, failure: Failure) -> Promise | None:
        """What is promised of a database after the same failure; of one that is up, of others in its group."""
        if name in failure.along:
            hit = [self.topology.policies[one] for one in sorted(self.topology.group(name) & failure.databases)]
            found = [one for policy in hit for one in policy.promises if one.scope is promise.scope]
            found.sort(key=lambda one: float(one.rpo.value.seconds) if one.rpo else inf)
            kept = (one for one in found if self._kept_in_common(name, one, failure))
            return next(kept, found[-1] if found else None)
        policy = self.topology.policies.get(name)
        if itself or policy is None:
            return promise if itself else None
        return next((one for one in policy.promises if one.scope is promise.scope), None)

    def _kept_in_common(self, name: str, promise: Promise, failure: Failure) -> bool:
        """Whether its group can go back to a point that keeps a promised loss."""
        if promise.rpo is None:
            return True
        most = float(promise.rpo.value.seconds) + 1e-3
        return self._lost_in_common(name, float(promise.rpo_quantile), failure) <= most

    def _lines_that_keep(self, name: str, promise: Promise, failure: Failure, itself: bool) -> list[Line]:
        """The lines that keep the promised loss; a database that is only needed may lose what it must."""
        own = self._own(name, promise, itself, failure)
        lines = [one for one in self.lines(name, failure) if self.loss(name, one, 1.0, failure) < inf]
        if own is None or own.rpo is None:
            return lines
        most, share = float(own.rpo.value.seconds) + 1e-3, float(own.rpo_quantile)
        kept = [one for one in lines if self.loss(name, one, share, failure) <= most]
        if not itself and kept and len(self.topology.group(name)) > 1:
            kept = kept if self._lost_in_common(name, share, failure) <= most else []  # its group gives that up
        return kept if kept or itself else lines

    def _time(self, database: str, lines: dict[str, Line], promise: Promise, failure: Failure) -> float:
        """Until all are in service: the worst instant under the schedules that suit each best."""
        share = float(promise.rto_quantile)
        chains = {name: self.chain(name, line.image, share) for name, line in lines.items()}
        instants: list[dict[str, float]] = [{name: one.loss if one else inf for name, one in chains.items()}]
        if len(lines) > 1 and share >= 1:
            instants = self._ages_at_instants(lines, chains)
        own = self.topology.databases[database].verifies or self.topology.program.verification
        verification = float(own.value.seconds)
        spared = {name: self._spared(self._own(name, promise, name == database, failure)) for name in lines}
        return max(self._all_back(lines, ages, spared, failure) for ages in instants) + verification

    def _spared(self, own: Promise | None) -> float:
        """Milliseconds that may be lost: no log need be replayed after an image that is no older."""
        if own is None or own.rpo is None:
            return inf
        return float(own.rpo.value.seconds) * 1000 if own.rpo_quantile >= 1 else 0.0

    def _ages_at_instants(self, lines: dict[str, Line], chains: dict[str, Chain | None]) -> list[dict[str, float]]:
        """The ages of all at the instants at which one of them is about to get a fresher image."""
        jobs = tuple(one for chain in chains.values() if chain for one in chain.jobs)
        stretches: dict[str, list[Stretch]] = {}
        window = self._windows(jobs)[0]
        for name, chain in chains.items():
            size = float(self.topology.databases[name].size.value.bytes)
            shelf = images.shelves(chain.jobs if chain else (), window, images.unchanged(size)).get(lines[name].image)
            stretches[name] = images.staleness(shelf, window)
        ends = sorted({round(one.at + one.length) for found in stretches.values() for one in found})
        worst = {
            round(one.at + one.length) for found in stretches.values() for one in [max(found, key=lambda s: s.worst)]
        }
        some = worst | set(self.random.sample(ends, min(len(ends), _MOST_INSTANTS)))
        return [{name: images.age_at(found, at) for name, found in stretches.items()} for at in sorted(some)]

    def _all_back(
        self, lines: dict[str, Line], ages: dict[str, float], spared: dict[str, float], failure: Failure
    ) -> float:
        flows: list[Flow] = []
        capacities: dict[str, float] = {}
        for name, line in lines.items():
            behind = ages[name] if line.log and ages[name] > spared[name] else 0.0
            if behind and len(self.topology.group(name)) > 1:
                behind -= spared[name]  # the point in common may be so old
            flow = self._flow(name, line, behind, failure, capacities) if ages[name] < inf else None
            if flow is None:
                return inf
            flows.append(flow)
        return together(flows, capacities)

    def _flow(
        self, name: str, line: Line, behind: float, failure: Failure, capacities: dict[str, float]
    ) -> Flow | None:
        """What must move to bring one database back, with the log of `behind` ms; None: there is no way."""
        database = self.topology.databases[name]
        size, loads = float(database.size.value.bytes), float(database.restores.value.bytes_per_second)
        image = self._part(name, line.image, size, loads, failure, capacities)
        if image is None:
            return None
        image = replace(image, beside=self.topology.creates(name))
        if self.topology.new_home(name, failure) == database.site:
            machine = self.topology.machine(name)
            capacities[f"host {machine[0].name}"] = max(float(one.restores.value.bytes_per_second) for one in machine)
            image = replace(image, crosses=(*image.crosses, f"host {machine[0].name}"))
        if line.log is None:
            return Flow(image)
        written = float(database.writes.value.bytes_per_second) * behind / 1000 + float(database.burst.value.bytes)
        replays = float(database.replays.value.bytes_per_second)
        log = self._part(name, line.log, written, replays, failure, capacities)
        return Flow(image, log if behind else None) if log else None

    def _part(
        self, name: str, stored: str, size: float, most: float, failure: Failure, capacities: dict[str, float]
    ) -> Part | None:
        """Bytes on their way from a store, from when on, and over what; None: there is no way."""
        database, store = self.topology.databases[name], self.topology.stores[stored]
        home = self.topology.new_home(name, failure)
        way = self.topology.route(store.site, home, failure.sites) if home else None
        if way is None:
            return None
        first = self.topology.until_somebody_acts(name, failure) + self.topology.starts(name)
        moving = home != database.site
        provision = [float(one.provision.value.seconds) for one in database.standbys if moving and one.site == home]
        ready = first + max(thaw_seconds(store), *provision, 0.0)
        crossed = {f"link {one.name}": float(one.bandwidth.value.bytes_per_second) for one in way}
        if store.reads:
            crossed[f"reads {store.name}"] = float(store.reads.value.bytes_per_second)
        capacities |= crossed
        return Part(ready, size, most, tuple(sorted(crossed)))
