"""What one database of an estate has of images and log under a plan."""

from __future__ import annotations

from functools import cached_property
from math import ceil, inf
from random import Random

from bkpc_grammar.plan import Job, Plan
from tests.soundness import chains, images, log_stream
from tests.soundness.images import Shelf, Stretch
from tests.soundness.recovery import A_SECOND, AT_ONCE, Line
from tests.soundness.releases import Window, windows
from tests.soundness.topology import Topology

SMALL, PIECE = 1 << 20, 1 << 30
"""Bytes of the largest object of an image that is fetched with others; and of those of a physical one."""


class Household:
    """The images and the log of one database under the plan."""

    def __init__(self, topology: Topology, plan: Plan, name: str, random: Random, year: int) -> None:
        self.topology, self.name, self.random, self.year = topology, name, random, year
        self.database = topology.databases[name]
        self.size = float(self.database.size.value.bytes)
        self.jobs = [job for job in plan.jobs if job.database == name and job.kind in images.JOBS]
        others = topology.at_server(name) - {name}
        self.beside = [job for job in plan.jobs if job.database in others and job.kind in images.IMAGES]
        changes = self.database.changes
        self.changing = chains.World(self.size, float(changes.value.bytes_per_second) if changes else inf)
        self.streams = {store: one for one in plan.streams if one.database == name for store in one.stores}
        self.grouped = len(topology.group(name)) > 1
        self._lost_log: dict[str, float] = {}
        self._losses: dict[str, list[Stretch]] = {}
        self._chained: dict[Window, chains.Chained] = {}
        self._chance: chains.Chained | None = None
        self._ages: dict[tuple[str, ...], list[Stretch]] = {}
        self._oldest: dict[tuple[str, ...], float] = {}

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        return windows([job.schedule for job in self.jobs], self.year) if self.jobs else ()

    @cached_property
    def incremental(self) -> bool:
        return any(job.kind == "backup.incremental" for job in self.jobs)

    @cached_property
    def shelves(self) -> list[tuple[Window, dict[str, Shelf]]]:
        """Every window with all runs at their slowest."""
        if self.incremental:
            return [(one, self.chained(one).shelves) for one in self.windows]
        return [(one, images.shelves(self.jobs, one, self._begun(images.slowest(self.size)))) for one in self.windows]

    @cached_property
    def chance(self) -> tuple[Window, dict[str, Shelf]]:
        """One window with runs that take what they take: it must be no worse."""
        chosen = self.random.choice(self.windows)
        if self.incremental:
            return chosen, self._by_chance(chosen).shelves
        return chosen, images.shelves(self.jobs, chosen, self._begun(images.any_speed(self.random, self.size)))

    def chained(self, window: Window) -> chains.Chained:
        """Every chain of one window with all runs at their slowest."""
        if window not in self._chained:
            self._chained[window] = chains.Agent(
                self.jobs, window, self._begun(images.as_expected(self.size)), self.changing, self.beside
            ).run()
        return self._chained[window]

    def _by_chance(self, window: Window) -> chains.Chained:
        if self._chance is None:
            self._chance = chains.Agent(
                self.jobs,
                window,
                self._begun(images.any_speed(self.random, whole=self.size)),
                self.changing,
                self.beside,
            ).run()
        return self._chance

    def _all_chained(self) -> list[chains.Chained]:
        """Of all windows, and by chance."""
        if not self.incremental:
            return []
        return [*map(self.chained, self.windows), self._by_chance(self.chance[0])]

    def log_since(self, line: Line) -> float:
        """Bytes of log at most since the newest image of a line."""
        written = float(self.database.writes.value.bytes_per_second) * self.oldest(line) / 1000
        return written + float(self.database.burst.value.bytes)

    def image(self, store: str) -> float:
        """Bytes that are read to bring the newest image back: the full one, and the increments behind it."""
        return self.size + max((one.behind.get(store, 0.0) for one in self._all_chained()), default=0.0)

    def preparing(self, store: str) -> float:
        """Milliseconds that the images behind the newest and itself take to be prepared, one onto the other."""
        each = self.database.prepares
        if each is None or not any(job.engine == "physical" for job in self.jobs):
            return 0.0
        return float(each.value.seconds) * 1000 * max([1, *(one.images.get(store, 1) for one in self._all_chained())])

    def starting(self) -> float:
        """Milliseconds until anything is loaded, and that each table of a logical image takes beside its bytes."""
        starts, table = self.database.starts, self.database.table
        begins = float(starts.value.seconds) * 1000 if starts else 0.0
        return begins + (self._tables * float(table.value.seconds) * 1000 if table else 0.0)

    def beginning(self, job: Job) -> float:
        """The same of a job: a logical image is dumped, and copied, by tables."""
        starts, table = self.database.starts, self.database.table
        begins = float(starts.value.seconds) * 1000 if starts else 0.0
        if table and (job.kind == "copy" or (job.kind == "backup.full" and job.engine == "logical")):
            begins += self._tables * float(table.value.seconds) * 1000
        return begins + self._requested(job)

    def _requested(self, job: Job) -> float:
        """Milliseconds in which its objects, tables of one size or pieces, keep the way without using it."""
        stores = self.topology.stores
        source = stores[job.source_store].site if job.source_store else self.database.site
        latency = max(self.topology.latency(source, stores[one].site) for one in job.stores) * 1000
        reads = 1 if job.kind == "copy" else 0
        tables, each = self._tables if job.kind == "copy" or job.engine == "logical" else 0, 0
        if tables:
            size = self.size / tables
            each = 3 + reads if size > 8 * SMALL else 1 + reads if size > SMALL else 0
        turns = float(each * tables or ceil(tables / 32))
        kept = any(one.engine == "physical" for one in self.jobs) if job.kind == "copy" else job.engine == "physical"
        if kept:
            turns = max(turns, (3 + reads) * (self.size // PIECE))
        return turns * latency if self.database.tables else 0.0

    def asking(self, job: Job) -> float:
        """Milliseconds in which a copy asks for the objects of an image, one by one."""
        return self.objects(job.source_store or "") * 1000 / A_SECOND

    def _begun(self, draw: images.Draw) -> images.Draw:
        """Runs that take their time to start besides."""
        starting = {job.id: int(self.beginning(job)) for job in self.jobs}
        return lambda job: ((takes + starting[job.id], later) for takes, later in draw(job))

    def turns(self, store: str) -> float:
        """How often objects of the newest image are asked for one after the other: of tables 128 at once; of those that
        are barely too large for that two; all pieces of a physical image."""
        large = min(self._tables, int(self.size // (SMALL + 1)))
        return max(ceil(large / 2) + ceil((self._tables - large) / AT_ONCE), self._pieces(store))

    def objects(self, store: str) -> float:
        """Of the newest image, and of what is behind it."""
        return max(self._tables, self._pieces(store))

    @cached_property
    def _tables(self) -> int:
        """Of logical images."""
        logical = any(job.kind == "backup.full" and job.engine == "logical" for job in self.jobs)
        return self.database.tables.value.number if self.database.tables and logical else 0

    def _pieces(self, store: str) -> int:
        """Of physical images."""
        if not any(job.kind == "backup.full" and job.engine == "physical" for job in self.jobs):
            return 0
        number = max([1, *(one.images.get(store, 1) for one in self._all_chained())])
        return int(self.image(store) // PIECE) + number - 1

    def older(self, store: str) -> int:
        """Milliseconds by which the full image may be older than the newest."""
        return max((one.older.get(store, 0) for one in self._all_chained()), default=0)

    def moves(self, job: Job) -> float:
        """Bytes that a job moves at most."""
        return max((one.moved.get(job.id, 0.0) for one in self._all_chained()), default=self.size)

    def ages(self, line: Line) -> list[Stretch]:
        """The age of the newest image in its stores over all windows, in ms."""
        if line.images not in self._ages:
            self._ages[line.images] = [
                one
                for window, found in self.shelves
                for one in images.staleness(images.together(found, line.images), window)
            ]
        return self._ages[line.images]

    def age_once_reached(self, line: Line, behind: float, share: float) -> float:
        """The age of the newest image whose moment others have reached, whose logs are `behind` ms late; for `share`.

        That moment is any until the image is whole: one that dumps tells it with its first bytes.
        """
        found: list[Stretch] = []
        if behind == inf:
            return inf
        for window, shelves in (*self.shelves, self.chance) if share >= 1 else self.shelves:
            shelf = images.together(shelves, line.images)
            if shelf is not None:
                shelf = Shelf([ceil(at + behind) for at in shelf.usable], shelf.snapshots)
            found += images.staleness(shelf, window)
        return images.quantile(found, share)

    def oldest(self, line: Line) -> float:
        """The worst age of the newest image, in ms."""
        if not self.jobs:
            return inf
        if line.images not in self._oldest:
            window, found = self.chance
            by_chance = images.staleness(images.together(found, line.images), window)
            self._oldest[line.images] = max(one.worst for one in (*self.ages(line), *by_chance))
        return self._oldest[line.images]

    def pipe(self, store: str) -> log_stream.Pipe:
        """The stream into one store as reserved."""
        stream = self.streams[store]
        return log_stream.Pipe(
            float(stream.rates[stream.stores.index(store)]) or 1e-9,
            self.topology.latency(self.database.site, self.topology.stores[store].site),
            stream.flush_ms / 1000,
            float(self.database.writes.value.bytes_per_second),
            float(self.database.burst.value.bytes),
            stream.sync,
        )

    def lost_log(self, store: str) -> float:
        """The worst loss of the log in a store, in ms; with others endless where nobody notes until when it is all."""
        if store not in self.streams or (self.grouped and not self.streams[store].known_ms):
            return inf
        if store not in self._lost_log:
            pipe = self.pipe(store)
            if self.grouped:
                worst = log_stream.worst_known(pipe, self.random, self._apart(store))
            else:
                worst = log_stream.worst_of_all(pipe, self.random)
            self._lost_log[store] = worst * 1000
        return self._lost_log[store]

    def _apart(self, store: str) -> float:
        """Seconds between two notes of how far the log is complete."""
        return (self.streams[store].known_ms or 0) / 1000

    def losses(self, line: Line) -> list[Stretch]:
        """The loss over time on a line, by the adversary that is worst on average."""
        if line.log is None or line.log not in self.streams:
            return self.ages(line)
        if line.log not in self._losses:
            self._losses[line.log] = self._losses_of_log(line.log)
        return self._losses[line.log]

    def _losses_of_log(self, store: str) -> list[Stretch]:
        pipe, apart = self.pipe(store), self._apart(store)
        tries = (log_stream.steady, log_stream.after_silence(pipe), log_stream.before_the_cut(pipe))
        if self.grouped and not apart:
            return [Stretch(0, inf, 0, 1.0)]
        if self.grouped:
            found = [log_stream.known_over_time(pipe, one, 24, apart, apart / 2) for one in tries]
        else:
            found = [log_stream.over_time(pipe, adversary, 24) for adversary in tries]
        return max(found, key=lambda one: images.quantile(one, 0.9))

    def loss(self, line: Line, share: float) -> float:
        """The loss that is not passed in `share` of all instants, in ms; 1: the worst."""
        if self.oldest(line) == inf:
            return inf
        if line.synced and not self.grouped:
            return 0.0
        if line.synced:
            return min(self.lost_log(one) for one in line.synced)  # what one knows is true of the others
        if share < 1:
            return images.quantile(self.losses(line), share)
        return self.oldest(line) if line.log is None else self.lost_log(line.log)
