"""Each database of a scope before anything is changed: whence, to which point, into what, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_grammar.log_objects import TOGETHER
from bkpc_runtime.commands.scope_notes import Notes
from bkpc_runtime.commands.thaw_first import Found as Cold
from bkpc_runtime.commands.thaw_first import Terms, Thaws
from bkpc_runtime.errors import PolicyBroken, Refused, RuntimeFailure, ServerFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.recovery.choice import Start, choose, starts
from bkpc_runtime.recovery.common_point import common_point
from bkpc_runtime.recovery.data_folder import UNFINISHED
from bkpc_runtime.recovery.load import holds_anything, ready_target
from bkpc_runtime.recovery.marker import unfinished
from bkpc_runtime.recovery.point import AtPosition, AtTime, NewestImage, Point, parse_point
from bkpc_runtime.recovery.recover import Means
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By
from bkpc_runtime.recovery.where_from import leading_there, stores_to_read
from bkpc_runtime.repository.log_names import names_of
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import both_names
from bkpc_runtime.transfer.identity import need_key, read_identities
from bkpc_runtime.world import World

_ZONES = "zrs"
"""The redundancy that outlives a site."""
_TARGETS = 64
"""Targets that are looked at side by side."""
_ANSWERS = 2
"""Seconds in which a server that is there answers."""
_LATER = "the point in common of its group is looked for when all their log has thawed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database goes: the URL of an empty server, or an empty data directory."""

    text: str
    folder: bool = False

    def target(self) -> Target:
        address = parse_address(self.text)
        return Target(address, address.password())

    @property
    def path(self) -> Path:
        return Path(self.text)

    @property
    def shown(self) -> str:
        """As messages show it."""
        return self.text if self.folder else parse_address(self.text).text


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: `text` is the point as it was written; empty: as the plan has it, where those of `alone` go
    without their log."""

    point: Point
    text: str
    idle: tuple[str, ...]
    store: str | None
    targets: Mapping[str, Place]
    alone: frozenset[str] = frozenset()

    def point_of(self, name: str) -> Point:
        return NewestImage() if name in self.alone else self.point


@dataclass(frozen=True, slots=True)
class Ways:
    """With what each database is restored."""

    identity: Path | None
    work: Path
    by: By
    clients: int | None
    without_accounts: bool
    terms: Terms
    other_engines: bool = False

    def means(self) -> Means:
        """The same, with the keys read."""
        keys = read_identities(self.identity) if self.identity else ()
        return Means(keys, self.work, self.by, self.clients, self.other_engines)


@dataclass(frozen=True, slots=True)
class Back:
    """One database of the scope, looked at: from `stores` (of images, and of log) to `point`, where that is known.

    `lines` say what will be done. `done`: where an earlier run has brought it. `problem`: what keeps it from it.
    `cold`: what must thaw before it begins. `absent`: its server is not there, or not yet. `together`: the names of its
    group, whose point in common is looked for only when all their log has thawed.
    """

    database: str
    place: Place
    shown: str
    lines: tuple[str, ...] = ()
    stores: tuple[str, str] = ("", "")
    point: Point | None = None
    done: str = ""
    problem: RuntimeFailure | None = None
    cold: Cold | None = None
    absent: RuntimeFailure | None = None
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a database comes from: its stores as one, where its recovery starts, and what of it must thaw first.

    `group`: in words, the point that its group has in common. `together`: as in `Back`.
    """

    store: Store
    start: Start
    cold: Cold | None = None
    group: str = ""
    together: tuple[str, ...] = ()


def _together(plan: contract.Plan, targets: Mapping[str, Place]) -> Iterator[tuple[str, ...]]:
    """The databases that go to one point in common, and those that go by themselves."""
    left = dict.fromkeys(targets)
    for group in plan.groups:
        members = tuple(name for name in group.databases if name in left)
        if len(members) > 1:
            for name in members:
                del left[name]
            yield members
    for name in left:
        yield (name,)


