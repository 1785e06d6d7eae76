"""Whether the servers' own programs are there, run, and are not too old for a server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from typing import Literal

from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.flavour import Flavour, ServerFacts
from bkpc_runtime.mysql.tools import find_tool

_VERSION = {"mysql": re.compile(r"Ver (\d+)\.(\d+)\.(\d+)"), "mariadb": re.compile(r"(\d+)\.(\d+)\.(\d+)-MariaDB")}
_SOURCE_DATA_SINCE = (8, 0, 26)
_NEW_STATEMENTS = (8, 2, 0)
_SECONDS = 10


def tool_problems(facts: ServerFacts, kinds: Iterable[str]) -> Iterator[tuple[Literal["problem", "warning"], str, str]]:
    """How bad, what is wrong, and what mends it, for each program that is not as it must be."""
    for kind in kinds:
        try:
            path = find_tool(facts.flavour, kind)
            version = _version(facts.flavour, path)
        except ToolFailed as problem:
            yield "problem", str(problem), problem.help
            continue
        why = outdated(facts, kind, version) if version else None
        if version and why:
            name = f"{path} is of version {'.'.join(map(str, version))}, the server of {facts.version_text}"
            yield why[0], f"{name}: {why[1]}", "install the programs of the server's version"


def outdated(
    facts: ServerFacts, kind: str, version: tuple[int, ...]
) -> tuple[Literal["problem", "warning"], str] | None:
    """Why a program of `version` does not fit the server; None where it does."""
    if facts.flavour == "mysql" and kind == "dump":
        if version < _SOURCE_DATA_SINCE:
            return "problem", "it is too old to give an image its position"
        if version < _NEW_STATEMENTS <= facts.version:
            return "problem", "it asks for the position in words that this server no longer knows"
    if version[:2] < facts.version[:2]:
        return "warning", "it may not know what is new in the server"
    return None


def _version(flavour: Flavour, path: str) -> tuple[int, ...] | None:
    """What a program says it is; None where it doesn't say (`mariadb-binlog` doesn't)."""
    try:
        done = subprocess.run(
            [path, "--no-defaults", "--version"], capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as problem:
        complaint = getattr(problem, "stderr", None) or str(problem)
        raise ToolFailed(f"{path} does not run: {complaint.strip()}", help="install it again") from None
    found = _VERSION[flavour].search(done.stdout)
    return tuple(int(one) for one in found.groups()) if found else None
