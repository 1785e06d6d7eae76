"""What tables and views need of a server and no schema holds: spatial reference systems and general tablespaces of
MySQL, servers (CREATE SERVER), loadable functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.mysql.identifiers import option_text, quote
from bkpc_runtime.mysql.placement import used_tablespaces
from bkpc_runtime.mysql.preflight_privileges import denied
from bkpc_runtime.secret import Secret

_HEAD = re.compile(rb"-- object (\{[^\n]*\})\n")
_RETURNS = {0: "STRING", 1: "REAL", 2: "INTEGER", 4: "DECIMAL"}
_FUNCTION = "loadable function "
_ENCRYPTED = 1 << 13
"""In the flags of a tablespace."""
_OPTIONS = ("HOST", "DATABASE", "USER", "PASSWORD", "SOCKET", "OWNER")


@dataclass(frozen=True, slots=True)
class ServerObject:
    """One of them: what messages call it, and the statement that makes it, which may hold a password."""

    name: str
    sql: Secret


@dataclass(frozen=True, slots=True)
class ServerObjects:
    """In the order in which they are made; `lost` names what can't be kept of them."""

    objects: tuple[ServerObject, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def functions(self) -> tuple[str, ...]:
        """The loadable ones."""
        return tuple(one.name.removeprefix(_FUNCTION) for one in self.objects if one.name.startswith(_FUNCTION))


def read_server_objects(connection: Connection[Any], flavour: Flavour, *, passwords: bool) -> ServerObjects:
    """All of them; without `passwords` servers come back without theirs."""
    found: list[ServerObject] = []
    lost: list[str] = []
    if flavour == "mysql":
        found += _reference_systems(connection)
        found += _tablespaces(connection)
    try:
        found += _functions(connection, lost)
        found += _servers(connection, lost, passwords=passwords)
    except ServerFailed as problem:
        if not denied(problem):
            raise
        lost.append(
            "servers (CREATE SERVER) and loadable functions (the backup's account may not read them: "
            "GRANT SELECT ON `mysql`.*)"
        )
    return ServerObjects(tuple(found), tuple(lost))


def _reference_systems(connection: Connection[Any]) -> Iterator[ServerObject]:
    """Those that are not MySQL's own, which are EPSG's by their own numbers."""
    rows = query(
        connection,
        "SELECT srs_id, srs_name, organization, organization_coordsys_id, definition, description "
        "FROM information_schema.st_spatial_reference_systems WHERE srs_id <> 0 AND "
        "(organization IS NULL OR organization <> 'EPSG' OR organization_coordsys_id <> srs_id) ORDER BY 1",
    )
    for number, name, organization, its_number, definition, description in rows:
        by = f" ORGANIZATION {option_text(str(organization))} IDENTIFIED BY {its_number}" if organization else ""
        more = f" DESCRIPTION {option_text(str(description))}" if description else ""
        text = f"NAME {option_text(str(name))}{by} DEFINITION {option_text(str(definition))}{more}"
        sql = Secret(f"CREATE OR REPLACE SPATIAL REFERENCE SYSTEM {number} {text}")
        yield ServerObject(f"spatial reference system {number}", sql)


def _tablespaces(connection: Connection[Any]) -> Iterator[ServerObject]:
    """In the data directory, under a name that the server finds: where their files lay the source's may still lie."""
    try:
        rows = query(
            connection,
            "SELECT name, zip_page_size, flag FROM information_schema.innodb_tablespaces "
            "WHERE space_type = 'General' AND name <> 'mysql' ORDER BY 1",
        )
        found = [(str(name), int(block), bool(int(flag) & _ENCRYPTED)) for name, block, flag in rows]
    except ServerFailed as problem:
        if not denied(problem):
            raise
        # Without PROCESS only those that tables name can be seen.
        found = used_tablespaces(connection)
    for name, block, encrypted in found:
        more = (f" FILE_BLOCK_SIZE = {block}" if block else "") + (" ENCRYPTION = 'Y'" if encrypted else "")
        yield ServerObject(f"tablespace {name}", Secret(f"CREATE TABLESPACE {quote(name)}{more}"))


def _functions(connection: Connection[Any], lost: list[str]) -> Iterator[ServerObject]:
    for name, returns, library, kind in query(connection, "SELECT name, ret, dl, type FROM mysql.func ORDER BY 1"):
        lost.append(f"the library {library} of the loadable function {name}, which the target must have")
        what = "AGGREGATE FUNCTION" if kind == "aggregate" else "FUNCTION"
        text = f"RETURNS {_RETURNS[int(returns)]} SONAME {option_text(str(library))}"
        yield ServerObject(f"{_FUNCTION}{name}", Secret(f"CREATE {what} {quote(str(name))} {text}"))


def _servers(connection: Connection[Any], lost: list[str], *, passwords: bool) -> Iterator[ServerObject]:
    rows = query(
        connection,
        "SELECT server_name, wrapper, port, host, db, username, password, socket, owner FROM mysql.servers ORDER BY 1",
    )
    left_out = []
    for name, wrapper, port, *texts in rows:
        options = {option: str(text) for option, text in zip(_OPTIONS, texts, strict=True) if text}
        if not passwords and options.pop("PASSWORD", ""):
            left_out.append(str(name))
        given = [f"{option} {option_text(text)}" for option, text in options.items()]
        given += [f"PORT {int(port)}"] if port or not given else []
        head = f"CREATE SERVER {quote(str(name))} FOREIGN DATA WRAPPER {quote(str(wrapper))}"
        yield ServerObject(f"server {name}", Secret(f"{head} OPTIONS ({', '.join(given)})"))
    if left_out:
        lost.append(f"the passwords of servers (CREATE SERVER): {', '.join(left_out)}: the image is not encrypted")


def write_server_objects(objects: Iterable[ServerObject], write: Callable[[bytes], None]) -> None:
    """As SQL that also loads by hand. A line before each statement says what it makes and how long it is."""
    for one in objects:
        body = one.sql.reveal().encode()
        head = json.dumps({"name": one.name, "bytes": len(body)}, sort_keys=True).encode()
        write(b"-- object " + head + b"\n" + body + b";\n")


def parse_server_objects(part: bytes) -> tuple[ServerObject, ...]:
    """What `write_server_objects` wrote, whatever stands before it."""
    found: list[ServerObject] = []
    match = _HEAD.search(part)
    while match:
        head = json.loads(match[1])
        end = match.end() + int(head["bytes"])
        found.append(ServerObject(str(head["name"]), Secret(part[match.end() : end].decode())))
        match = _HEAD.match(part, end + len(b";\n"))
    return tuple(found)
