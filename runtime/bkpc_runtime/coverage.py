"""What the servers of a plan show that no backup covers: servers that no policy names, and tables without snapshots.

All schemas of a server are in its images: the language names servers, not schemas.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

from bkpc_grammar import plan as contract
from bkpc_grammar.address import host_and_port, is_loopback, one_spelling
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.neighbours import Neighbour, Neighbours, neighbours
from bkpc_runtime.mysql.preflight import engine_findings
from bkpc_runtime.preflight import engines_of
from bkpc_runtime.world import World

_AT_ONCE = 8
_PORT = 3306
_GIB, _MIB = 1024**3, 1024**2
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_WORDS = {"replica": "takes the log of `{}`", "source": "is where `{}` takes log from"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A server of the plan as it was looked at. `failure`: why it was not."""

    database: contract.Database
    facts: ServerFacts | None = None
    neighbours: Neighbours = field(default_factory=lambda: Neighbours((), ()))
    findings: tuple[Finding, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What no backup covers, or of which that is not known; `mend`: what to put in the policy, line by line."""

    database: str
    text: str
    mend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """`not_known`: databases whose server could not be asked, or not for all of it, and why."""

    uncovered: tuple[Uncovered, ...]
    not_known: tuple[tuple[str, str], ...]


def coverage(world: World, databases: Sequence[contract.Database]) -> Coverage:
    """Of the servers of `databases`, which are asked side by side."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        seen = list(pool.map(lambda one: _look(world, one), databases))
    return Coverage(
        tuple(one for it in seen for one in _uncovered(world, it, seen)),
        tuple((it.database.name, why) for it in seen for why in _not_known(it)),
    )


def _look(world: World, database: contract.Database) -> Seen:
    try:
        connection = world.connect(database)
        try:
            facts = read_facts(connection)
            logical = "logical" in engines_of(world, database, facts)
            found = tuple(engine_findings(connection)) if logical else ()
            return Seen(database, facts, neighbours(connection, facts), found)
        finally:
            connection.close()
    except RuntimeFailure as problem:
        return Seen(database, failure=str(problem))


def _not_known(one: Seen) -> Iterator[str]:
    if one.failure:
        yield one.failure
    for what, privilege in one.neighbours.not_known:
        yield f"its account may not ask for {what}: that takes {privilege}"


def _uncovered(world: World, one: Seen, seen: Sequence[Seen]) -> Iterator[Uncovered]:
    for finding in one.findings:
        yield Uncovered(one.database.name, finding.text, finding.mend)
    for other in one.neighbours.found:
        if not other.host:
            if not any(_takes_log(it, one, other.server_id) for it in seen):
                text = f"a replica (server_id {other.server_id}) does not tell its address (report_host): "
                yield Uncovered(one.database.name, f"{text}whether a policy names it is not known")
        elif not any(_same(_place(one.database, other), it) for it in world.plan.estate.databases):
            host, port = _place(one.database, other)
            words = _WORDS[other.role].format(one.database.name)
            text = f"{_address(host, port)} {words}, and no policy names it: what else it holds is in no backup"
            yield Uncovered(one.database.name, text, tuple(_sentence(world, one.database, host, port)))


def _takes_log(one: Seen, source: Seen, server_id: int) -> bool:
    """Whether a database of the plan is the replica of that number of another."""
    if one.facts is None or one.facts.server_id != server_id:
        return False
    return any(it.role == "source" and _same(_place(one.database, it), source.database) for it in one.neighbours.found)


def _place(database: contract.Database, other: Neighbour) -> tuple[str, int]:
    """A server that calls another `localhost` means its own machine."""
    own, _ = host_and_port(database.address)
    return (own if own and is_loopback(other.host) else other.host), other.port or _PORT


def _same(place: tuple[str, int], database: contract.Database) -> bool:
    host, port = host_and_port(database.address)
    if int(port or _PORT) != place[1]:
        return False
    return one_spelling(host) == one_spelling(place[0]) or bool(_numbers(host) & _numbers(place[0]))


@lru_cache(1024)
def _numbers(host: str) -> frozenset[str]:
    """The IP addresses of a host; none where its name is not known here."""
    try:
        return frozenset(str(one[4][0]) for one in socket.getaddrinfo(host or "localhost", None))
    except OSError:
        return frozenset()


def _sentence(world: World, database: contract.Database, host: str, port: int) -> Iterator[str]:
    """For the policy: as large as the database that it was found beside. Nothing where a host is more than a name."""
    if not _HOST.fullmatch(host):
        return
    name = _name(host, port, (one.name for one in world.plan.estate.databases))
    size, rate = -(-database.size_bytes // _GIB), -(-database.log_rate * 3600 // _MIB)
    yield f"database {name} at {database.site} {{"
    yield f'  mysql "{_address(host, port)}"  credentials env USER, PASSWORD'
    yield f"  size {max(size, 1)}GiB  writes {max(rate, 1)}MiB/h"
    yield "}"
    yield f"protect {name} with POLICY"


def _name(host: str, port: int, taken: Iterable[str]) -> str:
    text = re.sub(r"[^a-z0-9-]", "_", host.lower()) + (f"_{port}" if port != _PORT else "")
    text = text if text[:1].isalpha() else f"db_{text}"
    known = set(taken)
    while text in known:
        text += "_"
    return text


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
