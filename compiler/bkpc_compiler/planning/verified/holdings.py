"""Whether every job, stream and step holds all that it passes: worked out from the estate, not from the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from bkpc_compiler.planning.verified.estate import Estate, sites_between
from bkpc_compiler.planning.verified.flow import Flow
from bkpc_compiler.program.model import Link
from bkpc_grammar.plan import UPKEEP, Job, Plan, Recovery, Reservation, Step, Stream


class Holdings:
    """`flows`: all that pass what they hold; `faults`: what is wrong with the others, and with steps."""

    def __init__(self, plan: Plan, estate: Estate) -> None:
        self._estate = estate
        self.flows: list[Flow] = []
        self.faults: list[str] = []
        for job in plan.jobs:
            if job.kind not in UPKEEP:
                self._job(job)
        for stream in plan.streams:
            self._stream(stream)
        for recovery in plan.recoveries:
            self._recovery(recovery)

    def _job(self, job: Job) -> None:
        estate, held = self._estate, _rates(job.reserve)
        source = estate.stores[job.source_store].site if job.source_store else estate.databases[job.database].site
        for name in job.stores:
            store = estate.stores[name]
            needed = [*estate.writes(store), *self._source(job, held)]
            if not self._has(job.id, held, needed):
                continue
            way = next(estate.walks(held, source, store.site), None)
            if way is None:
                self._no_way(job.id, source, store.site, held)
                continue
            passed = (*needed, *_names(way))
            # By another way go the bytes that are moved: of the machine more may be held, for those that are read only.
            outside = [held[one] for one in passed if not one.startswith("database:")]
            rate = max(outside or [held[one] for one in passed], default=0)
            self._add(job.id, job.database, job.source_store, name, (source, store.site), way, needed, rate, job)

    def _source(self, job: Job, held: Collection[str]) -> tuple[str, ...]:
        if job.source_store:
            return self._estate.reads(self._estate.stores[job.source_store])
        return self._host(job.id, job.database, held, ":dump")

    def _host(self, who: str, database: str, held: Collection[str], what: str) -> tuple[str, ...]:
        """The machine's resource, which another database on it may give its name."""
        estate, one = self._estate, self._estate.databases[database]
        found, gives = estate.of_host(held, one, what), estate.host_gives(one, what)
        if found is None:
            return () if gives is None else (f"database:{database}{what}",)
        room = estate.usable(found)
        if room is not None and gives is not None and room > gives:
            self.faults.append(f"{who} counts on {room} B/s of {found}; its machine gives {int(gives)}")
        return (found,)

    def _stream(self, stream: Stream) -> None:
        """The ways to all stores together hold what the stream reserves."""
        estate, held = self._estate, _rates(stream.reserve)
        source = estate.databases[stream.database].site
        needs = [estate.writes(estate.stores[name]) for name in stream.stores]
        if len(stream.rates) != len(stream.stores):
            self.faults.append(f"{stream.id} has {len(stream.rates)} rates for {len(stream.stores)} stores")
        elif self._has(stream.id, held, [one for need in needs for one in need]):
            ends = [estate.stores[name].site for name in stream.stores]
            ways = self._ways(dict(held), source, ends, needs, stream.rates)
            if ways is None:
                words = f"{stream.id} does not hold {sum(stream.rates)} B/s along links from {source} to"
                self.faults.append(f"{words} {', '.join(sorted(set(ends)))}: it holds {_told(held)}")
                return
            for name, end, need, way, rate in zip(stream.stores, ends, needs, ways, stream.rates, strict=True):
                self._add(stream.id, stream.database, None, name, (source, end), way, need, rate, None)

    def _ways(
        self,
        left: dict[str, int],
        source: str,
        ends: Sequence[str],
        needs: Sequence[Sequence[str]],
        rates: Sequence[int],
    ) -> list[tuple[Link, ...]] | None:
        """A way to each end, so that what they hold together is `left`; None where there are none."""
        if not ends:
            return []
        for way in self._estate.walks(left, source, ends[0]):
            names = {*_names(way), *needs[0]}
            if all(left[name] >= rates[0] for name in names):
                rest = {name: rate - rates[0] if name in names else rate for name, rate in left.items()}
                others = self._ways(rest, source, ends[1:], needs[1:], rates[1:])
                if others is not None:
                    return [way, *others]
        return None

    def _recovery(self, recovery: Recovery) -> None:
        gone = self._estate.lost_sites(recovery.scope, recovery.lost)
        where: dict[str, set[str]] = {}
        for step in recovery.steps:
            if step.kind not in {"restore.image", "restore.log"} or not step.bytes or step.store is None:
                continue
            who = f"{recovery.scope} of {recovery.lost}: {step.id}"
            ends = set.intersection(*(self._ends(who, step, one, gone) for one in (step.store, *step.beside)))
            if ends and not where.setdefault(step.database, ends) & ends:
                self.faults.append(f"{who} leads to {', '.join(sorted(ends))}, and the image elsewhere")

    def _ends(self, who: str, step: Step, name: str, gone: frozenset[str]) -> set[str]:
        """Where the links that a step holds lead, of the places where the database may be rebuilt."""
        estate, held = self._estate, _rates(step.reserve)
        store, database = estate.stores[name], estate.databases[step.database]
        what = ":log" if step.kind == "restore.log" else ""
        if not self._has(who, held, [*estate.reads(store), *self._host(who, step.database, held, what)]):
            return set()
        standbys = [one.site for one in database.standbys if one.site not in gone]
        places = standbys if database.site in gone else [database.site]
        ends = {end for end in places if next(estate.walks(held, store.site, end, gone), None) is not None}
        if not ends:
            self._no_way(who, store.site, " or ".join(places) or "nowhere", held)
        return ends

    def _has(self, who: str, held: Collection[str], needed: Sequence[str]) -> bool:
        missing = sorted(set(needed) - set(held))
        self.faults += [f"{who} does not hold {one}, which it passes" for one in missing]
        return not missing

    def _no_way(self, who: str, source: str, target: str, held: Mapping[str, int]) -> None:
        self.faults.append(f"{who} holds no links from {source} to {target}: it holds {_told(held)}")

    def _add(
        self,
        id_: str,
        database: str,
        copied: str | None,
        store: str,
        at: tuple[str, str],
        way: tuple[Link, ...],
        held: Sequence[str],
        rate: int,
        job: Job | None,
    ) -> None:
        between = sites_between(way, at[0]) - {at[1]}
        self.flows.append(Flow(id_, database, copied, store, at, way, between, tuple(held), rate, job))


