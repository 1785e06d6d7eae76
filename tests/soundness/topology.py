"""Sites, routes and what a failure takes, worked out from the program alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from bkpc_compiler.program.model import Database, HotLevel, Link, Policy, Program, Scope, Store

_LOOPBACK = ("127.", "localhost", "[::1]", "::1", "/")


@dataclass(frozen=True, slots=True)
class Failure:
    """One loss: `lost` as the plan names it, the databases it takes down, and the sites and stores gone with it.

    `along`: those that are up, and go back with others of their group. `deleted`: by database, the stores in which
    nothing of it is locked, after somebody broke in.
    """

    scope: Scope
    lost: str
    databases: frozenset[str]
    sites: frozenset[str]
    stores: frozenset[str]
    along: frozenset[str] = frozenset()
    deleted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def gone(self, database: str) -> frozenset[str]:
        """The stores in which nothing of a database is left."""
        return self.stores | self.deleted.get(database, frozenset())

    @property
    def out_of_service(self) -> frozenset[str]:
        return self.databases | self.along


class Topology:
    """Lookups into one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.databases: dict[str, Database] = {one.name: one for one in program.databases}
        self.stores: dict[str, Store] = {one.name: one for one in program.stores}
        self.policies: dict[str, Policy] = {one.database: one.policy for one in program.protections}
        self.regions: dict[str, str] = {one.name: one.region for one in program.sites}
        self._routes: dict[tuple[str, str, frozenset[str]], tuple[Link, ...] | None] = {}

    def route(self, source: str, target: str, gone: frozenset[str] = frozenset()) -> tuple[Link, ...] | None:
        """Fewest hops, then widest; through none of the sites that are `gone` (it may start at one)."""
        key = (source, target, gone)
        if key not in self._routes:
            ways = [*self._ways(source, target, (source, *gone))]
            self._routes[key] = min(ways, key=lambda way: (len(way), -width(way)), default=None)
        return self._routes[key]

    def _ways(self, here: str, target: str, seen: tuple[str, ...]) -> Iterator[tuple[Link, ...]]:
        if here == target:
            yield ()
            return
        for link in self.program.links:
            ends = [(link.source, link.target), (link.target, link.source)] if link.both_ways else [
                (link.source, link.target)
            ]  # fmt: skip
            for near, far in ends:
                if near == here and (far not in seen):
                    yield from ((link, *rest) for rest in self._ways(far, target, (*seen, far)))

    def latency(self, source: str, target: str) -> float:
        """Seconds along the route; 0 at one site."""
        return float(sum((one.latency.value.seconds for one in self.route(source, target) or ()), Fraction(0)))

    def failure(self, scope: Scope, database: str) -> Failure:
        """What the loss of this scope, the one that hits `database`, takes along."""
        found = self._failure(scope, database)
        joined = {name for one in found.databases & self.policies.keys() for name in self.group(one)}
        return replace(found, along=frozenset(joined - found.databases))

    def group(self, database: str) -> frozenset[str]:
        """All protected databases that go back to one point with it, itself too, through all groups that meet."""
        found: set[str] = set()
        ahead = [database]
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead += [one for group in self.program.groups if name in group.members for one in group.members]
        return frozenset(found & self.policies.keys()) | {database}

    def _failure(self, scope: Scope, database: str) -> Failure:
        hit = self.databases[database]
        if scope is Scope.INTRUDER:
            deleted = {name: frozenset(self._unlocked(policy)) for name, policy in self.policies.items()}
            return Failure(
                scope, "credentials", frozenset(self.policies), frozenset(), frozenset(), frozenset(), deleted
            )
        if scope in {Scope.CORRUPTION, Scope.HOST}:
            if scope is Scope.CORRUPTION:
                return Failure(scope, database, frozenset((database,)), frozenset(), frozenset())
            down = frozenset(one.name for one in self.databases.values() if _on_one_machine(one, hit))
            return Failure(scope, database, down, frozenset(), frozenset(self._on_machine(hit)))
        region = self.regions[hit.site]
        sites = {hit.site} if scope is Scope.SITE else {name for name, one in self.regions.items() if one == region}
        gone = [one.name for one in self.stores.values() if one.site in sites and not (
            scope is Scope.SITE and zone_redundant(one)
        )]  # fmt: skip
        down = frozenset(one.name for one in self.databases.values() if one.site in sites)
        return Failure(scope, hit.site if scope is Scope.SITE else region, down, frozenset(sites), frozenset(gone))

    def _unlocked(self, policy: Policy) -> Iterator[str]:
        for store in self.stores.values():
            if store.kind != "oss" or policy.lock is None:
                yield store.name

    def at_server(self, name: str) -> frozenset[str]:
        """The databases that one server is declared as, itself too: of it one image is taken at a time."""
        own = self.databases[name]
        alike = (one for one in self.databases.values() if (one.site, one.address) == (own.site, own.address))
        return frozenset(one.name for one in alike)

    def machine(self, name: str) -> list[Database]:
        """The databases on the machine of one, itself too."""
        own = self.databases[name]
        return sorted((one for one in self.databases.values() if _on_one_machine(one, own)), key=lambda one: one.name)

    def dumped(self, name: str) -> list[Fraction]:
        """What the machine of one gives at best while it is dumped; nothing where nobody says it."""
        machine = self.machine(name)
        known = [one.dumps.value.bytes_per_second for one in machine if one.dumps]
        return [(max if len(known) == len(machine) else min)(known)] if known else []

    def starts(self, name: str) -> float:
        """Seconds that a recovery takes to start."""
        given = self.databases[name].starts
        return float(given.value.seconds) if given else 0.0

    def creates(self, name: str) -> float:
        """Seconds that the tables of an image take beside its bytes, where all are loaded table by table."""
        one, policy = self.databases[name], self.policies.get(name)
        if one.tables is None or one.table is None or policy is None:
            return 0.0
        logical = all(level.engine != "physical" for level in policy.images)
        return int(one.tables.value.number) * float(one.table.value.seconds) if logical else 0.0

    def _on_machine(self, database: Database) -> list[str]:
        if not database.address.startswith(_LOOPBACK):
            return []
        return [one.name for one in self.stores.values() if one.kind == "directory" and one.site == database.site]

    def new_home(self, database: str, failure: Failure) -> str | None:
        """The site where it is rebuilt: its own, or the first standby that is left."""
        one = self.databases[database]
        if one.site not in failure.sites:
            return one.site
        return next((standby.site for standby in one.standbys if standby.site not in failure.sites), None)

    def leads_back(self, database: str, store: str, failure: Failure) -> bool:
        """Whether what is in `store` can be brought to a place where it is rebuilt; or none such is known."""
        one, there = self.databases[database], self.stores[store].site
        homes = [one.site, *(standby.site for standby in one.standbys)] if failure.sites else [one.site]
        left = [home for home in homes if home not in failure.sites]
        return not left or any(self.route(there, home, failure.sites) is not None for home in left)

    def having_all(self, database: str, log: str, failure: Failure) -> tuple[str, ...]:
        """The stores of a `hot sync` that can be read where the database is rebuilt, if they have all that was
        acknowledged between them: of every quorum one. Else, and of any other log, none."""
        policy, home = self.policies.get(database), self.new_home(database, failure)
        hot = synced(policy, log) if policy else None
        if hot is None or home is None:
            return ()
        left = [one.value for one in hot.stores if one.value not in failure.gone(database)]
        read = [one for one in left if self.route(self.stores[one].site, home, failure.sites) is not None]
        return tuple(read) if len(hot.stores) - len(read) < hot.quorum else ()

    def keeps_quorums(self, database: str, log: str, failure: Failure) -> bool:
        """Whether of every quorum of a `hot sync` a store is left."""
        hot = synced(self.policies[database], log)
        if hot is None:
            return False
        lost = [one for one in hot.stores if one.value in failure.gone(database)]
        return len(lost) < hot.quorum

    def until_somebody_acts(self, name: str, failure: Failure) -> float:
        """Seconds: on one that is up, the failure of others is noticed, and then somebody acts on it."""
        policy = self.policies.get(name)
        noticed = [policy] if policy else []
        if name in failure.along:
            noticed = [self.policies[one] for one in self.group(name) & failure.databases]
        detects = [float(one.detect.value.seconds) if one.detect else 0.0 for one in noticed]
        activates = float(policy.activate.value.seconds) if policy and policy.activate else 0.0
        return min(detects, default=0.0) + activates

    def needed(self, database: str) -> frozenset[str]:
        """`database` and all it needs, directly or not."""
        found: set[str] = set()
        waiting = [database]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [one.value for one in self.databases[name].needs]
        return frozenset(found)


def _on_one_machine(one: Database, other: Database) -> bool:
    """Whether two databases of a site stand or fall together: by one host, or both as seen from the machine itself."""
    if one.site != other.site:
        return False
    local = [each.address.startswith(_LOOPBACK) for each in (one, other)]
    if any(local):
        return all(local)
    return one.address.rpartition(":")[0] == other.address.rpartition(":")[0]


def zone_redundant(store: Store) -> bool:
    """Whether the store outlives its site."""
    if store.redundancy is not None:
        return store.redundancy.value == "zrs"
    return store.storage_class is not None and store.storage_class.value.zone_redundancy


def width(way: tuple[Link, ...]) -> Fraction:
    """Of a route: what its narrowest link carries; no links carry anything."""
    return min((one.bandwidth.value.bytes_per_second for one in way), default=Fraction(10**18))


def synced(policy: Policy, log: str) -> HotLevel | None:
    """The `hot sync` that writes into a store, if any."""
    return next((hot for hot in policy.hot if hot.sync and any(one.value == log for one in hot.stores)), None)


def thaw_seconds(store: Store) -> float:
    storage = store.storage_class
    return float(storage.value.thaw.value.seconds) if storage and storage.value.thaw else 0.0
