"""From a plan to the things it names: servers with their logins, stores that are open."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection

from bkpc_grammar import plan as contract
from bkpc_grammar.address import host_and_port
from bkpc_grammar.canonical import PlanRejected, canonical_bytes, read_plan
from bkpc_grammar.quantities import Duration
from bkpc_runtime.errors import BadUsage, Refused, StepFailed, StoreUnreachable
from bkpc_runtime.mysql.address import Address, SslMode, can_log_in
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.away import AwayStore
from bkpc_runtime.stores.open import open_settings, open_store
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import Store

if TYPE_CHECKING:
    from bkpc_runtime.stores.oss_settings import BucketSettings

_SSL: dict[str, SslMode] = {
    "off": "disabled",
    "required": "required",
    "verify-ca": "verify-ca",
    "verify-identity": "verify-identity",
}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """A plan and where its relative paths and environment variables are looked up; `clock` says what time it is.

    `broken_off`: once set, images and copies that are under way end at their next byte, and clean up. `away`: stores
    that were asked in vain, and why they did not answer; those that people have `left_out` are among them.
    """

    plan: contract.Plan
    folder: Path
    environ: Mapping[str, str]
    clock: Callable[[], datetime] = _now
    broken_off: threading.Event = field(default_factory=threading.Event)
    away: Mapping[str, StoreUnreachable] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @property
    def document(self) -> bytes:
        return canonical_bytes(self.plan)

    def go_on(self) -> None:
        """Raises `StepFailed` once jobs are broken off."""
        if self.broken_off.is_set():
            raise StepFailed("broken off: bkpc was told to stop", help="run it again", retryable=True)

    def databases(self, name: str | None) -> tuple[contract.Database, ...]:
        """The one called `name`, or all.

        Raises:
            BadUsage: the plan has no such database.
        """
        known = self.plan.estate.databases
        if name is None:
            return known
        found = tuple(one for one in known if one.name == name)
        if not found:
            names = ", ".join(one.name for one in known)
            raise BadUsage(f"the plan has no database `{name}`", help=f"it has: {names}")
        return found

    def store(self, name: str, patience: Patience | None = None) -> Store:
        """An open store; `patience` where it isn't the usual.

        Raises:
            BadUsage: the plan has no such store, or its credentials are not in the environment.
        """
        if name in self.away:
            return AwayStore(name, self.away[name])
        return open_store(self._stored(name), self.folder, self.environ, patience)

    def location(self, name: str) -> str:
        """Where a store is: a bucket, or a directory."""
        stored = self._stored(name)
        return str(self.folder / stored.location) if stored.kind == "directory" else stored.location

    def bucket(self, name: str) -> BucketSettings:
        """The settings of the bucket of a store, which is no directory; raises as `store`."""
        return open_settings(self._stored(name), self.folder, self.environ)

    def _stored(self, name: str) -> contract.Store:
        for one in self.plan.estate.stores:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.plan.estate.stores)
        raise BadUsage(f"the plan has no store `{name}`", help=f"it has: {names}")

    def stores_of(self, database: str) -> tuple[str, ...]:
        """The names of all stores that keep something of a database: those that thaw come last."""
        names = {name for job in self.plan.jobs if job.database == database for name in job.stores}
        names |= {name for stream in self.plan.streams if stream.database == database for name in stream.stores}
        thaw = {one.name: one.thaw_ms for one in self.plan.estate.stores}
        return tuple(sorted(names, key=lambda name: (thaw.get(name, 0), name)))

    def replicas_of(self, database: str) -> tuple[str, ...]:
        """The names of the stores that OSS copies those of a database to, by itself."""
        names = self.stores_of(database)
        return tuple(one.replicates_to for one in self.plan.settings if one.store in names and one.replicates_to)

    def thaws(self, store: str) -> str:
        """That what a store keeps must thaw before it can be read, in words; empty where it can be read at once."""
        for one in self.plan.estate.stores:
            if one.name == store and one.thaw_ms:
                usual = Duration(Fraction(one.thaw_ms, 1000)).human()
                return f"must thaw before it can be read: {one.storage_class}, usually within {usual}"
        return ""

    def login(self, database: contract.Database) -> tuple[Address, Secret]:
        """Where the server is, and user and password from where the plan says."""
        user, password = self._credentials(database)
        host, port, socket = _place(database.address)
        address = Address(
            user=user,
            host=host,
            port=port,
            socket=socket,
            ssl_mode=_SSL[database.tls.mode],
            ssl_ca=str(self.folder / database.tls.ca) if database.tls.ca else "",
            password_env=database.credentials.names[1] if database.credentials else "",
            password_file="",
        )
        return address, password

    def connect(self, database: contract.Database) -> Connection[Any]:
        address, password = self.login(database)
        return connect(address, password)

    def _credentials(self, database: contract.Database) -> tuple[str, Secret]:
        reference = database.credentials
        if reference is None or reference.kind != "env" or len(reference.names) != 2:
            raise BadUsage(
                f"database `{database.name}` names no pair of environment variables for its login",
                help="write `credentials env USER_VARIABLE, PASSWORD_VARIABLE` in its block",
            )
        missing = [name for name in reference.names if name not in self.environ]
        if missing:
            raise BadUsage(
                f"the environment has no {' and no '.join(missing)}, which database `{database.name}` needs",
                help=f"export {missing[0]}=… before running bkpc",
            )
        user, password = (
            can_log_in(self.environ[name], f"the value of {name}, which database `{database.name}` needs,")
            for name in reference.names
        )
        return user, Secret(password)


def _place(address: str) -> tuple[str, int, str]:
    host, port = host_and_port(address)
    if not host:
        return "", 0, address
    if not (port or "3306").isdigit():
        raise BadUsage(f"the address {address!r} has no port", help="write it as host:3306")
    return host, int(port or "3306"), ""


def open_world(path: Path, environ: Mapping[str, str] | None = None) -> World:
    """The world of the plan in the file `path`.

    Raises:
        BadUsage: no such file.
        Refused: it is not a plan, or was edited after it was compiled.
    """
    try:
        document = path.read_bytes()
    except OSError as problem:
        raise BadUsage(f"the plan {path} can't be read: {problem.strerror}") from problem
    try:
        plan = read_plan(document, str(path))
    except PlanRejected as problem:
        raise Refused(str(problem)) from problem
    return World(plan, path.resolve().parent, os.environ if environ is None else environ)
