"""Sees that another plan than the agent's was put in force, says so, and has the agent go over to it where it is the
one in the agent's plan file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.repository import plans
from bkpc_runtime.repository.plans import short
from bkpc_runtime.world import World, open_world

log = logging.getLogger(__name__)
_LOOK = 2.0
_FILE_LOOK = 10.0
"""Seconds between looks whether the plan that is in the file now is in force."""
_STORE_LOOK = 600.0
"""Seconds between looks into stores while the file is the agent's plan: they charge for being asked."""
_AGAIN = 3600.0
"""Seconds before the same is said again."""


def check_environment(world: World) -> None:
    """Raises where what the plan names for its servers and stores is not in the environment."""
    for database in world.databases(None):
        world.login(database)
        for name in world.stores_of(database.name):
            world.store(name)


class PlanWatch:
    """Looks until told to stop. `file`: where the agent has its plan from; `say` is told why it goes on with the plan
    that it has, though there is another: empty where there is none."""

    def __init__(self, world: World, file: Path, say: Callable[[str], None]) -> None:
        self._world, self._file, self._say = world, file, say
        self._stamp: object = None
        self._open, self._failures = True, 0
        self._file_at = self._stores_at = 0.0
        self._by_store: dict[str, tuple[str, str]] = {}
        self._why = self._told = ""
        self._told_at = 0.0

    def run(self, stop: threading.Event, over: threading.Event) -> None:
        """Sets `over` once the agent must go over to what is in its plan file, and ends."""
        while not stop.wait(_LOOK):
            try:
                if self.look():
                    over.set()
                    return
            except Exception:
                log.exception("can't look which plan is in force")
                stop.wait(_FILE_LOOK)

    def look(self) -> bool:
        """Whether the plan in the file is another, is in force, and can be run here."""
        now, stamp = time.monotonic(), self._stamp_now()
        if stamp != self._stamp or (self._open and now >= self._file_at):
            self._stamp, self._file_at = stamp, now + _FILE_LOOK
            other, why = self._in_file()
            why = why or (self._why_not(other) if other else "")
            if other and not why:
                log.info("plan %s was applied: going over to it", short(other.plan.header.digest))
                return True
            self._open = bool(other or why)
            # A file that is being written can be read a moment later.
            self._failures = self._failures + 1 if why and other is None else 0
            self._why = "" if self._failures == 1 else why
        if not self._open and now >= self._stores_at:
            self._stores_at = now + _STORE_LOOK
            self._look_into_stores()
        self._tell(self._why or next((words for _, words in self._by_store.values() if words), ""))
        return False

    def _stamp_now(self) -> object:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _in_file(self) -> tuple[World | None, str]:
        """Another plan than the agent's, with the same environment, or why what is there can't be read."""
        try:
            found = open_world(self._file, self._world.environ)
        except RuntimeFailure as problem:
            return None, f"its plan file can't be used: {problem}"
        same = found.plan.header.digest == self._world.plan.header.digest
        return (None if same else found), ""

    def _why_not(self, other: World) -> str:
        """Why the agent does not go over to the plan in its file; empty if it does."""
        digest = short(other.plan.header.digest)
        ours = {one.name for one in self._world.plan.estate.databases}
        if not ours & {one.name for one in other.plan.estate.databases}:
            return f"plan {digest} in {self._file} has none of its databases: start it anew if that is meant"
        if not any(force.digest == other.plan.header.digest for _, force in _in_force(other)):
            return f"plan {digest} in {self._file} is not in force: bkpc apply {self._file}"
        try:
            check_environment(other)
        except RuntimeFailure as problem:
            return f"plan {digest} is in force, and can't be run as the agent was started: {problem}: start it anew"
        return ""

    def _look_into_stores(self) -> None:
        """Notes of each store whether another plan has come after ours. Plans of others may be in it, too: who is meant
        is read only when another one has been applied."""
        digest = self._world.plan.header.digest
        for name in sorted({one for db in self._world.databases(None) for one in self._world.stores_of(db.name)}):
            try:
                store = self._world.store(name)
                last = plans.last_applied(store)
                if last == self._by_store.get(name, ("", ""))[0]:
                    continue
                words = "" if last in {"", digest} else self._replaced_in(name)
                self._by_store[name] = last, words
            except RuntimeFailure as problem:
                log.debug("store %s can't be asked which plan is in force: %s", name, problem)

    def _replaced_in(self, name: str) -> str:
        digest = self._world.plan.header.digest
        for database, force in _in_force(self._world, name):
            if force.digest != digest:
                after = plans.was_applied(self._world.store(name), digest)
                return replaced(database, name, force.digest, digest if after else "")
        return ""

    def _tell(self, words: str) -> None:
        now = time.monotonic()
        self._say(words)
        if words and (words != self._told or now - self._told_at >= _AGAIN):
            log.warning("this agent goes on with plan %s: %s", short(self._world.plan.header.digest), words)
            self._told_at = now
        self._told = words


def replaced(database: str, store: str, force: str, applied: str) -> str:
    """That the plan with the digest `force` is in force, and what to do; `applied`: our own, where it was before."""
    if applied:
        return (
            f"plan {short(force)} was applied for `{database}` to {store} after plan {short(applied)}: give that one "
            "to agent and status (an agent goes over to it by itself once it is its plan file)"
        )
    return f"plan {short(force)} is in force for `{database}` in {store}, not this one: bkpc apply puts it in force"


def _in_force(world: World, store: str = "") -> Iterator[tuple[str, plans.InForce]]:
    """Of each database in each store (or one) that answers."""
    for database in world.databases(None):
        for name in world.stores_of(database.name):
            if store in {"", name}:
                try:
                    force = plans.in_force(world.store(name), database.name)
                except RuntimeFailure:
                    continue
                if force:
                    yield database.name, force
