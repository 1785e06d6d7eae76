"""Where the files of tables lie, as their own definitions say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.account_statements import Token, tokens
from bkpc_runtime.mysql.connection import query, query_bytes
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.schemas import not_system

_OPTIONS_AT = b"\n) "
"""Where the columns of a shown definition end, whose comments may say anything."""
_PLACE = re.compile(rb"\b(?:DATA|INDEX) DIRECTORY ?= ?'")
_TABLESPACE = re.compile(rb"/\*!50100 TABLESPACE `((?:[^`]|``)+)` \*/")
_BLOCK = re.compile(rb" ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=(\d+)")
_VERSIONED_COMMENT = re.compile(r"/\*M?!\d*")
_NAMES_A_PLACE = re.compile(r"\bDIRECTORY\b|\bDATAFILE\b", re.IGNORECASE)
_KINDS = {"DATA", "INDEX"}
_PARTS = {"PARTITION", "SUBPARTITION"}


def elsewhere(connection: Connection[Any]) -> list[str]:
    """Tables with a DATA DIRECTORY or INDEX DIRECTORY, of their own or of a partition; as `schema.table`."""
    return [name for name, options in _definitions(connection) if _PLACE.search(options)]


def _definitions(connection: Connection[Any]) -> Iterator[tuple[str, bytes]]:
    """Each table, and its options."""
    rows = query(
        connection,
        "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND {not_system('table_schema')} ORDER BY 1, 2",
    )
    for schema, name in rows:
        yield f"{schema}.{name}", _options(connection, str(schema), str(name))


def _options(connection: Connection[Any], schema: str, name: str) -> bytes:
    """What its definition says behind its columns."""
    try:
        text = bytes(query_bytes(connection, f"SHOW CREATE TABLE {quote(schema, name)}")[0][1])
    except ServerFailed:  # gone meanwhile, or broken: others say so
        return b""
    return text[max(0, text.find(_OPTIONS_AT)) :]


def lost_places(connection: Connection[Any]) -> tuple[str, ...]:
    """What no image brings back of them, in words."""
    names = elsewhere(connection)
    return (f"the place of files (DATA DIRECTORY), which come back in the data directory: {', '.join(names)}",) * bool(
        names
    )


def used_tablespaces(connection: Connection[Any]) -> list[tuple[str, int, bool]]:
    """General tablespaces that tables of MySQL name: their name, block size (0: the server's), whether encrypted."""
    found: dict[str, tuple[int, bool]] = {}
    for _, definition in _definitions(connection):
        named = _TABLESPACE.search(definition)
        name = named[1].replace(b"``", b"`").decode() if named else ""
        if name and not name.startswith("innodb_"):
            block = _BLOCK.search(definition)
            found[name] = (int(block[1]) * 1024 if block else 0, b" ENCRYPTION='Y'" in definition)
    return [(name, *rest) for name, rest in sorted(found.items())]


def tablespace_of(connection: Connection[Any], table: tuple[str, str]) -> str:
    """The general tablespace that a table lies in; empty where it has a file of its own."""
    named = _TABLESPACE.search(_options(connection, *table))
    name = named[1].replace(b"``", b"`").decode() if named else ""
    return "" if name.startswith("innodb_") else name


def names_a_place(statement: str) -> bool:
    """Whether a statement may say where files lie."""
    return bool(_NAMES_A_PLACE.search(statement))


def without_places(statement: str) -> str:
    """The statement with spaces where it says in which directory files lie, as long as it was.

    Of CREATE TABLESPACE that is a file that is not named alone: the server then finds a name in its data directory.
    """
    # What a comment for servers of a version holds is executed.
    found = tokens(_VERSIONED_COMMENT.sub(lambda one: " " * len(one[0]), statement))
    kept = list(statement)
    for at in _places(found):
        one = found[at]
        kept[one.start : one.end] = " " * (one.end - one.start)
    return "".join(kept)


def _places(found: list[Token]) -> set[int]:
    """Which tokens say it."""
    gone: set[int] = set()
    creates = [one.word for one in found[:2]] == ["CREATE", "TABLESPACE"]
    for at, one in enumerate(found):
        words = [each.word for each in found[at : at + 2]]
        if words == ["ADD", "DATAFILE"] and creates and at + 2 < len(found) and "/" in found[at + 2].name:
            gone |= {at, at + 1, at + 2}
        elif one.word in _KINDS and words[1:] == ["DIRECTORY"]:
            end = at + 2 + (at + 2 < len(found) and found[at + 2].text == "=")
            if end < len(found) and found[end].kind == "quoted":
                gone |= {*range(at, end + 1), *_comma(found, gone, at, end)}
    return gone


def _comma(found: list[Token], gone: set[int], first: int, last: int) -> Iterator[int]:
    """The comma that parted an option from others: the one before, else the one behind, unless it parts partitions."""
    before = next((at for at in range(first - 1, -1, -1) if at not in gone), 0)
    if found[before].text == ",":
        yield before
    elif last + 2 < len(found) and found[last + 1].text == "," and found[last + 2].word not in _PARTS:
        yield last + 1