class Looking:
    """Looks at databases and targets, and changes nothing."""

    def __init__(
        self, world: World, recovery: contract.Recovery, asked: Asked, identities: Sequence[Secret], notes: Notes,
        thaws: Thaws,
    ) -> None:  # fmt: skip
        self._world, self._recovery, self._asked = world, recovery, asked
        self._identities, self._notes, self._thaws = identities, notes, thaws
        self._stores: dict[str, tuple[Store, tuple[Store, ...]] | RuntimeFailure] = {}
        self._found: dict[str, _Found | RuntimeFailure] = {}

    def all(self) -> list[Back]:
        """All of them, in the plan's order; what is wrong with one keeps no other from being looked at."""
        together = [*_together(self._world.plan, self._asked.targets)]
        for names in together:
            self._found |= self._at(names) if len(names) > 1 else {}
        with ThreadPoolExecutor(TOGETHER, thread_name_prefix="look") as pool:
            for one in pool.map(self._at, (names for names in together if len(names) == 1)):
                self._found |= one
        order = {step.database: number for number, step in reversed([*enumerate(self._recovery.steps)])}
        ordered = sorted(self._asked.targets, key=lambda name: (order[name], name))
        # One that does not answer keeps the others waiting for as long as it takes to see that.
        with ThreadPoolExecutor(_TARGETS, thread_name_prefix="look") as pool:
            return list(pool.map(self.back, ordered))

    def again(self, names: tuple[str, ...]) -> list[Back]:
        """Those of a group whose log has thawed."""
        self._found |= self._at(names)
        return [self.back(name) for name in names]

    def _at(self, names: tuple[str, ...]) -> dict[str, _Found | RuntimeFailure]:
        """By name; where one of a group can't go to the point in common, none of it can."""
        try:
            return self._of(names)
        finally:
            # Names of many logs take memory.
            for read in [self._stores.get(name) for name in names]:
                for store in (read[0], *read[1]) if read and not isinstance(read, RuntimeFailure) else ():
                    if known := names_of(store):
                        known.forget()

    def _of(self, names: tuple[str, ...]) -> dict[str, _Found | RuntimeFailure]:
        known = [self._notes.databases[name].point for name in names if name in self._notes.databases]
        try:
            if len(names) > 1 and len(known) < len(names):
                return dict(self._group(names))
        except RuntimeFailure as problem:
            return dict.fromkeys(names, problem)
        found: dict[str, _Found | RuntimeFailure] = {}
        for name in names:
            try:
                noted = self._notes.databases.get(name)
                point = parse_point(noted.point) if noted else self._asked.point_of(name)
                found[name] = self._alone(name, point)
            except RuntimeFailure as problem:
                found[name] = problem
        return found

    def _group(self, names: tuple[str, ...]) -> Iterator[tuple[str, _Found]]:
        files = {name for name in names if self._asked.targets[name].folder}
        with ThreadPoolExecutor(TOGETHER, thread_name_prefix="look") as pool:
            list(pool.map(self._store, names))
        point = self._asked.point
        cold = {
            name: self._thaws.of(name, self._store(name), point, physical=name in files, latest_too=True)
            for name in names
        }
        if any(found and found.of_log for found in cold.values()):
            for name, found in cold.items():
                start = found.start if found else self._by_names(name, point)
                yield name, _Found(self._store(name), start, found, _LATER, names)
            return
        read = {name: self._read(name) for name in names}
        stores = {name: self._thaws.reading(name, read[name][0], cold[name]) for name in names}
        logs = {name: also for name, (_, also) in read.items()}
        idle = [name for name in self._asked.idle if name in names]
        moment, members = common_point(
            stores, self._asked.point, idle, self._identities, files, logs, self._elsewhere
        )  # fmt: skip
        for one in members:
            name, of = one.database, cold[one.database]
            if of and one.until is None:
                of = self._thaws.of(name, self._store(name), one.point, physical=name in files)
            common = f"the point in common is {moment.isoformat()}"
            if one.until is None:
                common += ": the snapshot of this image, for it has no log"
            yield name, _Found(one.store, one.start, of, f"{common}{one.left_out(moment)}")

    def _by_names(self, name: str, point: Point) -> Start:
        folder = self._asked.targets[name].folder
        return next(starts(self._store(name), name, point, (), physical=folder, by_names=True))

    def _alone(self, name: str, point: Point) -> _Found:
        store, folder = self._store(name), self._asked.targets[name].folder
        cold = self._thaws.of(name, store, point, physical=folder)
        if cold:
            return _Found(store, cold.start, cold)
        store = self._thaws.reading(name, store, None)
        try:
            return _Found(store, self._start(store, name, point))
        except (PolicyBroken, Refused):
            other = self._elsewhere(name, store, point)
            if other is None:
                raise
            return _Found(other, self._start(other, name, point))

    def _start(self, store: Store, name: str, point: Point) -> Start:
        folder = self._asked.targets[name].folder
        start = next(starts(store, name, point, self._identities, physical=folder), None)
        if start is None or not start.sure:
            start = choose(store, name, point, self._identities, physical=folder).start
        return start

    def _elsewhere(self, name: str, store: Store, point: Point) -> Store | None:
        """Another store that the recovery may read, in which the log of a database leads to a point; none is asked
        that must thaw."""
        if self._asked.store or not isinstance(point, AtTime | AtPosition):
            return None
        ready = [one for one in self._among(name) if not self._world.thaws(one)]
        folder = self._asked.targets[name].folder
        return leading_there(
            self._world, name, point, self._identities, ready, physical=folder, instead_of=store
        )  # fmt: skip

    def _store(self, name: str) -> Store:
        return self._read(name)[0]

    def _read(self, name: str) -> tuple[Store, tuple[Store, ...]]:
        """Whence it comes: for that the names of its logs are listed, once."""
        if name not in self._stores:
            try:
                self._stores[name] = self._whence(name)
            except RuntimeFailure as problem:
                self._stores[name] = problem
        found = self._stores[name]
        if isinstance(found, RuntimeFailure):
            raise found
        return found

    def _whence(self, name: str) -> tuple[Store, tuple[Store, ...]]:
        """Images from where the plan takes them, if there are any; of the rest, what is not lost too. One that fails
        may have what no other has."""
        steps = {one.kind: one for one in self._recovery.steps if one.database == name and one.store}
        image = steps.get("restore.image")
        turns = (str(image.store), *image.beside) if image and image.beside else ()
        return stores_to_read(self._world, name, self._asked.store, self._among(name), turns, all_of_them=True)

    def _among(self, name: str) -> tuple[str, ...]:
        return stores_of(self._world, self._recovery, name)

    def back(self, name: str) -> Back:
        """With its target as it is now."""
        place, found = self._asked.targets[name], self._found[name]
        back = Back(name, place, place.text)
        try:
            back = replace(back, shown=place.shown)
            if isinstance(found, RuntimeFailure):
                raise found
            stores = both_names(found.store)
            point = None if found.together else found.start.fixed
            back = replace(back, lines=tuple(_lines(found)), stores=stores, point=point, cold=found.cold)
            back = replace(back, together=found.together)
            return self._at_target(back, found)
        except RuntimeFailure as problem:
            return replace(back, problem=problem)

    def _at_target(self, back: Back, found: _Found) -> Back:
        try:
            if not back.place.folder:
                back.place.target().connect(connect_timeout=_ANSWERS).close()
            if position := self._done(back.database, back.place):
                return replace(back, lines=(f"restored to {position} by an earlier run",), done=position)
            self._check(back.place, found)
        except ServerFailed as problem:
            if not problem.retryable:
                raise
            self._need_key(found)
            return replace(back, absent=problem)
        return back

    def _done(self, name: str, place: Place) -> str:
        """Where an earlier run has brought it; empty where none has, or what it restored is not there any more."""
        note = self._notes.databases.get(name)
        if note is None or not note.done or note.target != place.text:
            return ""
        if place.folder:
            return note.done if place.path.is_dir() and any(place.path.iterdir()) else ""
        with closing(place.target().connect()) as connection:
            same = read_facts(connection).identity == note.server
            return note.done if same and holds_anything(connection) and unfinished(connection) is None else ""

    def _check(self, place: Place, found: _Found) -> None:
        if place.folder:
            there = sorted(one.name for one in place.path.iterdir()) if place.path.is_dir() else []
            if set(there) - {"lost+found", UNFINISHED}:
                raise Refused(f"the data directory {place.text} is not empty: it holds {', '.join(there[:5])}")
        else:
            ready_target(place.target(), found.start.image)
        self._need_key(found)

    def _need_key(self, found: _Found) -> None:
        need_key(encrypted=found.start.image.manifest.encrypted, identities=self._identities)


