"""What policies declare, looked up again for the second opinion: capacities, machines, and ways along links."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from ipaddress import ip_address
from itertools import pairwise

from bkpc_compiler.program.model import Database, Given, Link, Program, Store
from bkpc_grammar.quantities import Rate

Hop = tuple[Link, str]
"""A link, and the site it leads to."""


class Estate:
    """The facts of a program. `stated`: what a plan says is usable of resources, believed only where that is less."""

    def __init__(self, program: Program, stated: Mapping[str, int]) -> None:
        self._stated = stated
        self.stores = {one.name: one for one in program.stores}
        self.databases = {one.name: one for one in program.databases}
        self.policies = {one.database: one.policy for one in program.protections}
        self.retries = program.retries.value
        self._groups: dict[str, list[tuple[str, ...]]] = {}
        for group in program.groups:
            for member in group.members:
                self._groups.setdefault(member, []).append(group.members)
        self._grouped: dict[str, frozenset[str]] = {}
        self._share = 1 - program.headroom.value
        self._regions = {one.name: one.region for one in program.sites}
        self._accounts = {one.region: one for one in program.accounts}
        self._links = {f"link:{one.name}": one for one in program.links}
        self._hops: dict[str, list[Hop]] = {}
        for link in program.links:
            self._hops.setdefault(link.source, []).append((link, link.target))
            if link.both_ways:
                self._hops.setdefault(link.target, []).append((link, link.source))
        self._beside: dict[tuple[str, str], list[Database]] = {}
        for one in program.databases:
            self._beside.setdefault((one.site, _host(one.address)), []).append(one)
        self._known: dict[str, int | None] = {}
        self._detours: dict[tuple[str, str, frozenset[str]], tuple[Link, ...] | None] = {}

    def grouped(self, name: str) -> frozenset[str]:
        """What goes back to one point with `name`, itself included: groups that share a member are one."""
        if name not in self._grouped:
            found, ahead = {name}, [name]
            while ahead:
                one = ahead.pop()
                further = {other for group in self._groups.get(one, ()) for other in group} - found
                found |= further
                ahead += further
            self._grouped |= dict.fromkeys(found, frozenset(found))
        return self._grouped[name]

    def usable(self, name: str) -> int | None:
        """Whole bytes per second that reservations of `name` may add up to; None where nothing declares it."""
        declared = self.declared(name)
        return None if declared is None else min(declared, self._stated.get(name, declared))

    def latency(self, name: str) -> Fraction:
        """Seconds that a request takes through a resource: through a link."""
        return self._links[name].latency.value.amount if name in self._links else Fraction(0)

    def declared(self, name: str) -> int | None:
        """The same by what is declared, less headroom; hosts are said of the whole."""
        if name not in self._known:
            figure = self._figure(name)
            if figure is not None and not name.startswith("database:"):
                figure *= self._share
            self._known[name] = None if figure is None else int(figure)
        return self._known[name]

    def _figure(self, name: str) -> Fraction | None:
        kind, _, rest = name.partition(":")
        whose, _, what = rest.rpartition(":")
        if kind == "link" and name in self._links:
            return self._links[name].bandwidth.value.amount
        if kind == "store" and whose in self.stores:
            store = self.stores[whose]
            return _amount(store.reads if what == "reads" else store.writes)
        if kind == "account" and whose in self._accounts:
            account = self._accounts[whose]
            return _amount(account.reads if what == "reads" else account.writes)
        if kind == "database":
            named, what = (rest, "") if rest in self.databases else (whose, f":{what}")
            return self.host_gives(self.databases[named], what) if named in self.databases else None
        return None

    def host_gives(self, database: Database, what: str) -> Fraction | None:
        """Bytes per second that the machine of `database` gives: the least that any on it declares."""
        beside = self._beside[database.site, _host(database.address)]
        known = [figure for one in beside if (figure := _amount(_of_host(one, what))) is not None]
        return min(known, default=None)

    def server(self, name: str) -> tuple[str, str]:
        """What tells its server from others: its address, at its site."""
        database = self.databases[name]
        return database.site, database.address.casefold()

    def of_host(self, held: Collection[str], database: Database, what: str) -> str | None:
        """The resource among `held` that stands for the machine of `database`; None where none does."""
        own = f"database:{database.name}{what}"
        if own in held:
            return own
        for name in held:
            other = self.databases.get(name.removeprefix("database:").removesuffix(what))
            if other is not None and name == f"database:{other.name}{what}" and self._one_machine(database, other):
                return name
        return None

    def _one_machine(self, one: Database, other: Database) -> bool:
        """In the widest sense: all spellings of a loopback at one site, one host name however written."""
        first, second = _host(one.address), _host(other.address)
        if _loops(first) or _loops(second):
            return one.site == other.site and _loops(first) == _loops(second)
        return first.casefold() == second.casefold()

    def reads(self, store: Store) -> tuple[str, ...]:
        """What is read through on the way out of `store`, where it has a capacity."""
        return self._through(store, "reads")

    def writes(self, store: Store) -> tuple[str, ...]:
        """What is written through on the way into `store`, where it has a capacity."""
        return self._through(store, "writes")

    def _through(self, store: Store, what: str) -> tuple[str, ...]:
        names = [f"store:{store.name}:{what}"]
        if store.kind == "oss":
            names.append(f"account:{self._regions[store.site]}:{what}")
        return tuple(name for name in names if self.usable(name) is not None)

    def walks(
        self, held: Collection[str], source: str, target: str, around: Collection[str] = ()
    ) -> Iterator[tuple[Link, ...]]:
        """Every way from site to site along the links `held`, that passes no site twice and none of `around`."""
        yield from self._onwards(held, source, target, {*around, source} - {target})

    def _onwards(self, held: Collection[str], at: str, target: str, closed: set[str]) -> Iterator[tuple[Link, ...]]:
        if at == target:
            yield ()
            return
        for link, site in self._hops.get(at, ()):
            if site not in closed and f"link:{link.name}" in held:
                for rest in self._onwards(held, site, target, {*closed, site}):
                    yield (link, *rest)

    def detour(self, source: str, target: str, around: frozenset[str]) -> tuple[Link, ...] | None:
        """The way that is taken when sites are lost: fewest hops, then widest, then by name."""
        key = (source, target, around)
        if key not in self._detours:
            self._detours[key] = self._shortest(source, target, around - {source, target})
        return self._detours[key]

    def _shortest(self, source: str, target: str, around: frozenset[str]) -> tuple[Link, ...] | None:
        levels = [{source}]
        seen = {source, *around}
        while levels[-1] and target not in levels[-1]:
            found = {site for at in levels[-1] for _, site in self._hops.get(at, ())} - seen
            seen |= found
            levels.append(found)
        return self._widest(levels, target) if levels[-1] else None

    def _widest(self, levels: Sequence[Collection[str]], target: str) -> tuple[Link, ...]:
        """Of the ways that pass one site of each level: the widest, and of those the first by name."""
        widths: dict[str, Fraction | None] = dict.fromkeys(levels[0])
        for nearer, farther in pairwise(levels):
            for at in nearer:
                for link, site in self._hops.get(at, ()):
                    if site in farther:
                        width = _narrower(widths[at], link.bandwidth.value.amount)
                        widths[site] = max(widths.get(site) or width, width)
        best: dict[str, tuple[Link, ...]] = {target: ()}
        for nearer, farther in pairwise(reversed(levels)):
            for at in farther:
                ways = [
                    (link, *best[site])
                    for link, site in self._hops.get(at, ())
                    if site in nearer and site in best and link.bandwidth.value.amount >= (widths[target] or 0)
                ]
                if ways:
                    best[at] = min(ways, key=lambda way: [one.name for one in way])
        return best[next(iter(levels[0]))]

    def lost_sites(self, scope: str, lost: str) -> frozenset[str]:
        """The sites that are gone with `lost`."""
        if scope == "region":
            return frozenset(name for name, region in self._regions.items() if region == lost)
        return frozenset({lost} if scope == "site" else ())

    def outlives(self, store: Store, scope: str, gone: frozenset[str]) -> bool:
        """Whether `store` is left by the loss of the sites `gone`; one in several zones outlives one site."""
        spread = scope == "site" and store.redundancy is not None and store.redundancy.value == "zrs"
        return spread or store.site not in gone


def sites_between(way: tuple[Link, ...], source: str) -> frozenset[str]:
    """The sites that a way from `source` passes, its last one too."""
    found, at = [], source
    for link in way:
        at = link.target if link.source == at else link.source
        found.append(at)
    return frozenset(found)


def _narrower(way: Fraction | None, link: Fraction) -> Fraction:
    return link if way is None else min(way, link)


def _amount(given: Given[Rate] | None) -> Fraction | None:
    return given.value.amount if given else None


def _of_host(database: Database, what: str) -> Given[Rate] | None:
    return {"": database.restores, ":log": database.replays, ":dump": database.dumps}.get(what)


def _host(address: str) -> str:
    return address if address.startswith("/") else address.rpartition(":")[0] or address


def _loops(host: str) -> bool:
    """Whether a host may be the machine bkpc runs on, in any spelling."""
    plain = host.strip("[]").casefold()
    if plain.startswith(("/", "127.", "localhost")):
        return True
    try:
        number = ip_address(plain)
    except ValueError:
        return False
    return number.is_loopback or number.is_unspecified
