"""Views, which may use one another: written so that one script makes them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.inventory import Contents
from bkpc_runtime.mysql.connection import query, query_bytes
from bkpc_runtime.mysql.identifiers import quote

_CHECK = re.compile(rb" WITH (CASCADED|LOCAL) CHECK OPTION$")


@dataclass(frozen=True, slots=True)
class View:
    """A view and the statement that makes it."""

    schema: str
    name: str
    statement: bytes
    collation: str
    client: str = "utf8mb4"
    """The character set it was written in: kept where that makes no difference to the statement."""

    @property
    def quoted(self) -> str:
        return quote(self.schema, self.name)

    @property
    def checks(self) -> bool:
        """Whether rows that it would not show can't be written through it."""
        return bool(_CHECK.search(self.statement))

    def without_check(self) -> View:
        return replace(self, statement=_CHECK.sub(b"", self.statement))


def doubtful_views(connection: Connection[Any], contents: Contents) -> frozenset[tuple[str, str]]:
    """Views whose columns the server can't tell: they use things that are not there, or that their definer may not."""
    rows = query(connection, "SELECT DISTINCT BINARY table_schema, BINARY table_name FROM information_schema.columns")
    whole = {(_text(schema), _text(name)) for schema, name in rows}
    return frozenset((one.schema, view) for one in contents.schemas for view in one.views) - whole


def views_using(
    connection: Connection[Any], contents: Contents, functions: Collection[str]
) -> frozenset[tuple[str, str]]:
    """Views that use a loadable function, or a view that does: where its library is missing they can't be made."""
    if not functions:
        return frozenset()
    views = [_read(connection, one.schema, view) for one in contents.schemas for view in one.views]
    names = "|".join(map(re.escape, functions)).encode()
    calls = re.compile(rb"\b(?:" + names + rb")`?\(", re.IGNORECASE)
    found = {view.quoted for view in views if calls.search(view.statement)}
    while more := {view.quoted for view in views if any(one.encode() in view.statement for one in found)} - found:
        found |= more
    return frozenset((view.schema, view.name) for view in views if view.quoted in found)


def ordered(connection: Connection[Any], names: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Used views before their users."""
    return ((view.schema, view.name) for view in in_order([_read(connection, *one) for one in sorted(names)]))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write_views(
    connection: Connection[Any],
    contents: Contents,
    write: Callable[[bytes], None],
    doubtful: Collection[tuple[str, str]],
) -> list[tuple[str, str]]:
    """All views: first a placeholder for each, which matters to those that use one another in a circle, then the real
    ones, those that others use before these.

    Returns the views that lack their check option by then: one over a view that has become such that nothing can be
    written through it stays on the source, and can't be made again.
    """
    names = [(one.schema, name) for one in contents.schemas for name in one.views]
    views = [_read(connection, *name) for name in names if name not in doubtful]
    for view in views:
        columns = query(
            connection,
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
            "ORDER BY ordinal_position",
            (view.schema, view.name),
        )
        fields = ", ".join(f"1 AS {quote(str(row[0]))}" for row in columns)
        write(f"CREATE OR REPLACE VIEW {view.quoted} AS SELECT {fields};\n".encode())
    ordered = list(in_order(views))
    for view in ordered:
        _write(view.without_check(), write)
    return [(view.schema, view.name) for view in ordered if view.checks]


def write_view(connection: Connection[Any], schema: str, name: str, write: Callable[[bytes], None]) -> None:
    """One view by itself."""
    _write(_read(connection, schema, name), write)


def _write(view: View, write: Callable[[bytes], None]) -> None:
    write(f"USE {quote(view.schema)};\n".encode())
    write(f"SET character_set_client = {view.client}, collation_connection = {view.collation};\n".encode())
    write(view.statement + b";\nSET character_set_client = utf8mb4;\n")


def _read(connection: Connection[Any], schema: str, name: str) -> View:
    # In bytes: MariaDB shows a text of another character set as it is, within UTF-8.
    _, text, client, collation = query_bytes(connection, f"SHOW CREATE VIEW {quote(schema, name)}")[0][:4]
    statement = b"CREATE OR REPLACE " + bytes(text).removeprefix(b"CREATE ")
    return View(schema, name, statement, _text(collation), _text(client) if statement.isascii() else "utf8mb4")


def in_order(views: list[View]) -> Iterator[View]:
    """Used views before their users, by the names that appear in the statements; by name where that is a circle."""
    named = {view.quoted: view for view in views}
    users = {
        view.quoted: {other for other in named if other != view.quoted and other.encode() in view.statement}
        for view in views
    }
    try:
        order = list(TopologicalSorter(users).static_order())
    except CycleError:
        order = list(named)
    return (named[one] for one in order)
