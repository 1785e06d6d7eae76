"""What goes on beside a recovery: the streams and jobs of databases that run, and copies from stores that are left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.failures import Loss, zone_redundant
from bkpc_compiler.estate.resources import Resource, Ways
from bkpc_compiler.estate.routes import Route
from bkpc_compiler.feasibility.demand import Demand, JobDemand
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Scope, Store
from bkpc_compiler.timetable.placement import taken_first
from bkpc_compiler.timetable.requests import at_database

ELSEWHERE = frozenset({Scope.SITE, Scope.REGION})
"""Scopes after which a database is rebuilt elsewhere: only a new plan has flows for it there."""
AGAIN = frozenset({Scope.HOST, Scope.INTRUDER})
"""Scopes after which a database is rebuilt where it was: its flows go on as soon as it is back."""

Flow = JobDemand | StreamDemand


class Beside(Struct, frozen=True, eq=False, dict=True):
    """What goes on beside the recoveries of one failure. `silent`: databases whose own flows rest meanwhile.

    `detours`: flows that go on, but whose links led through a lost site, with the resources they take now too.
    """

    background: Background
    loss: Loss
    silent: frozenset[str]
    detours: tuple[tuple[Flow, tuple[Resource, ...]], ...]

    def without(self, database: str) -> Beside:
        """The same while `database` itself is not back."""
        if self.loss.scope not in AGAIN or database in self.silent:
            return self
        return replace(self, silent=self.silent | {database})

    def __call__(self, name: str) -> int:
        """Bytes per second reserved on a resource."""
        reserved = self.background.reserved(name, self.silent, self.loss)
        return reserved + self._more.get(name, 0) if self.detours else reserved

    def goes_on(self, flow: Flow) -> bool:
        """Whether it goes on where it was planned."""
        return self.background.goes_on(flow, self.silent, self.loss)

    @once
    def _more(self) -> Mapping[str, int]:
        more: dict[str, int] = {}
        for flow, resources in self.detours:
            for one in resources:
                more[one.name] = more.get(one.name, 0) + flow.rate
        return more


@dataclass(slots=True)
class _Held:
    """What is planned on one resource. `own`: by database, the rates of its streams, those of its images and how many
    of these there are; `all`: the same of all, with copies. `fitting`: of streams for which there is room."""

    resource: Resource
    jobs: list[tuple[JobDemand, int]] = field(default_factory=list)
    fitting: int = 0
    all: tuple[int, int, int] = (0, 0, 0)
    own: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def stream(self, one: StreamDemand) -> None:
        self.fitting += one.rate if one.fits else 0
        self._add(one.database, one.rate, 0, 0)

    def job(self, one: JobDemand, rate: int) -> None:
        self.jobs.append((one, rate))
        self._add(None if one.source else one.database, 0, rate, 1)

    def _add(self, database: str | None, streams: int, jobs: int, many: int) -> None:
        of = self.all
        self.all = of[0] + streams, of[1] + jobs, of[2] + many
        if database is not None:
            of = self.own.get(database, (0, 0, 0))
            self.own[database] = of[0] + streams, of[1] + jobs, of[2] + many

    def without(self, gone: frozenset[str]) -> tuple[int, int, int]:
        """`all`, but for what is `gone` databases' own."""
        streams, jobs, many = self.all
        fewer, more = (gone, self.own) if len(gone) < len(self.own) else (self.own, gone)
        for one in fewer:
            if one in more:
                of = self.own[one]
                streams, jobs, many = streams - of[0], jobs - of[1], many - of[2]
        return streams, jobs, many


