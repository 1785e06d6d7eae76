"""What goes on beside a recovery: the streams and jobs of databases that run, and copies from stores that are left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.failures import Loss, zone_redundant
from bkpc_compiler.estate.resources import Resource, Ways
from bkpc_compiler.estate.routes import Route
from bkpc_compiler.feasibility.demand import Demand, JobDemand
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Scope, Store

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
        return self.background.reserved(name, self.silent, self.loss.sites) + self._more.get(name, 0)

    @once
    def _more(self) -> Mapping[str, int]:
        more: dict[str, int] = {}
        for flow, resources in self.detours:
            for one in resources:
                more[one.name] = more.get(one.name, 0) + flow.rate
        return more


class Background:
    """What is reserved beside the recoveries of a failure, by resource."""

    def __init__(
        self, demand: Demand, stores: Mapping[str, Store], databases: Mapping[str, Database], ways: Ways
    ) -> None:
        self._demand, self._stores, self._databases, self._ways = demand, stores, databases, ways
        self._protected = demand.jobs_by_database.keys() | demand.streams_by_database.keys()
        self._streams: dict[str, dict[str, int]] = {}
        self._jobs: dict[str, set[str]] = {}
        self._copied: dict[str, dict[str, Store]] = {}
        for stream in demand.streams:
            for one in stream.resources:
                of = self._streams.setdefault(one.name, {})
                of[stream.database] = of.get(stream.database, 0) + stream.rate
        for job in demand.jobs:
            for one in job.resources:
                self._jobs.setdefault(one.name, set()).add(job.database)
                if job.source:
                    self._copied.setdefault(one.name, {})[job.source] = stores[job.source]
        self._steady = {name: sum(of.values()) for name, of in self._streams.items()}
        fitting: dict[str, int] = {}
        for stream in demand.streams:
            for one in stream.resources:
                fitting[one.name] = fitting.get(one.name, 0) + (stream.rate if stream.fits else 0)
        self._peaks = {name: peak - fitting.get(name, 0) for name, peak in demand.peaks.items()}

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

    def reserved(self, name: str, gone: frozenset[str], sites: tuple[str, ...]) -> int:
        """Bytes per second on a resource: by databases that are not `gone`, and copies from stores not at `sites`."""
        of = self._streams.get(name, {})
        streams = self._steady.get(name, 0)
        if of and gone:
            fewer, more = (gone, of) if len(gone) < len(of) else (of, gone)
            streams -= sum(of[one] for one in fewer if one in more)
        peak = self._peaks.get(name, 0)
        if not peak:
            return streams
        jobs = self._jobs.get(name, set())
        copied = self._copied.get(name, {}).values()
        busy = not jobs <= gone or any(one.site not in sites or zone_redundant(one) for one in copied)
        return streams + (peak if busy else 0)

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
