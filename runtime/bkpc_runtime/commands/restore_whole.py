"""A whole database into an empty server: what is said of it, and its accounts around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from bkpc_runtime import events
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.status_keeping import untrusted
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.account_statements import AccountName
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.prepared import left_prepared
from bkpc_runtime.recovery.accounts_back import AccountsBack, absent_definers, holds_accounts
from bkpc_runtime.recovery.choice import Choice, Start, choose, starts
from bkpc_runtime.recovery.image_first import image_first
from bkpc_runtime.recovery.load import ready_target
from bkpc_runtime.recovery.marker import KEPT, Marker, recalled
from bkpc_runtime.recovery.point import AtTime, Point
from bkpc_runtime.recovery.recover import Means, recover, way_of
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import ByApplier, Way
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.steps.verification import note_met
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import need_key
from bkpc_runtime.world import World


@dataclass(frozen=True, slots=True)
class Wish:
    """How a database is to come back: only to say what would be done; without its accounts."""

    dry_run: bool = False
    without_accounts: bool = False


def restore_alone(
    wish: Wish, world: World, which: tuple[str, Store], target: Target, means: Means, point: Point
) -> str:
    """`restore_whole` of one that nobody paces: its log gives way to its image by itself."""
    first = image_first(world.plan, *which)
    return restore_whole(wish, world, which, target, replace(means, first=first), point)


def restore_whole(
    wish: Wish, world: World, which: tuple[str, Store], target: Target, means: Means, point: Point,
    loaded: Callable[[], None] = lambda: None,
) -> str:  # fmt: skip
    """One database with all that it has; or only what would be done. `loaded`: the image is there. Where it is then."""
    database, store = which
    telling = _Telling(store, target, means.identities, wish.without_accounts)
    telling.after_load = loaded
    if wish.dry_run:
        _dry_run(choose(store, database, point, means.identities), target, means, telling)
        return ""
    with events.step(f"{database}/restore", "restore", database) as telling.step:
        with Reading(store, world.clock, f"restore into {target.address.text}") as telling.reading:
            try:
                restored = recover(starts(store, database, point, means.identities), store, target, means, telling)
            except BaseException as problem:
                note_met(store, problem, world.clock())
                telling.broke_off()
                raise
        telling.finish_accounts([statement for one in restored.accounts for statement in one.statements])
    seconds = restored.loading + restored.replaying
    say(f"restored in {seconds:.1f} s: {restored.loading:.1f} s image, {restored.replaying:.1f} s log")
    if restored.last:
        say(f"the last transaction is of {restored.last.committed.isoformat()}")
    for (schema, table), engine in sorted(restored.other_engines.items()):
        say(f"{schema}.{table} was of storage engine {engine}, which the target lacks: it has the default one")
    with closing(target.connect()) as connection:
        for line in left_prepared(connection):
            say(line)
    say("the event scheduler of the target is off: SET GLOBAL event_scheduler = ON when you put it in service")
    point_there, into = restored.position.text, target.address.text
    events.tell(events.Restored(database=database, point=point_there, into=into, tables=()))
    print(f"{database} is restored to {point_there}")
    return restored.position.text


def _dry_run(choice: Choice, target: Target, means: Means, telling: _Telling) -> None:
    """Reads the log to its end, for the exact position."""
    facts = ready_target(target, choice.image)
    way = way_of(target, facts, means) if choice.window else None
    telling.preview(choice.image, way)
    if choice.window and choice.stop:
        commit = f", last commit {choice.last_commit.isoformat()}" if choice.last_commit else ""
        say(f"log    from {choice.image.position.text} to {choice.stop.text}{commit}")
        for line in choice.window.failovers(choice.stop):
            say(f"       {line}")


class _Telling:
    """Says what is done, and brings accounts back around it."""

    def __init__(self, store: Store, target: Target, identities: Sequence[Secret], without_accounts: bool) -> None:
        self._store, self._target, self._identities = store, target, identities
        self._without_accounts = without_accounts
        self._accounts: AccountsBack | None = None
        self._again = self._loaded = False
        self.reading: Reading | None = None
        self.step: events.Step | None = None
        self.after_load: Callable[[], None] = lambda: None

    def preview(self, image: Image, way: Way | None) -> None:
        manifest = image.manifest
        say(f"image  {manifest.id} of {manifest.flavour} {manifest.server_version}, finished {manifest.finished}")
        say(f"       {len(manifest.parts)} parts, {manifest.stored_size:,} bytes in store `{self._store.name}`")
        for line in untrusted(self._store, image):
            say(f"       {line}")
        say(f"into   {self._target.address.text}")
        if isinstance(way, ByApplier):
            say(f"replay by its own applier, through {way.folder}")
        elif way:
            say(f"replay through its client ({way.because})")
        for one in manifest.not_included:
            say(f"not in it: {one}")
        self._preview_accounts(image)

    def _preview_accounts(self, image: Image) -> None:
        if not holds_accounts(image):
            return
        if self._without_accounts:
            say("users  left out: --without-accounts")
        if image.manifest.encrypted and not self._identities:
            say("users  in the image, which is encrypted")
            return
        # Views can't be made on views whose definer is not there: unwanted accounts are made too, and dropped again.
        self._accounts = AccountsBack.on(self._target, image, self._store, self._identities)
        self._recall(self._accounts)
        if not self._without_accounts:
            say(f"users  {self._accounts.count} accounts and roles with their grants")
            kept = ", ".join(one.text for one in self._accounts.conflicts)
            say(f"       left as they are on the target: {kept or 'none'}")

    def certain(self, start: Start, _: ServerFacts, way: Way | None) -> None:
        manifest = start.image.manifest
        self.preview(start.image, way)
        if start.window:
            say(f"log    from {start.image.position.text}, {start.until}")
            for line in start.failovers:
                say(f"       {line}")
        if isinstance(start.point, AtTime) and manifest.flavour == "mariadb":
            say("       MariaDB's log says when a statement began: one that ran across the asked time may be in it")
        need_key(encrypted=manifest.encrypted, identities=self._identities)
        if self.reading:
            self.reading.hold(start.image, log_too=start.window is not None)

    def _recall(self, accounts: AccountsBack) -> None:
        """What an earlier run has made is not the target's own."""
        with closing(self._target.connect()) as connection:
            found = recalled(connection, KEPT)
        if found is not None:
            self._again = True
            accounts.kept = frozenset(AccountName(user, host) for user, host in json.loads(found))

    def begins(self, marker: Marker) -> None:
        if self._accounts:
            marker.remember(KEPT, json.dumps([[one.user, one.host] for one in sorted(self._accounts.kept)]))
            self._accounts.create(self._target, again=self._again)

    def before_views(self) -> None:
        if self._accounts:
            self._accounts.grant(self._target)

    def loaded(self) -> None:
        self._loaded = True
        if self._accounts:
            self._accounts.grant_on_views(self._target)
        self.after_load()

    def broke_off(self) -> None:
        """Accounts that this restore made go again, lest the next one take them for the target's own and leave them as
        they are. One that goes on makes them again."""
        if self._accounts and self._loaded:
            with suppress(RuntimeFailure):  # the target may be gone: what broke it off says more
                self._accounts.forget(self._target)
                say("accounts: those that this restore made are dropped again")

    def loading(self, part: Part, number: int, of: int) -> None:
        name = f"{part.schema}.{part.table}".strip(".") or part.kind
        say(f"  [{number}/{of}] {name}")
        if self.step:
            self.step.part(number, of, name)

    def replaying(self, file: str, size: int) -> None:
        pass

    def finish_accounts(self, logged: Sequence[Statement]) -> None:
        """Grants, what the log says of accounts, and who is missing."""
        if self._accounts and self._without_accounts:
            self._accounts.forget(self._target)
        elif self._accounts:
            self._accounts.follow(self._target, logged)
            for problem in self._accounts.problems:
                say(f"accounts: {problem}")
        if logged and not (self._accounts and not self._without_accounts):
            say(f"accounts: {len(logged)} statements of the log about accounts were left out")
        absent = absent_definers(self._target)
        if absent:
            say(f"defined by accounts that are not there: {', '.join(absent)}: views, triggers, routines and events of "
                "theirs fail when used")  # fmt: skip
