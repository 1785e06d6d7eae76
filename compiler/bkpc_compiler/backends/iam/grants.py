"""What a backup's account must be allowed on each database's server, as statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_grammar.plan import Database, Plan
from bkpc_grammar.privileges import FLAVOURS, Flavour, begins_binlogs, grant, needed

ACCOUNT = "'bkpc'@'%'"
_SERVERS: dict[Flavour, str] = {"mysql": "MySQL from 8.0.23 on", "mariadb": "MariaDB from 10.6 on"}


@dataclass(frozen=True, slots=True)
class Grants:
    """For one database: a plan does not say which kind of server it is."""

    database: str
    address: str
    user: str
    statements: tuple[tuple[str, str], ...]


def grants_of(plan: Plan) -> tuple[Grants, ...]:
    """Of all databases that are backed up."""
    return tuple(
        Grants(
            one.name,
            one.address,
            one.credentials.names[0] if one.credentials and one.credentials.kind == "env" else "",
            tuple((_SERVERS[flavour], grant(_privileges(plan, one, flavour), ACCOUNT)) for flavour in FLAVOURS),
        )
        for one in plan.estate.databases
        if any(job.database == one.name and job.kind.startswith("backup.") for job in plan.jobs)
        or any(stream.database == one.name for stream in plan.streams)
    )


def _privileges(plan: Plan, database: Database, flavour: Flavour) -> tuple[str, ...]:
    jobs = [one for one in plan.jobs if one.database == database.name]
    incremental = any(one.kind == "backup.incremental" for one in jobs)
    stream = incremental or any(one.database == database.name for one in plan.streams)
    rotates = begins_binlogs(plan, database.name)
    return needed(flavour, tuple(_engines(plan, database, flavour)), stream=stream, rotates=rotates)


def _engines(plan: Plan, database: Database, flavour: Flavour) -> Iterator[str]:
    for job in plan.jobs:
        if job.database != database.name or not job.kind.startswith("backup."):
            continue
        if job.engine == "logical":
            yield "logical"
        elif flavour == "mariadb":
            yield "mariabackup"
        else:
            yield "clone" if job.kind == "backup.full" else "xtrabackup"
