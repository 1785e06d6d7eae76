"""A table is loaded beside the one it replaces, counted, and takes its name in one statement.

Until then the old one stays. Not where names of constraints are of the whole schema, or others point to the table: a
rename would take them with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import DamagedBackup, Refused, ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.recovery.kept_triggers import KEPT, NEW, OLD, TriggersLacking, left_behind, make_again
from bkpc_runtime.recovery.patiently import patiently

Table = tuple[str, str]
log = logging.getLogger(__name__)


def why_in_place(source: Connection[Any], into: Connection[Any], table: Table, goes: Table) -> str:
    """Why a table can't be loaded beside; empty where it can."""
    # MariaDB's checks have names of their table's own.
    mariadb = "mariadb" in str(query(source, "SELECT VERSION()")[0][0]).lower()
    kinds = "'FOREIGN KEY'" if mariadb else "'FOREIGN KEY', 'CHECK'"
    named = query(
        source,
        "SELECT 1 FROM information_schema.table_constraints WHERE table_schema = %s AND table_name = %s "
        f"AND constraint_type IN ({kinds}) LIMIT 1",
        table,
    )
    if named:
        return "it has foreign keys or checks"
    pointing = query(
        into,
        "SELECT 1 FROM information_schema.referential_constraints WHERE unique_constraint_schema = %s "
        "AND referenced_table_name = %s LIMIT 1",
        goes,
    )
    return "foreign keys of others point to it" if pointing else ""


@contextmanager
def called(connection: Connection[Any], table: Table, name: str) -> Iterator[Table]:
    """A table of our own server under another name in this block."""
    other = (table[0], name)
    query(connection, f"RENAME TABLE {quote(*table)} TO {quote(*other)}")
    try:
        yield other
    finally:
        query(connection, f"RENAME TABLE {quote(*other)} TO {quote(*table)}")


@contextmanager
def shaped(connection: Connection[Any], table: Table, name: str) -> Iterator[Table]:
    """An empty table of our own server that is like another in this block, without its foreign keys."""
    other = (table[0], name)
    query(connection, f"CREATE TABLE {quote(*other)} LIKE {quote(*table)}")
    try:
        yield other
    finally:
        query(connection, f"DROP TABLE {quote(*other)}")


def forget_killed(into: Connection[Any], schema: str) -> None:
    """What a restore has left that was killed: triggers that it had kept are made, as far as they can be.

    Raises:
        Refused: a table that was replaced has triggers that nobody kept: somebody must look at what is left.
    """
    left = left_behind(into, schema)
    if left:
        raise Refused(
            f"{schema}.{OLD} is a table that a restore replaced before it was killed, with the triggers "
            f"{', '.join(left)}, which the new one lacks",
            help=f"make them on the new table, and DROP TABLE {quote(schema, OLD)}; nothing was changed",
        )
    for problem in make_again(into, schema):
        log.warning("kept in %s.%s since a restore broke off, and not made yet: %s", schema, KEPT, problem)
    for name in (NEW, OLD):
        query(into, f"DROP TABLE IF EXISTS {quote(schema, name)}")


def take_place(into: Connection[Any], goes: Table) -> None:
    """The loaded table becomes `goes`, at once; the old one is called OLD then.

    Raises:
        ServerFailed: somebody has used the old one in a transaction that stays open.
    """
    schema = goes[0]
    there = query(into, "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", goes)
    aside = f"{quote(*goes)} TO {quote(schema, OLD)}, " if there else ""
    patiently(into, f"RENAME TABLE {aside}{quote(schema, NEW)} TO {quote(*goes)}", goes)


def make_room(into: Connection[Any], goes: Table) -> None:
    """Drops a table that is loaded in place; raises as `take_place`."""
    query(into, "SET SESSION foreign_key_checks = 0")
    try:
        patiently(into, f"DROP TABLE IF EXISTS {quote(*goes)}", goes)
    finally:
        with suppress(ServerFailed):
            query(into, "SET SESSION foreign_key_checks = DEFAULT")


def put_back(into: Connection[Any], goes: Table) -> None:
    """The triggers of the table that was there.

    Raises:
        TriggersLacking: some can't be made.
    """
    problems = make_again(into, goes[0])
    if problems:
        raise TriggersLacking(
            f"{'.'.join(goes)} is restored, and lacks triggers: {'; '.join(problems)}",
            help=f"their statements are in {quote(goes[0], KEPT)}: run the same restore again, or make them by hand "
            "and drop that table",
        )


def count(source: Connection[Any], into: Connection[Any], table: Table, loaded: Table) -> None:
    """Whether as many rows are there as were sent.

    Raises:
        DamagedBackup: they are not.
    """
    counted = [
        query(one, f"SELECT COUNT(*) FROM {quote(*named)}")[0][0] for one, named in ((source, table), (into, loaded))
    ]
    if counted[0] != counted[1]:
        raise DamagedBackup(f"{'.'.join(loaded)} has {counted[1]:,} rows after the copy instead of {counted[0]:,}")
