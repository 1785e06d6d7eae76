"""Tables copied from one server of ours into another that holds more: only what was named there is overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.dump import PROLOGUE
from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import BadUsage, DamagedBackup, Refused, ServerFailed, StepFailed, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.placement import tablespace_of
from bkpc_runtime.mysql.schemas import HISTORY_DUMPED_SINCE, SYSTEM_SCHEMAS
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.recovery.gone import Gone, drop_gone
from bkpc_runtime.recovery.kept_triggers import NEW, OLD, TriggersLacking, keep, make_again, try_out
from bkpc_runtime.recovery.loading import client_command
from bkpc_runtime.recovery.replacing import (
    called,
    count,
    forget_killed,
    make_room,
    put_back,
    shaped,
    take_place,
    why_in_place,
)
from bkpc_runtime.recovery.table_needs import Engines
from bkpc_runtime.recovery.target import Target

log = logging.getLogger(__name__)
Table = tuple[str, str]


class NotBegun(StepFailed):
    """A table could not be copied, and what was there is as it was."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A server that holds other data. Tables go into their own schema, or all into `schema`.

    `replaced`: schemas and tables (`schema.table`) that may be overwritten.
    """

    target: Target
    schema: str = ""
    replaced: frozenset[str] = frozenset()

    def of(self, table: Table) -> Table:
        """Where a table goes."""
        return (self.schema or table[0], table[1])

    def held(self, tables: Sequence[Table]) -> list[Table]:
        """Where one of these goes and something is."""
        with closing(self.target.connect()) as connection:
            return sorted(dict(_held(connection, read_facts(connection), [self.of(table) for table in tables])))

    def check(self, tables: Sequence[Table], flavour: str, packet: int) -> None:
        """Whether all of them may come.

        Raises:
            BadUsage: two tables would be one, or `replaced` names what is not overwritten.
            Refused: the target is of the other flavour, would call a table otherwise, or holds one that `replaced` does
                not name.
        """
        going = [self.of(table) for table in tables]
        twice = sorted({f"{a}.{b}" for a, b in going if going.count((a, b)) > 1})
        if twice:
            raise BadUsage(f"two of the tables would be {twice[0]}", help="restore them one after the other")
        if self.schema.lower() in SYSTEM_SCHEMAS:
            raise BadUsage(f"{self.schema} is the server's own schema", help="name another: --as SCHEMA")
        with closing(self.target.connect()) as connection:
            facts = read_facts(connection)
            held = dict(_held(connection, facts, going))
        self._fits(facts, flavour, packet)
        self._names_stay(facts, going)
        views = sorted(".".join(one) for one, kind in held.items() if kind == "VIEW")
        if views:
            raise Refused(
                f"{views[0]} is a view on {self.target.address.text}", help="drop it first, or name --as SCHEMA"
            )
        named = {one: self._name_of(one) for one in held}
        unnamed = sorted(".".join(one) for one, name in named.items() if not name)
        if unnamed:
            raise Refused(
                f"the target {self.target.address.text} holds {', '.join(unnamed[:5])}",
                help=f"--replace {unnamed[0]} overwrites it; --as SCHEMA puts it beside; nothing was changed",
            )
        unused = sorted(self.replaced - set(named.values()))
        if unused:
            raise BadUsage(f"--replace {unused[0]}: nothing of that name would be overwritten")

    def _name_of(self, table: Table) -> str:
        whole = ".".join(table)
        return whole if whole in self.replaced else table[0] if table[0] in self.replaced else ""

    def _fits(self, facts: ServerFacts, flavour: str, packet: int) -> None:
        if facts.flavour != flavour:
            raise Refused(
                f"the image is of {flavour}, the target {self.target.address.text} is {facts.flavour}",
                help="restore into a server of the same flavour",
            )
        if int(facts.variable("max_allowed_packet")) < packet:
            raise Refused(
                f"the target {self.target.address.text} takes smaller packets than its source: {packet:,} bytes",
                help=f"SET GLOBAL max_allowed_packet = {packet}; nothing was changed",
            )

    def _names_stay(self, facts: ServerFacts, going: Sequence[Table]) -> None:
        case = facts.variable("lower_case_table_names")
        other = sorted(".".join(one) for one in going if ".".join(one) != ".".join(one).lower())
        if case == "0" or not other:
            return
        beside = self.schema and self.schema != self.schema.lower()
        lower = all(name == name.lower() for _, name in going)
        raise Refused(
            f"lower_case_table_names of the target {self.target.address.text} is {case}: {other[0]} would be "
            f"{other[0].lower()} there",
            help=f"--as {self.schema.lower()}; nothing was changed" if beside and lower
            else "restore into a server with lower_case_table_names = 0; nothing was changed",
        )  # fmt: skip


def _held(connection: Connection[Any], facts: ServerFacts, tables: Iterable[Table]) -> Iterator[tuple[Table, str]]:
    blind = facts.variable("lower_case_table_names") != "0"
    found = {
        (str(schema), str(name)): str(kind)
        for schema, name, kind in query(
            connection, "SELECT table_schema, table_name, table_type FROM information_schema.tables"
        )
    }
    if blind:
        found = {(schema.lower(), name.lower()): kind for (schema, name), kind in found.items()}
    for table in tables:
        kind = found.get((table[0].lower(), table[1].lower()) if blind else table)
        if kind:
            yield table, kind


def _refuse_history(kept: Sequence[Table], source: Connection[Any], into: Connection[Any]) -> None:
    if kept and min(read_facts(source).version, read_facts(into).version)[:2] < HISTORY_DUMPED_SINCE:
        message = f"{'.'.join(kept[0])} keeps the history of its rows, which MariaDB does not dump before 10.11"
        raise Refused(f"{message}; the target was not changed", help="leave it out, or restore the whole image")


def _refuse_engines(tables: Iterable[Table], source: Connection[Any], there: Engines) -> None:
    """A server quietly takes its default engine for one that it lacks."""
    asked = "SELECT engine FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    for table in tables:
        ((engine,),) = query(source, asked, table)
        if engine and str(engine).lower() not in there.names:
            raise Refused(
                f"{'.'.join(table)} is of storage engine {engine}, which the target lacks; the target was not changed",
                help="INSTALL SONAME or INSTALL PLUGIN brings one; or leave it out",
            )


def copy_tables(beside: Target, destination: Destination, tables: Sequence[Table], *, drops: bool = False) -> Gone:
    """Definition and rows of each table, one after the other; then they are counted. Where that can be, a table is
    loaded beside the one that it replaces, which stays until then.

    Triggers of a table that is overwritten are made again, once it is known that they can be; a table that is new has
    none. With `drops` tables that are not there are dropped from the destination; returns what is gone.

    Raises:
        Refused: a table is not there at the asked point, and `drops` is off, or it keeps the history of its rows and a
            server is too old to tell or take it, or the target lacks its storage engine; nothing was copied.
        ToolFailed: a table could not be copied: it is named, and so are those that were.
    """
    with closing(beside.connect()) as source, closing(destination.target.connect()) as into:
        there = dict(_held(source, read_facts(source), tables))
        gone = [table for table in tables if table not in there]
        if gone and not drops:
            raise Refused(f"{'.'.join(gone[0])} is not there at the asked point; the target was not changed")
        _refuse_history([table for table, kind in there.items() if kind == "SYSTEM VERSIONED"], source, into)
        _refuse_engines(there, source, Engines.of(destination.target))
        merging = _merging(source)
        done: list[str] = []
        # First what others need: sequences, from which tables take numbers; last what merges others.
        for table in sorted(there, key=lambda one: (there[one] != "SEQUENCE", one in merging)):
            goes = destination.of(table)
            _leave_tablespace(source, into, table)
            in_place = why_in_place(source, into, table, goes)
            state = f"is incomplete ({in_place}: it was loaded over)" if in_place else "is as it was"
            so_far = f"copied before it: {', '.join(done) or 'nothing'}; nothing else was touched"
            try:
                _copy(beside, destination, table, source, into, in_place=bool(in_place))
            except TriggersLacking as problem:
                raise TriggersLacking(str(problem), help=f"{problem.help}; {so_far}") from problem
            except (StepFailed, DamagedBackup) as problem:
                kind = DamagedBackup if isinstance(problem, DamagedBackup) else ToolFailed
                state = "is as it was" if isinstance(problem, NotBegun) else state
                needs = "it merges tables that the target must have: name them as well" if table in merging else ""
                out = "; ".join(filter(None, (problem.help, needs, so_far)))
                raise kind(f"{'.'.join(goes)} can't be copied, and {state}: {problem}", help=out) from problem
            done.append(".".join(goes))
        return drop_gone(source, into, map(destination.of, gone))


def _merging(source: Connection[Any]) -> frozenset[Table]:
    """Tables that show the rows of others."""
    asked = "SELECT table_schema, table_name FROM information_schema.tables WHERE engine = 'MRG_MYISAM'"
    return frozenset((str(schema), str(name)) for schema, name in query(source, asked))


def _leave_tablespace(source: Connection[Any], into: Connection[Any], table: Table) -> None:
    """A table of a general tablespace that the destination has not gets a file of its own."""
    name = tablespace_of(source, table)
    if not name:
        return
    asked = "SELECT 1 FROM information_schema.innodb_tablespaces WHERE name = %s"
    with suppress(ServerFailed):  # who may not ask finds out
        if not query(into, asked, (name,)):
            query(source, f"ALTER TABLE {quote(*table)} TABLESPACE = `innodb_file_per_table`")
            log.warning("%s gets a file of its own: there is no tablespace %s", ".".join(table), name)


def _copy(
    beside: Target, destination: Destination, table: Table, source: Connection[Any], into: Connection[Any],
    *, in_place: bool,
) -> None:  # fmt: skip
    schema, name = destination.of(table)
    charset, collation = query(
        source,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        "WHERE schema_name = %s",
        (table[0],),
    )[0]
    if not query(into, "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (schema,)):
        # Of one that is there MySQL would wait for all transactions in it.
        query(into, f"CREATE DATABASE IF NOT EXISTS {quote(schema)} CHARACTER SET {charset} COLLATE {collation}")
    forget_killed(into, schema)
    triggers = keep(into, (schema, name))
    with _as_it_was(into, schema), called(source, table, NEW) if not in_place else shaped(source, table, NEW) as other:
        if triggers or not in_place:
            _pipe(beside, destination.target, other, schema)
            count(source, into, other, (schema, NEW))
            try_out(into, schema, triggers)
    with _as_it_was(into, schema):
        if not in_place:
            take_place(into, (schema, name))
        else:
            find_tool(read_facts(source).flavour, "dump")  # it is now or never
            make_room(into, (schema, name))
    if not in_place:
        put_back(into, (schema, name))
        query(into, f"DROP TABLE IF EXISTS {quote(schema, OLD)}")
        return
    query(into, f"DROP TABLE IF EXISTS {quote(schema, NEW)}")
    _pipe(beside, destination.target, table, schema)
    put_back(into, (schema, name))
    count(source, into, table, (schema, name))


@contextmanager
def _as_it_was(into: Connection[Any], schema: str) -> Iterator[None]:
    """What breaks off in this block leaves nothing of ours."""
    try:
        yield
    except BaseException as problem:
        with suppress(ServerFailed):  # it may be gone
            query(into, f"DROP TABLE IF EXISTS {quote(schema, NEW)}")
            make_again(into, schema)
        if isinstance(problem, StepFailed):
            raise NotBegun(str(problem), help=problem.help) from problem
        raise


def _pipe(beside: Target, into: Target, table: Table, schema: str) -> None:
    with closing(beside.connect()) as connection:
        facts = read_facts(connection)
    with closing(into.connect()) as connection:
        into_facts = read_facts(connection)
    more = [] if facts.flavour == "mariadb" else ["--set-gtid-purged=OFF"]
    more += ["--dump-history"] if facts.flavour == "mariadb" and facts.version[:2] >= HISTORY_DUMPED_SINCE else []
    with (
        client_options(beside.address, facts.flavour) as options,
        client_options(into.address, facts.flavour) as into_options,
        Program(
            [
                find_tool(facts.flavour, "dump"), f"--defaults-file={options}", "--default-character-set=utf8mb4",
                "--no-tablespaces", "--max-allowed-packet=1G", "--single-transaction", "--quick", "--hex-blob",
                "--skip-triggers", "--skip-add-locks", *more, "--", *table,
            ]
        ) as dump,
        Program(client_command(into_facts, str(into_options)), feeds=True) as client,
    ):  # fmt: skip
        client.feed(f"{PROLOGUE}USE {quote(schema)};\n".encode())
        last = b""
        for chunk in dump.chunks():
            client.feed(chunk)
            last = (last + chunk)[-200:]
        dump.finish()
        if b"\n-- Dump completed" not in last:
            raise ToolFailed(f"{dump.name} stopped before it was done")
        client.finish()
