"""Which engine takes the images a plan asks for, from what the server and this machine offer; and what it lacks."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from pymysql.connections import Connection

from bkpc_runtime.engines.clone import FOLDER_VARIABLE, Clone, place
from bkpc_runtime.engines.engine import Engine
from bkpc_runtime.engines.logical import Logical
from bkpc_runtime.engines.page_copy import STREAMS, PageCopy
from bkpc_runtime.engines.page_copy import Name as PagesBy
from bkpc_runtime.errors import PolicyBroken, ServerFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.preflight_privileges import denied
from bkpc_runtime.mysql.schemas import HISTORY_DUMPED_SINCE, not_transactional, with_history
from bkpc_runtime.mysql.tools import find_tool
from bkpc_runtime.repository import manifest

Kind = Literal["logical", "physical", "incremental"]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SECONDS = 10
_CLONE_SINCE = (8, 0, 17)


def name_for(kind: Kind, facts: ServerFacts) -> manifest.Engine:
    """The engine that takes images of a kind of a server."""
    if kind == "logical":
        return "logical"
    if facts.flavour == "mariadb":
        return "mariabackup"
    return "xtrabackup" if kind == "incremental" or _installed("xtrabackup") else "clone"


def _installed(tool: str) -> bool:
    try:
        find_tool("mysql", tool)
    except ToolFailed:
        return False
    return True


def engine_called(name: manifest.Engine, parent: manifest.Manifest | None = None) -> Engine:
    """The engine of a name, for a full image or the one that continues `parent`."""
    if name == "logical":
        return Logical()
    return Clone() if name == "clone" else PageCopy(name, parent)


def kind_of(engine: Engine) -> Kind:
    """What an engine takes."""
    return "logical" if engine.name == "logical" else "incremental" if engine.parent else "physical"


def lacking(
    connection: Connection[Any], facts: ServerFacts, address: Address, kinds: Collection[Kind]
) -> Iterator[Finding]:
    """What keeps the engines for `kinds` of images from taking them, but for privileges; each thing once."""
    if "incremental" in kinds and not facts.log_bin:
        text = "without a binary log nobody can tell that an incremental image continues the one before it"
        yield Finding("problem", text, ("in the server's configuration, below [mysqld]: log_bin = binlog; restart it",))
    if "logical" in kinds and facts.flavour == "mariadb" and facts.version[:2] < HISTORY_DUMPED_SINCE:
        yield from _history_lost(connection, facts)
    names: set[manifest.Engine] = {name_for(kind, facts) for kind in kinds}
    if names - {"logical"}:
        yield from _not_here(facts, address)
    if "clone" in names:
        yield from _clone_lacks(connection, facts)
    for name in STREAMS:
        if name in names:
            yield from _tool_lacks(name, facts, incremental="incremental" in kinds)


def refuse_lacking(connection: Connection[Any], facts: ServerFacts, address: Address, kind: Kind) -> None:
    """Raises PolicyBroken for the first thing that keeps images of a kind from being taken."""
    for found in lacking(connection, facts, address, {kind}):
        if found.kind == "problem":
            raise PolicyBroken(found.text, help=found.mend[0] if found.mend else "")


def _history_lost(connection: Connection[Any], facts: ServerFacts) -> Iterator[Finding]:
    kept = with_history(connection)
    if kept:
        names = ", ".join(f"{schema}.{name}" for schema, name in kept[:5])
        text = f"{names}: MariaDB {facts.version_text} does not dump the history of rows, a logical image would lack it"
        yield Finding("problem", text, ("say `by physical`, or upgrade to MariaDB 10.11 or later",))


def _not_here(facts: ServerFacts, address: Address) -> Iterator[Finding]:
    """The server's files are read, or cloned beside them: they must be on this machine, and may be read."""
    folder = Path(facts.variable("datadir"))
    elsewhere = not address.local or (not address.socket and facts.variable("hostname") != socket.gethostname())
    if elsewhere or not folder.is_dir():
        text = f"a physical image is taken on the machine of the server, which is not this one ({folder} is not here)"
        mend = 'run bkpc on the server\'s machine with `mysql "/path/to/socket"` in the policy, or say `by logical`'
        yield Finding("problem", text, (mend,))
    elif not os.access(folder / "mysql", os.R_OK | os.X_OK):
        text = f"the server's files in {folder} may not be read"
        yield Finding("problem", text, (f"run bkpc as the user that owns them ({folder.owner()}), or as root",))