def stores_of(world: World, recovery: contract.Recovery, name: str) -> tuple[str, ...]:
    """What a database may come from: first from where the plan takes it, then the rest of what is not lost too."""
    steps = {one.kind: one for one in recovery.steps if one.database == name and one.store}
    planned = [str(steps[kind].store) for kind in ("restore.image", "restore.log") if kind in steps]
    # An intruder may have written what no lock protects.
    more = () if recovery.scope == "intruder" else (*world.stores_of(name), *world.replicas_of(name))
    left = [one for one in more if not _lost(world.plan, recovery, one)]
    return tuple(dict.fromkeys((*planned, *left)))


def _lost(plan: contract.Plan, recovery: contract.Recovery, store: str) -> bool:
    (one,) = (each for each in plan.estate.stores if each.name == store)
    if recovery.scope == "site":
        return one.site == recovery.lost and one.redundancy != _ZONES
    return recovery.scope == "region" and one.region == recovery.lost


def _lines(found: _Found) -> Iterator[str]:
    manifest = found.start.image.manifest
    yield f"image {manifest.id} of {manifest.flavour} {manifest.server_version}, finished {manifest.finished}"
    yield f"{manifest.stored_size:,} bytes in store `{found.store.name}`"
    if found.start.window:
        yield f"log from {found.start.image.position.text}, {found.start.until}"
        yield from found.start.failovers
    if found.group:
        yield found.group
