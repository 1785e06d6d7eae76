"""The estate as a plan knows it: regions, sites and what stands in them; links, flows and needs.

A plan lists no sites and no links of its own. Sites come from what stands in them and from the ends of
links, links from the resources they are, and needs from the checks that wait for other checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_compiler.backends import words
from bkpc_grammar.plan import Database, Job, Plan, Store, Stream


@dataclass(frozen=True, slots=True)
class Crowd:
    """Databases of a site that are drawn as one. `name`: in place of theirs in flows and needs."""

    name: str
    databases: tuple[str, ...]
    size_bytes: int
    needing: int = 0  # of them need another of them


@dataclass(frozen=True, slots=True)
class Site:
    """A place that fails as one."""

    name: str
    databases: tuple[Database, ...]
    stores: tuple[Store, ...]
    crowds: tuple[Crowd, ...] = ()

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names of what stands for its databases."""
        return (*(one.name for one in self.databases), *(one.name for one in self.crowds))


@dataclass(frozen=True, slots=True)
class Region:
    """Sites that one disaster may take. `name` None: the plan does not say which region they are in."""

    name: str | None
    sites: tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Capacity between two sites."""

    source: str
    target: str
    both_ways: bool
    capacity: int
    usable: int

    @property
    def name(self) -> str:
        return f"{self.source} {'--' if self.both_ways else '->'} {self.target}"


@dataclass(frozen=True, slots=True)
class Flow:
    """What a job or a stream moves into one store, from a database or from another store; `database` empty: of all."""

    id: str
    kind: str  # for people: `full image`, `copy`, `log`
    database: str
    source_store: str | None
    store: str
    schedule: str
    rate: int | None
    number: int = 1  # of flows alike, drawn as one

    @property
    def continuous(self) -> bool:
        return self.kind == "log"

    @property
    def label(self) -> tuple[str, ...]:
        """Its lines in a picture."""
        what = f"{self.kind} of {self.database}" if self.source_store and self.database else self.kind
        what = f"{self.number:,} × {self.kind}" if self.number > 1 else what
        each = self.number > 1 and not self.continuous  # what has its turns is not reserved at once
        told = f"up to {words.rate(self.rate or 0)} each" if each else words.rate(self.rate or 0)
        reserved = (told,) if self.rate is not None else ()
        return (what, self.schedule, *reserved)


@dataclass(frozen=True, slots=True)
class View:
    """An estate, ready to draw."""

    regions: tuple[Region, ...]
    links: tuple[Link, ...]
    flows: tuple[Flow, ...]
    needs: tuple[tuple[str, str], ...]  # (database, the one it needs); of crowds one for each of its databases
    note: tuple[str, ...] = ()  # what is not drawn as it is

    @property
    def needs_counted(self) -> Iterator[tuple[str, str, int]]:
        """Each need, and how often; but for those within a crowd, which tells of them itself."""
        for (database, needed), count in sorted(Counter(self.needs).items()):
            if database != needed:
                yield database, needed, count


def estate_view(plan: Plan) -> View:
    """All of the plan's estate, sorted by name."""
    links = tuple(_links(plan))
    return View(_regions(plan, links), links, tuple(_flows(plan)), needs_of(plan))


def needs_of(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Which database is in service only after which other: from the checks of all recoveries."""
    found: set[tuple[str, str]] = set()
    for recovery in plan.recoveries:
        checks = {step.id: step.database for step in recovery.steps if step.kind == "check.service"}
        for step in recovery.steps:
            if step.id in checks:
                found |= {(step.database, checks[need]) for need in step.needs if need in checks}
    return tuple(sorted(found))


def _regions(plan: Plan, links: tuple[Link, ...]) -> tuple[Region, ...]:
    databases, stores = plan.estate.databases, plan.estate.stores
    names = {one.site for one in databases} | {one.site for one in stores}
    names |= {end for link in links for end in (link.source, link.target)}
    known = _region_of_sites(plan)
    by_region: dict[str | None, list[Site]] = {}
    for name in sorted(names):
        site = Site(
            name,
            tuple(one for one in databases if one.site == name),
            tuple(one for one in stores if one.site == name),
        )
        by_region.setdefault(known.get(name), []).append(site)
    return tuple(
        Region(name, tuple(by_region[name])) for name in sorted(by_region, key=lambda one: (one is None, one or ""))
    )


def _region_of_sites(plan: Plan) -> dict[str, str]:
    """Stores name the region of their site; the recovery of a region names the databases it takes down."""
    known = {store.site: store.region for store in plan.estate.stores}
    sites = {one.name: one.site for one in plan.estate.databases}
    for recovery in plan.recoveries:
        if recovery.scope == "region":
            for name in recovery.down:
                if name in sites:
                    known.setdefault(sites[name], recovery.lost)
    return known


def _links(plan: Plan) -> Iterator[Link]:
    for resource in plan.resources:
        kind, _, name = resource.name.partition(":")
        if kind != "link":
            continue
        arrow = " -- " if " -- " in name else " -> "
        source, _, target = name.partition(arrow)
        yield Link(source, target, arrow == " -- ", resource.capacity, resource.usable)


def _flows(plan: Plan) -> Iterator[Flow]:
    for job in plan.jobs:
        if job.kind in {"backup.full", "backup.incremental", "copy"}:
            yield from _flows_of_job(job)
    for stream in plan.streams:
        yield from _flows_of_stream(stream)
    for one in plan.settings:
        if one.replicates_to is not None:
            yield Flow(
                f"{one.store}/oss", "copied by OSS", "", one.store, one.replicates_to, "in no bounded time", None
            )


def _flows_of_job(job: Job) -> Iterator[Flow]:
    for store in job.stores:
        yield Flow(
            job.id,
            words.JOBS[job.kind],
            job.database,
            job.source_store,
            store,
            words.when(job.schedule),
            words.rate_into(job.reserve, store),
        )


def _flows_of_stream(stream: Stream) -> Iterator[Flow]:
    for store in stream.stores:
        often = f"every {words.span(stream.flush_ms)}"
        schedule = f"{often}, commits wait" if stream.sync else often
        yield Flow(
            stream.id, "log", stream.database, None, store, schedule, words.rate_into(stream.reserve, store)
        )  # fmt: skip