def unknown(plan: Plan, estate: Estate) -> Iterator[str]:
    """Names that a plan has and the policies have not."""
    parts: list[Job | Stream | Step] = [*plan.jobs, *plan.streams]
    parts += [step for recovery in plan.recoveries for step in recovery.steps]
    for part in parts:
        stores = (part.store, *part.beside) if isinstance(part, Step) else part.stores
        source = part.source_store if isinstance(part, Job) else None
        for store in (*stores, source):
            if store is not None and store not in estate.stores:
                yield f"{part.id}: there is no store {store}"
        if part.database not in estate.databases:
            yield f"{part.id}: there is no database {part.database}"


def faulty_capacities(plan: Plan, estate: Estate) -> Iterator[str]:
    """Resources of which a plan says that they give more than is declared, less headroom."""
    for one in plan.resources:
        usable = estate.declared(one.name)
        if usable is None:
            yield f"{one.name}: nothing declares it"
        elif one.usable > usable:
            yield f"{one.name}: {one.usable} B/s usable by the plan, {usable} by what is declared, less headroom"


def _rates(reserve: Sequence[Reservation]) -> dict[str, int]:
    return {one.resource: one.rate for one in reserve}


def _names(way: tuple[Link, ...]) -> tuple[str, ...]:
    return tuple(f"link:{one.name}" for one in way)


def _told(held: Collection[str]) -> str:
    return ", ".join(sorted(held)) or "nothing"