def _tool_lacks(name: PagesBy, facts: ServerFacts, *, incremental: bool) -> Iterator[Finding]:
    try:
        path = find_tool(facts.flavour, name)
        version = _version(path)
    except ToolFailed as problem:
        instead = ", or take the incremental level out: CLONE takes full images only" if name == "xtrabackup" else ""
        what = "incremental images need it: " if incremental else ""
        yield Finding("problem", f"{what}{problem}", (f"{problem.help}{instead}",))
        return
    if version[:2] != facts.version[:2]:
        text = (
            f"{path} is of version {'.'.join(map(str, version))}, the server of {facts.version_text}: "
            "only a tool of the server's own series knows its files"
        )
        yield Finding("problem", text, ("install the one of the server's series",))


def _version(path: str) -> tuple[int, ...]:
    """What a tool says it is; both write it on stderr."""
    try:
        done = subprocess.run(
            [path, "--no-defaults", "--version"], capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as problem:
        complaint = getattr(problem, "stderr", None) or str(problem)
        raise ToolFailed(f"{path} does not run: {complaint.strip()}", help="install it again") from None
    found = _VERSION.search(done.stdout + done.stderr)
    if not found:
        raise ToolFailed(f"{path} does not say of which version it is", help="install it again")
    return tuple(int(one) for one in found.groups())


def _clone_lacks(connection: Connection[Any], facts: ServerFacts) -> Iterator[Finding]:
    if facts.version < _CLONE_SINCE:
        yield Finding("problem", f"MySQL {facts.version_text} has no CLONE", ("upgrade it, or install xtrabackup",))
        return
    active = "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone' AND plugin_status = 'ACTIVE'"
    if not query(connection, active):
        mend = "INSTALL PLUGIN clone SONAME 'mysql_clone.so';"
        yield Finding("problem", "the CLONE plugin, which takes physical images, is not installed", (mend,))
    try:
        find_tool("mysql", "server")
    except ToolFailed as problem:
        text = f"a clone tells its position only to a server that starts on it: {problem}"
        yield Finding("problem", text, (problem.help,))
    others = not_transactional(connection)
    if others:
        names = ", ".join(f"{schema}.{name} ({engine})" for schema, name, engine in others[:5])
        mends = tuple(f"ALTER TABLE {quote(str(row[0]), str(row[1]))} ENGINE = InnoDB;" for row in others[:5])
        text = f"CLONE leaves out the rows of {names}: a physical image would lack them"
        yield Finding("problem", text, (*mends, "or say `by logical`"))
    yield from _tablespaces_outside(connection)
    if not list(_not_here(facts, _SOMEWHERE)):
        yield from _folder_lacks(facts)


def _tablespaces_outside(connection: Connection[Any]) -> Iterator[Finding]:
    asked = "SELECT name FROM information_schema.innodb_tablespaces_brief"
    try:
        rows = query(connection, f"{asked} WHERE space_type = 'General' AND path LIKE '/%'")
    except ServerFailed as problem:
        if not denied(problem):
            raise
        return  # that the privilege is missing is a finding of its own
    if rows:
        names = ", ".join(str(name) for (name,) in rows[:5])
        text = f"CLONE can't copy tablespaces whose files lie outside the data directory: {names}"
        yield Finding("problem", text, ("say `by logical`",))


_SOMEWHERE = Address("", "", 0, "/", "disabled", "", "", "")


def _folder_lacks(facts: ServerFacts) -> Iterator[Finding]:
    """Whether the server may write where it is to clone itself, and has room there."""
    above, server = place(facts), Path(facts.variable("datadir")).stat().st_uid
    how = f"mkdir -m 700 FOLDER, chown it to the server's user, and name it in {FOLDER_VARIABLE}"
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK) or os.geteuid() not in {0, server}:
        yield Finding("problem", f"bkpc can't make a folder in {above} that the server clones itself into", (how,))
    elif shutil.disk_usage(above).free < _size(facts):
        yield Finding("problem", f"{above} has no room for a second copy of the server's files", (how,))


def _size(facts: ServerFacts) -> int:
    folder = Path(facts.variable("datadir"))
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*.ibd") if path.is_file())
