"""What a restore writes into its target while it runs, so that it can be run again after it broke off.

It is a schema of its own, `bkpc_restore`, made once the target is known to be empty, and dropped in the end. While
it is there the target is not restored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.recovery.target import Target

SCHEMA = "bkpc_restore"
_IMAGE, _REPLAY, _PART = "image", "replay", "part "
KEPT = "accounts that were there"
"""What is remembered under this: accounts that are the target's own, as pairs of user and host in JSON."""
_LOCK = "bkpc restore"
_PATIENCE = 3
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What an earlier run left: the image it loaded, which parts are `loaded` or `begun`, whether it replayed."""

    image: str
    loaded: frozenset[str]
    begun: frozenset[str]
    replayed: bool


def unfinished(connection: Connection[Any]) -> Unfinished | None:
    """What the target says of an earlier run; None where there was none."""
    if not query(connection, "SELECT 1 FROM information_schema.tables WHERE table_schema = %s", (SCHEMA,)):
        return None
    rows = {str(what): str(state) for what, state in query(connection, f"SELECT what, state FROM {SCHEMA}.progress")}
    parts = {what.removeprefix(_PART): state for what, state in rows.items() if what.startswith(_PART)}
    loaded = frozenset(name for name, state in parts.items() if state == "loaded")
    return Unfinished(rows.get(_IMAGE, ""), loaded, frozenset(parts) - loaded, _REPLAY in rows)


def recalled(connection: Connection[Any], what: str) -> str | None:
    """What an earlier run remembered."""
    if unfinished(connection) is None:
        return None
    rows = query(connection, f"SELECT state FROM {SCHEMA}.progress WHERE what = %s", (what,))
    return str(rows[0][0]) if rows else None


@contextmanager
def alone(target: Target, schemas: Iterable[str] = ()) -> Iterator[Connection[Any]]:
    """In this block nobody else restores into the target, or tables into one of these schemas of it; the connection
    holds the locks.

    Raises:
        Refused: another restore is running there.
    """
    locks = {f"{_LOCK} {sha256(one.lower().encode()).hexdigest()[:32]}": f"schema {one} of " for one in schemas}
    with closing(target.connect()) as connection:
        for lock, of in sorted((locks or {_LOCK: ""}).items()):
            # MySQL gives back the lock of a restore that has ended a moment after its connection has.
            if query(connection, f"SELECT GET_LOCK(%s, {_PATIENCE})", (lock,))[0][0] != 1:
                raise Refused(
                    f"another restore into {of}{target.address.text} is running",
                    help=f"wait for it, or end its connection: it holds the lock '{lock}'",
                )
        query(connection, "SET SESSION wait_timeout = 31536000")
        yield connection


class Marker:
    """The progress of one restore in its target. `connection` holds the lock, see `alone`."""

    def __init__(self, connection: Connection[Any], image: str) -> None:
        self._connection, self.image = connection, image
        self._lock = threading.Lock()
        self.before = Unfinished(image, frozenset(), frozenset(), False)
        found = unfinished(connection)
        if found and found.image:
            self.before = found
            return
        query(connection, f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
        query(
            connection,
            f"CREATE TABLE IF NOT EXISTS {SCHEMA}.progress "
            "(what VARCHAR(255) PRIMARY KEY, state LONGTEXT NOT NULL) ENGINE = InnoDB",
        )
        self._write(_IMAGE, image)

    def begin(self, part: str) -> None:
        self._write(_PART + part, "begun")

    def loaded(self, part: str) -> None:
        self._write(_PART + part, "loaded")

    def replaying(self) -> None:
        """From now on a run that breaks off can't be gone on with."""
        self._write(_REPLAY, "begun")

    def remember(self, what: str, text: str) -> None:
        """For a later run, which asks `recalled`; kept as it was first."""
        with self._lock:
            query(self._connection, f"INSERT IGNORE INTO {SCHEMA}.progress VALUES (%s, %s)", (what, text))

    def done(self) -> None:
        with self._lock:
            query(self._connection, f"DROP DATABASE {SCHEMA}")

    def _write(self, what: str, state: str) -> None:
        with self._lock:
            query(self._connection, f"REPLACE INTO {SCHEMA}.progress VALUES (%s, %s)", (what, state))


def refuse_others(target: Target, found: Unfinished, image: str, made: Sequence[str] = ()) -> None:
    """An earlier run that this one can't go on with; it `made` these accounts.

    Raises:
        Refused: it was of another image, or was replaying.
    """
    drop = f", and DROP USER or DROP ROLE the accounts that it made, {', '.join(made)}" if made else ""
    how = f"empty the target: DROP DATABASE what it holds and {SCHEMA}{drop}; nothing was changed"
    if found.replayed:
        raise Refused(f"a restore into {target.address.text} broke off while it replayed log", help=how)
    if found.image and found.image != image:
        raise Refused(
            f"an unfinished restore of image {found.image} is in {target.address.text}, and this one is of {image}",
            help=f"go on with that image, or {how}",
        )
