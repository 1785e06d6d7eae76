"""What a failure takes and what it leaves, per scope."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bkpc_compiler.program.model import Database, Policy, Program, Scope, Store
from bkpc_grammar.address import host_and_port, is_loopback, one_spelling
from bkpc_grammar.quantities import ZERO_DURATION

Machine = tuple[str, str]
"""A host as everybody spells it, and the site it is at; no host: the machine that bkpc runs on there."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One failure: its scope, what it hits, the databases it takes down, the sites that are gone.

    `along`: protected databases that it leaves up, and that go back to one point with one that it takes down.
    `folders`: the site where directories are gone with the machine that bkpc runs on; "": they are left.
    """

    scope: Scope
    lost: str
    databases: tuple[str, ...]
    sites: tuple[str, ...]
    along: tuple[str, ...] = ()
    folders: str = ""

    def phrase(self) -> str:
        """The failure in words: `the loss of site `hangzhou``."""
        return {
            Scope.CORRUPTION: f"a corruption of `{self.lost}`",
            Scope.HOST: f"the loss of the host of `{self.lost}`",
            Scope.SITE: f"the loss of site `{self.lost}`",
            Scope.REGION: f"the loss of region `{self.lost}`",
            Scope.INTRUDER: "an intruder with the credentials of databases and backups",
        }[self.scope]


def local(database: Database) -> bool:
    """Whether the database may be on the machine bkpc runs on: by a socket, or a loopback name or number."""
    return not machine_of(database)[0]


def machine_of(database: Database) -> Machine:
    """What tells one machine from another: the host of the address, at its site. Two sites never share one."""
    host, _ = host_and_port(database.address)
    return ("" if not host or is_loopback(host) else one_spelling(host), database.site)


class Losses:
    """Every failure of a program; what each takes down is looked up, not searched for."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._region = {site.name: site.region for site in program.sites}
        self._on_machine: dict[Machine, list[str]] = {}
        self._at_site: dict[str, list[str]] = {}
        self._machine = {one.name: machine_of(one) for one in program.databases}
        for one in program.databases:
            self._on_machine.setdefault(self._machine[one.name], []).append(one.name)
            self._at_site.setdefault(one.site, []).append(one.name)
        protected = {protection.database for protection in program.protections}
        self._protected = tuple(one.name for one in program.databases if one.name in protected)
        points = points_of(program)
        self._points = {name: points[name] & protected for name in points.keys() & protected}
        self._known: dict[tuple[Scope, Machine | str], Loss] = {}

    def of(self, database: Database, scope: Scope) -> Loss:
        """The failure of `scope` that hits `database`, with everything else it takes down."""
        hit: Machine | str = database.site
        if scope is Scope.CORRUPTION:
            hit = database.name
        elif scope is Scope.HOST:
            hit = self._machine[database.name]
        key = (scope, hit)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._with_groups(self._loss(database, scope))
        return found

    def _with_groups(self, loss: Loss) -> Loss:
        joined = {name for one in loss.databases if one in self._points for name in self._points[one]}
        along = joined.difference(loss.databases) if joined else joined
        return replace(loss, along=tuple(sorted(along))) if along else loss

    def _loss(self, database: Database, scope: Scope) -> Loss:
        if scope is Scope.CORRUPTION:
            return Loss(scope, database.name, (database.name,), ())
        if scope is Scope.HOST:
            machine = self._machine[database.name]
            same = self._on_machine[machine]
            return Loss(scope, same[0], tuple(same), (), folders="" if machine[0] else database.site)
        if scope is Scope.SITE:
            return Loss(scope, database.site, tuple(self._at_site[database.site]), (database.site,))
        if scope is Scope.REGION:
            region = self._region[database.site]
            gone = tuple(name for name, its in self._region.items() if its == region)
            down = tuple(one.name for one in self._program.databases if one.site in gone)
            return Loss(scope, region, down, gone)
        return Loss(scope, "credentials", self._protected, ())


def points_of(program: Program) -> dict[str, frozenset[str]]:
    """By database, all that go back to one point with it, itself too: groups with a member in common share theirs."""
    found: dict[str, frozenset[str]] = {}
    for group in program.groups:
        if len(group.members) > 1:
            joined = frozenset(group.members).union(*(found.get(member, frozenset()) for member in group.members))
            found |= dict.fromkeys(joined, joined)
    return found


def loss_of(program: Program, database: Database, scope: Scope) -> Loss:
    """The failure of `scope` that hits `database`, for one question; `Losses` answers many."""
    return Losses(program).of(database, scope)


def zone_redundant(store: Store) -> bool:
    """Whether the store outlives one zone. Only where it says so: a bucket's default is not to."""
    return store.redundancy is not None and store.redundancy.value == "zrs"


def survives(store: Store, loss: Loss, policy: Policy) -> bool:
    """Whether what `policy` keeps of a database in `store` is still there after `loss`."""
    if loss.scope is Scope.HOST:
        return not (store.kind == "directory" and store.site == loss.folders)
    if loss.scope is Scope.SITE:
        return store.site not in loss.sites or zone_redundant(store)
    if loss.scope is Scope.REGION:
        return store.site not in loss.sites
    if loss.scope is Scope.INTRUDER:
        return locked(store, policy)
    return True


def locked(store: Store, policy: Policy) -> bool:
    """Whether nobody can delete from `store` before an intrusion is noticed."""
    if store.kind != "oss" or policy.lock is None:
        return False
    detect = policy.detect.value if policy.detect else ZERO_DURATION
    return policy.lock.value > detect
