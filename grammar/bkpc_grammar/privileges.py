"""What a backup's account must be allowed on a server: `preflight` looks for it, `compile --target iam` writes it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from bkpc_grammar.plan import Plan

Flavour = Literal["mysql", "mariadb"]
FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb")
POSITION: dict[Flavour, str] = {"mysql": "REPLICATION CLIENT", "mariadb": "BINLOG MONITOR"}
"""What lets an account ask where the server writes its binlog."""
FLUSH_TABLES_SINCE = (8, 0, 23)
"""MySQL's version that knows the privilege; before, it is part of RELOAD."""
_IMAGE = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
_STREAM = "REPLICATION SLAVE"
_ROTATION = "RELOAD"
_PHYSICAL: dict[str, tuple[str, ...]] = {
    "mariabackup": ("RELOAD", "PROCESS", POSITION["mariadb"]),
    "clone": ("PROCESS", "BACKUP_ADMIN"),
    "xtrabackup": ("RELOAD", "PROCESS", "LOCK TABLES", "BACKUP_ADMIN", POSITION["mysql"]),
}


def needed(
    flavour: Flavour,
    engines: Collection[str],
    *,
    stream: bool,
    log_bin: bool = True,
    flush_tables: bool = True,
    rotates: bool = False,
) -> tuple[str, ...]:
    """On all schemas: what an account may not see would not be in an image.

    MySQL's dump tool locks all tables for the moment in which it takes the position; FLUSH_TABLES allows that and,
    unlike RELOAD, not to delete the log. MariaDB's gets the position from the snapshot itself. `flush_tables`: whether
    the server knows that privilege. `rotates`: each image must begin a binlog of its own (`begins_binlogs`).
    """
    # Files are copied whoever asks; the account must see all only to say what is in them.
    wanted = [one for one in _IMAGE if one != "SHOW VIEW" or "logical" in engines]
    if "logical" in engines and flavour == "mysql" and (log_bin or stream):
        wanted.append("FLUSH_TABLES" if flush_tables else "RELOAD")
    wanted += [one for name, more in _PHYSICAL.items() if name in engines for one in more]
    if stream or (flavour == "mysql" and log_bin and "logical" in engines):
        wanted.append(POSITION[flavour])
    wanted += [_STREAM] if stream else []
    wanted += [_ROTATION] if rotates else []
    return tuple(dict.fromkeys(wanted))


def begins_binlogs(plan: Plan, database: str) -> bool:
    """Whether the log of an image must not begin in an older binlog: its beginning might outlast the lock."""
    locked = any(one.database == database and one.lock_ms for one in plan.retention)
    return locked and any(one.database == database for one in plan.streams)


def grant(privileges: Collection[str], account: str) -> str:
    """The statement that gives them; `account` is quoted."""
    return f"GRANT {', '.join(privileges)} ON *.* TO {account};"
