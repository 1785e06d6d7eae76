"""How a log is replayed: by the target's own applier where we can write its data directory, else through its client."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pymysql.connections import Connection

from bkpc_runtime.errors import Refused, RuntimeFailure
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.preflight_privileges import missing_privileges, read_grants

By = Literal["auto", "applier", "client"]
SPOOLED = "bkpc-restore"
"""What files in a server's directory are called before they are handed over."""
_FILTERS = (
    "replicate_do_db", "replicate_ignore_db", "replicate_do_table", "replicate_ignore_table",
    "replicate_wild_do_table", "replicate_wild_ignore_table", "replicate_rewrite_db",
)  # fmt: skip
_NEEDED = {
    "mysql": ("REPLICATION_SLAVE_ADMIN", "SYSTEM_VARIABLES_ADMIN"),
    "mariadb": ("REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN"),
}
_STARTING = 10.0
"""Seconds in which a process becomes a server that counts its own."""
_ASSIGNS_GTIDS_SINCE = (8, 0, 23)


@dataclass(frozen=True, slots=True)
class ByApplier:
    """The log is handed over in `folder`, where the server of user `owner` (uid, gid) looks for relay logs."""

    folder: Path
    owner: tuple[int, int]

    def place(self, number: int) -> Path:
        return self.folder / f"{SPOOLED}.{number:06d}"


@dataclass(frozen=True, slots=True)
class ByClient:
    """The log is kept in `folder` and piped through the client; `because` says why."""

    folder: Path
    because: str

    def place(self, number: int) -> Path:
        return self.folder / f"log.{number:06d}"


Way = ByApplier | ByClient


def find_way(connection: Connection[Any], address: Address, facts: ServerFacts, work: Path, by: By = "auto") -> Way:
    """The applier where the server is ours: it runs on this machine, and its directory is ours to write in.

    Raises:
        Refused: the applier was asked for and can't be had.
    """
    if by == "client":
        return ByClient(work, "asked for")
    folder = _relay_folder(facts)
    reason = _not_here(connection, address, facts, folder) or _unfit(connection, facts)
    if not reason:
        owner = folder.stat()
        return ByApplier(folder, (owner.st_uid, owner.st_gid))
    if by == "applier":
        raise Refused(f"the applier of {address.text} can't replay: {reason}", help="--replay client pipes instead")
    return ByClient(work, reason)


def _relay_folder(facts: ServerFacts) -> Path:
    datadir = Path(facts.variable("datadir"))
    named = facts.variable("relay_log_basename") or facts.variable("relay_log")
    return (datadir / named).parent if named else datadir


def _not_here(connection: Connection[Any], address: Address, facts: ServerFacts, folder: Path) -> str:
    """Why the server's directory is not at hand; empty where it is."""
    datadir = Path(facts.variable("datadir"))
    if not address.local:
        return "it runs on another machine"
    try:
        pid = int((datadir / facts.variable("pid_file")).read_text())
        # A server in a container may say the same of itself as one beside it.
        if (
            facts.variable("hostname") != socket.gethostname()
            or not Path(f"/proc/{pid}/cwd").samefile(datadir)
            or abs(_age_of(pid) - _uptime(connection)) > _STARTING
        ):
            return f"its data directory is not {datadir} of this machine"
        # Its files must be the server's own: we can give them away, or are the same user.
        if os.geteuid() not in {0, folder.stat().st_uid} or not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder} is not ours to write in"
    except (OSError, ValueError):
        return f"its data directory {datadir} can't be seen from here"
    return ""


def _age_of(pid: int) -> float:
    """For how many seconds a process has been running."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def _uptime(connection: Connection[Any]) -> float:
    return float(query(connection, "SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1])


def _unfit(connection: Connection[Any], facts: ServerFacts) -> str:
    """Why its applier would not replay everything, as it was; empty where it would."""
    for name in _FILTERS:
        if facts.variable(name):
            return f"{name} is set there: it would leave things out"
    if _filtered(connection, facts):
        return "it has replication filters: they would leave things out"
    if facts.variable("slave_skip_errors", "OFF") != "OFF":
        return "slave_skip_errors is set there: it would leave things out"
    modern = facts.version >= _ASSIGNS_GTIDS_SINCE
    if facts.flavour == "mysql" and facts.variable("gtid_mode") == "ON" and not modern:
        return f"MySQL {facts.version_text} can't give transactions GTIDs of its own"
    lacking = missing_privileges(read_grants(connection, facts.flavour), _NEEDED[facts.flavour])
    may_all = not missing_privileges(read_grants(connection, facts.flavour), ("SUPER",))
    if lacking and not may_all:
        return f"the account lacks {', '.join(lacking)}"
    return ""


def _filtered(connection: Connection[Any], facts: ServerFacts) -> bool:
    if facts.flavour == "mariadb":
        return False
    with contextlib.suppress(RuntimeFailure):
        return bool(query(connection, "SELECT 1 FROM performance_schema.replication_applier_global_filters LIMIT 1"))
    return True
