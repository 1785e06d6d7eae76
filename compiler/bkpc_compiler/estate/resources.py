"""What flows share: links, stores, machines; with their capacities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property

from msgspec import Struct

from bkpc_compiler.estate.failures import Machine, machine_of
from bkpc_compiler.estate.routes import Route, Routes
from bkpc_compiler.program.model import Account, Database, Given, Link, Origin, Program, Schedule, Store
from bkpc_compiler.source import Span
from bkpc_compiler.timetable.calendar import Rhythm, rhythm_of
from bkpc_grammar.address import one_server
from bkpc_grammar.quantities import Duration, Rate, Size


class Resource(Struct, frozen=True, eq=False):
    """Something with a capacity. `name` as in a plan; no `capacity`: never the narrow place."""

    name: str
    words: str  # for people: `link hangzhou -- beijing`
    capacity: Rate | None
    span: Span | None
    origin: Origin
    best: Rate | None = None  # the most that any of those that share it is said to take

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def most(self) -> Fraction:
        """Bytes per second that it never exceeds; of a firm resource."""
        found = self.best or self.capacity
        assert found is not None
        return found.amount

    @property
    def firm(self) -> bool:
        """Whether its capacity is known: a cautious figure of `std` proves a promise, but refutes none."""
        return self.capacity is not None and self.origin is not Origin.STANDARD


def _resource(name: str, words: str, given: Given[Rate] | None) -> Resource:
    if given is None:
        return Resource(name, words, None, None, Origin.DECLARED)
    return Resource(name, words, given.value, given.span, given.origin)


class Ways:
    """Which resources lie between databases and stores; each resource made once."""

    def __init__(self, program: Program, routes: Routes) -> None:
        self.program, self.routes = program, routes
        self._made: dict[str, Resource] = {}
        self._accounts = {one.region: one for one in program.accounts}
        self._regions = {one.name: one.region for one in program.sites}
        self._usable: dict[str, int | None] = {}
        self._of: dict[tuple[str, str], Resource] = {}
        self._reading: dict[tuple[str, str, tuple[str, ...]], tuple[Resource, ...] | None] = {}
        self._writing: dict[tuple[str, str], tuple[Duration, tuple[Resource, ...]] | None] = {}
        self._reads: dict[str, tuple[Resource, ...]] = {}
        self._rhythms: dict[int, Rhythm] = {}  # by the identity of a schedule of the program

    def _once(self, name: str, words: str, given: Given[Rate] | None) -> Resource:
        if name not in self._made:
            self._made[name] = _resource(name, words, given)
        return self._made[name]

    def links(self, route: Route) -> tuple[Resource, ...]:
        return tuple(self.link(one) for one in route.links)

    def reading(self, store: Store, site: str, lost: tuple[str, ...]) -> tuple[Resource, ...] | None:
        """What lies between `store` and `site` when `lost` sites are gone; None where no links lead there."""
        key = (store.name, site, lost)
        try:
            return self._reading[key]
        except KeyError:
            route = self.routes.between(store.site, site, lost)
            found = self._reading[key] = None if route is None else (*self.reads_of(store), *self.links(route))
            return found

    def writing(self, site: str, store: Store) -> tuple[Duration, tuple[Resource, ...]] | None:
        """The latency between `site` and `store`, and what lies there; None where no links lead there."""
        key = (site, store.name)
        if key not in self._writing:
            route = self.routes.between(site, store.site)
            way = None if route is None else (route.latency, (*self.links(route), *self.writes_of(store)))
            self._writing[key] = way
        return self._writing[key]

    def rhythm(self, schedule: Schedule) -> Rhythm:
        """The rhythm of a schedule of the program: many databases share one."""
        found = self._rhythms.get(id(schedule))
        if found is None:
            found = self._rhythms[id(schedule)] = rhythm_of(schedule)
        return found

    def link(self, link: Link) -> Resource:
        return self._once(f"link:{link.name}", f"link {link.name}", link.bandwidth)

    def reads_of(self, store: Store) -> tuple[Resource, ...]:
        """The store, and what the account may read in its region."""
        if store.name not in self._reads:
            self._reads[store.name] = self._reads_of(store)
        return self._reads[store.name]

    def _reads_of(self, store: Store) -> tuple[Resource, ...]:
        own = self._once(f"store:{store.name}:reads", f"reading from `{store.name}`", store.reads)
        account = self._account(store)
        if account is None or account.reads is None:
            return (own,)
        words = f"reading from OSS in {account.region}"
        return (own, self._once(f"account:{account.region}:reads", words, account.reads))

    def writes_of(self, store: Store) -> tuple[Resource, ...]:
        """The store, and what the account may write in its region."""
        own = self._once(f"store:{store.name}:writes", f"writing to `{store.name}`", store.writes)
        account = self._account(store)
        if account is None or account.writes is None:
            return (own,)
        words = f"writing to OSS in {account.region}"
        return (own, self._once(f"account:{account.region}:writes", words, account.writes))

    def _account(self, store: Store) -> Account | None:
        """Buckets of one region are taken to be one account's: nothing says that they are not."""
        return self._accounts.get(self._regions[store.site]) if store.kind == "oss" else None

    def usable(self, resource: Resource) -> int | None:
        """Whole bytes per second after headroom; None: not a narrow place."""
        if resource.name not in self._usable:
            room = derated(resource, self.program.headroom.value)
            self._usable[resource.name] = None if room is None else int(room)
        return self._usable[resource.name]

    def server_of(self, database: Database) -> str:
        """The name of the first database at its server: of one server one image is taken at a time."""
        return self._servers[database.site, one_server(database.address)]

    def dumps_of(self, database: Database) -> Resource:
        """What the database's machine gives while it is dumped; shared by all databases on that machine."""
        return self._of.get((database.name, "dump")) or self._on_host(database, "dump")

    def restores_of(self, database: Database) -> Resource:
        """What the database's machine takes in; shared by all databases on that machine."""
        return self._of.get((database.name, "")) or self._on_host(database, "")

    def replays_of(self, database: Database) -> Resource:
        """What the database's machine replays of a log; shared by all databases on that machine."""
        return self._of.get((database.name, "log")) or self._on_host(database, "log")

    def _on_host(self, database: Database, what: str) -> Resource:
        host = self._hosts[database.name]
        name = host[0].name
        if what == "dump":
            made = self._shared(f"database:{name}:dump", f"dumping `{name}`", [one.dumps for one in host])
        elif what == "log":
            made = self._shared(f"database:{name}:log", f"replay on `{name}`", [one.replays for one in host])
        else:
            made = self._shared(f"database:{name}", f"loading into `{name}`", [one.restores for one in host])
        self._of[database.name, what] = made
        return made

    def _shared(self, name: str, words: str, figures: list[Given[Rate] | None]) -> Resource:
        """One machine of several databases: the most cautious of what is said of it proves, the boldest refutes."""
        if name not in self._made:
            known = sorted((one for one in figures if one), key=lambda one: one.value.amount)
            if not known:
                self._made[name] = _resource(name, words, None)
            else:
                bold = known[-1].value if len(known) == len(figures) else None
                least = known[0]
                self._made[name] = Resource(name, words, least.value, least.span, least.origin, bold)
        return self._made[name]

    @cached_property
    def _servers(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for database in self.program.databases:
            found.setdefault((database.site, one_server(database.address)), database.name)
        return found

    @cached_property
    def _hosts(self) -> dict[str, list[Database]]:
        """By database, those on its machine, by name: they share it, under the first one's name."""
        found: dict[Machine, list[Database]] = {}
        of: dict[str, list[Database]] = {}
        for database in sorted(self.program.databases, key=lambda one: one.name):
            of[database.name] = found.setdefault(machine_of(database), [])
            of[database.name].append(database)
        return of


def narrowest(resources: Iterable[Resource]) -> Resource | None:
    """The one known to have the least capacity; None where none is known to have one."""
    bounded = [one for one in resources if one.firm]
    return min(bounded, key=lambda one: (one.most, one.name), default=None)


def derated(resource: Resource, headroom: Fraction, reserved: int = 0) -> Fraction | None:
    """Bytes per second one may count on beside what is reserved; None: not a narrow place.

    Links and stores are derated by `headroom`: TCP does not fill them. What a host loads, replays or dumps is
    said of the whole of it, as it was measured.
    """
    if resource.capacity is None:
        return None
    room = resource.capacity.amount
    if not resource.name.startswith("database:"):
        room *= 1 - headroom
    if reserved:
        room -= reserved
    return room if room.numerator > 0 else Fraction(0)


def transfer_at_best(resources: Sequence[Resource], size: Size) -> Fraction:
    """Seconds that `size` takes at the full capacity of the narrowest resource known; 0 where none is."""
    rates = [one.most for one in resources if one.firm]
    return size.amount / min(rates) if rates else Fraction(0)