class Background:
    """What is reserved beside the recoveries of a failure, by resource."""

    def __init__(
        self, demand: Demand, stores: Mapping[str, Store], databases: Mapping[str, Database], ways: Ways
    ) -> None:
        self._demand, self._stores, self._databases, self._ways = demand, stores, databases, ways
        self._protected = demand.jobs_by_database.keys() | demand.streams_by_database.keys()
        self._held: dict[str, _Held] = {}
        for stream in demand.streams:
            for one in stream.resources:
                self._held_of(one).stream(stream)
        for job in demand.jobs:
            for one in job.resources:
                self._held_of(one).job(job, job.slot.on(one.name) if job.slot else 0)

    def _held_of(self, resource: Resource) -> _Held:
        found = self._held.get(resource.name)
        if found is None:
            found = self._held[resource.name] = _Held(resource)
        return found

    def beside(self, loss: Loss) -> Beside:
        """While what `loss` took down comes back."""
        silent = self._silent(loss)
        return Beside(self, loss, silent, self._detours(loss, silent) if loss.sites and self._through else ())

    def _silent(self, loss: Loss) -> frozenset[str]:
        """Where several come back to where they were, those that are back first stream and dump beside the others."""
        if loss.scope in ELSEWHERE:
            return frozenset(loss.databases)
        if loss.scope in AGAIN and sum(one in self._protected for one in (*loss.databases, *loss.along)) <= 1:
            return frozenset(loss.databases)
        return frozenset()

    def _detours(self, loss: Loss, silent: frozenset[str]) -> tuple[tuple[Flow, tuple[Resource, ...]], ...]:
        """What no longer passes a resource stays reserved there."""
        found: list[tuple[Flow, tuple[Resource, ...]]] = []
        for ends in dict.fromkeys(pair for site in loss.sites for pair in self._through.get(site, ())):
            route = None if set(ends) & set(loss.sites) else self._ways.routes.between(*ends, loss.sites)
            for flow in self._between[ends] if route else ():
                copied = isinstance(flow, JobDemand) and flow.source
                if route is not None and (copied or flow.database not in silent):
                    found.append((flow, tuple(one for one in self._ways.links(route) if one not in flow.resources)))
        return tuple(found)

    def reserved(self, name: str, gone: frozenset[str], loss: Loss) -> int:
        """Bytes per second on a resource by what goes on: streams, and the most that jobs hold at any instant. That is
        no more than all jobs hold at any, nor than those that go on hold together; but no less than what jobs take
        first, since how much of it they take depends on every other resource."""
        held = self._held.get(name)
        if held is None:
            return 0
        streams, jobs, many = held.without(gone)
        if loss.sites:
            rates = [rate for one, rate in held.jobs if self.goes_on(one, gone, loss)]
            jobs, many = sum(rates), len(rates)
        peak = self._demand.peaks.get(name, 0) - held.fitting
        return streams + (min(peak, max(jobs, self._first(held))) if many else 0)

    def _first(self, held: _Held) -> int:
        """What jobs take first of what streams leave."""
        usable = self._ways.usable(held.resource)
        return 0 if usable is None or at_database(held.resource.name) else taken_first(usable - held.fitting)

    def goes_on(self, flow: Flow, gone: frozenset[str], loss: Loss) -> bool:
        """Whether a job reads and writes what is left, where a copy needs no database; and whether a stream has one."""
        copied = flow.source if isinstance(flow, JobDemand) else None
        if copied is None and flow.database in gone:
            return False
        if not loss.sites or isinstance(flow, StreamDemand):
            return True
        return all(self._left(one, loss) for one in (flow.store, copied) if one)

    def _left(self, store: str, loss: Loss) -> bool:
        one = self._stores[store]
        return one.site not in loss.sites or (loss.scope is Scope.SITE and zone_redundant(one))

    @once
    def _between(self) -> Mapping[tuple[str, str], list[Flow]]:
        """The flows from site to site."""
        found: dict[tuple[str, str], list[Flow]] = {}
        for flow in self._demand.flows:
            source = flow.source if isinstance(flow, JobDemand) else None
            begins = self._stores[source].site if source else self._databases[flow.database].site
            ends = self._stores[flow.store].site
            if begins != ends:
                found.setdefault((begins, ends), []).append(flow)
        return found

    @once
    def _through(self) -> Mapping[str, list[tuple[str, str]]]:
        """By site, between which two others something flows through it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for ends in self._between:
            route = self._ways.routes.between(*ends)
            for site in _passed(ends[0], route) if route else ():
                found.setdefault(site, []).append(ends)
        return found


def _passed(source: str, route: Route) -> Iterable[str]:
    """The sites on the way, without the ends."""
    at = source
    for link in route.links[:-1]:
        at = link.target if link.source == at else link.source
        yield at
