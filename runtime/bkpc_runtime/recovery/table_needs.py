"""What a single table may need that a target lacks: its storage engine, a server, a tablespace. The others go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.recovery.target import Target

_ENGINE = re.compile(rb"\n\) [^\n]*?\bENGINE=(\w+)[\s;]")
_LONGEST = 1 << 20
"""Bytes of a part in which its table is defined."""
_ERROR = re.compile(r"ERROR (\d+) \(")
_OF_ALL = frozenset(
    {
        1021, 1030, 1037, 1038, 1040, 1041, 1044, 1045, 1053, 1114, 1142, 1153, 1158, 1159, 1160, 1161, 1203, 1205,
        1213, 1226, 1227, 1290, 1317, 1792, 1836, 1927, 3032,
    }
)  # fmt: skip
"""Errors that the next table would meet as well: no room, no right, no connection, a server that stops."""
_OF_THE_CLIENT = range(2000, 3000)


class NotThisTable(ToolFailed):
    """A table can't be made on the target, which says nothing of the others."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The storage engines that a target has, and the one that it takes where it has not the asked one."""

    names: frozenset[str]
    default: str

    @classmethod
    def of(cls, target: Target) -> Engines:
        with closing(target.connect()) as connection:
            asked = "SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')"
            names = frozenset(str(name).lower() for (name,) in query(connection, asked))
            return cls(names, str(query(connection, "SELECT @@default_storage_engine")[0][0]))

    def lacks(self, beginning: bytes) -> str:
        """The engine of the table that is defined there, where the target has none of that name; else empty."""
        found = _ENGINE.search(beginning)
        name = found[1].decode() if found else ""
        return name if name and name.lower() not in self.names else ""


def definition(plain: Iterator[bytes]) -> bytes:
    """What of a part is to be read to know how its table is defined."""
    begun = bytearray()
    for chunk in plain:
        begun += chunk
        if _ENGINE.search(begun) or len(begun) > _LONGEST:
            break
    return bytes(begun)


def without_engine(engine: str, default: str) -> NotThisTable:
    """A server would quietly take another engine instead: what lay elsewhere would be an empty table."""
    return NotThisTable(
        f"the target has no storage engine {engine} (INSTALL SONAME or INSTALL PLUGIN brings one); "
        f"--other-engines takes {default} instead"
    )


def is_of_one_table(problem: ToolFailed) -> bool:
    """Whether others may well be loaded."""
    found = _ERROR.search(str(problem))
    return isinstance(problem, NotThisTable) or (
        found is not None and int(found[1]) not in _OF_ALL and int(found[1]) not in _OF_THE_CLIENT
    )
