"""Finding the transaction to restore before: `drop table shop.orders`, `delete shop.orders`, `ddl shop`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.transactions import Transaction

_ROWS = ("insert", "update", "delete")
_DDL = ("drop", "truncate", "alter", "create", "rename")
_NAME = r"(?:`(?:[^`]|``)+`|[^\s.`(),;]+)"
_QUALIFIED = re.compile(rf"({_NAME})(?:\s*\.\s*({_NAME}))?")
_COMMENT = re.compile(r"/\*(?![!M]).*?\*/|/\*M?!\d*|\*/|--[^\n]*\n|#[^\n]*\n", re.DOTALL)
_DDL_HEAD = re.compile(
    r"(?P<verb>DROP|TRUNCATE|ALTER|CREATE|RENAME)\s+(?:OR\s+REPLACE\s+)?(?:TEMPORARY\s+)?"
    r"(?:(?:ONLINE|OFFLINE|IGNORE)\s+)*(?P<what>TABLES?|DATABASE|SCHEMA|VIEW)?\s*(?:IF\s+(?:NOT\s+)?EXISTS\s+)?",
    re.IGNORECASE,
)
_CHANGES = {
    "INSERT": {"insert"},
    "REPLACE": {"insert", "delete"},
    "LOAD": {"insert", "delete"},
    "UPDATE": {"update"},
    "DELETE": {"delete"},
}
"""What a statement does to rows, by its first word."""
_CHANGE_HEAD = re.compile(rf"\s*(?:WITH\b.*?\b)?({'|'.join(_CHANGES)})\b", re.IGNORECASE | re.DOTALL)
_NEW_NAME = re.compile(
    rf"\bRENAME\s+(?:TO\s+|AS\s+|(?!(?:COLUMN|INDEX|KEY)\b))({_NAME})(?:\s*\.\s*({_NAME}))?", re.IGNORECASE
)
"""What ALTER TABLE calls a table from now on."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: a verb (or any DDL), and what it was done to.

    Without `table` all of a schema, without `schema` a table of that name in any. `whole`: only the schema itself.
    """

    verb: str
    schema: str
    table: str
    whole: bool = False


def parse_query(text: str) -> Query:
    """`[drop|truncate|alter|create|rename|ddl] [table|database] NAME`, `[insert|update|delete] [from|into] NAME`.

    A name is `schema.table`, or alone: after the word `table` (or `view`) a table of any schema, else a schema.

    Raises:
        BadUsage: it is none of these.
    """
    words = re.fullmatch(
        rf"\s*(?P<verb>\w+)\s+(?:(?P<what>table|database|schema|from|into|view)\s+)?(?P<name>{_NAME}(?:\s*\.\s*{_NAME})?)\s*;?\s*",
        text,
        re.IGNORECASE,
    )
    verb = words["verb"].lower() if words else ""
    if not words or verb not in (*_ROWS, *_DDL, "ddl"):
        raise BadUsage(
            f"{text!r} can't be looked for",
            help="such as 'drop table shop.orders', 'truncate shop.orders', 'delete shop.orders', 'ddl shop'",
        )
    first, second = _names(words["name"])
    what = (words["what"] or "").lower()
    if what in {"table", "view"} and not second:
        return Query(verb, "", first)
    return Query(verb, first, second, what in {"database", "schema"} and not second)


def _names(text: str) -> tuple[str, str]:
    match = _QUALIFIED.match(text)
    assert match is not None
    return _plain(match[1]), _plain(match[2]) if match[2] else ""


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def did(one: Transaction, query: Query) -> bool:
    """Whether a transaction did what `query` says; of rows that a statement changed, whether it may have."""
    if query.verb in _ROWS:
        rows = any(change.kind == query.verb and _same(query, change.schema, change.table) for change in one.changes)
        return rows or any(_may_have(query, statement) for statement in one.statements)
    return any(_did(query, statement) for statement in one.statements)


def _may_have(query: Query, statement: Statement) -> bool:
    """Statements are in a log of formats STATEMENT and MIXED: one that begins so and names the table somewhere."""
    text = _COMMENT.sub(" ", statement.text)
    head = _CHANGE_HEAD.match(text)
    if not head or query.verb not in _CHANGES[head[1].upper()]:
        return False
    return any(_same(query, schema, table) for schema, table in mentioned(statement))


def _same(query: Query, schema: str, table: str) -> bool:
    return query.schema.lower() in {"", schema.lower()} and query.table.lower() in {"", table.lower()}


def _did(query: Query, statement: Statement) -> bool:
    text = _COMMENT.sub(" ", statement.text).strip()
    head = _DDL_HEAD.match(text)
    if not head or query.verb not in {"ddl", head["verb"].lower()}:
        return False
    rest = text[head.end() :]
    if (head["what"] or "").upper() in {"DATABASE", "SCHEMA"}:
        # A schema that is dropped takes its tables with it; nothing else that is done to it is done to them.
        concerned = not query.table or (query.schema and head["verb"].upper() == "DROP")
        return bool(concerned and _QUALIFIED.match(rest)) and _names(rest)[0].lower() == query.schema.lower()
    return not query.whole and any(
        _same(query, schema, table) for schema, table in _touched(head, rest, statement.schema)
    )


def _touched(head: re.Match[str], rest: str, current: str) -> Iterator[tuple[str, str]]:
    """The tables a DDL statement names: all of a DROP or RENAME, the first of the others."""
    several = head["verb"].upper() in {"DROP", "RENAME"}
    while match := _QUALIFIED.match(rest):
        first, second = _plain(match[1]), _plain(match[2]) if match[2] else ""
        yield (first, second) if second else (current, first)
        rest = rest[match.end() :].lstrip()
        separator = re.match(r",|TO\b", rest, re.IGNORECASE)
        if not several or not separator:
            return
        rest = rest[separator.end() :].lstrip()


def mentioned(statement: Statement) -> set[tuple[str, str]]:
    """Every schema and table that a statement may mean: all it names, what is no table among it.

    What stands without a schema may be of that of the table which is defined, as the parents of foreign keys are.
    """
    text = _COMMENT.sub(" ", statement.text)
    schemas = {statement.schema} | {schema for schema, _ in defined(statement)}
    found = set()
    for match in _QUALIFIED.finditer(text):
        first, second = (_bare(one) if one else "" for one in match.groups())
        found |= {(first, second)} if second else {(schema, first) for schema in schemas}
    return found


def defined(statement: Statement) -> set[tuple[str, str]]:
    """The tables that a CREATE, ALTER, DROP, RENAME or TRUNCATE TABLE is about."""
    text = _COMMENT.sub(" ", statement.text).strip()
    head = _DDL_HEAD.match(text)
    # Only TRUNCATE does without the word: `CREATE INDEX` names no table so.
    if not head or (head["what"] or head["verb"]).upper() not in {"TABLE", "TABLES", "TRUNCATE"}:
        return set()
    named = set(_touched(head, text[head.end() :], statement.schema))
    if head["verb"].upper() == "ALTER":
        for match in _NEW_NAME.finditer(text):
            first, second = _plain(match[1]), _plain(match[2]) if match[2] else ""
            named.add((first, second) if second else (statement.schema, first))
    return named


def _bare(name: str) -> str:
    """Also as ANSI_QUOTES has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') and len(name) > 1 else _plain(name)


def table_of_query(text: str) -> tuple[str, str]:
    """Schema and table of `schema.table`, quoted where need be; `BadUsage` for all else."""
    match = re.fullmatch(rf"\s*({_NAME})\s*\.\s*({_NAME})\s*", text)
    if not match:
        raise BadUsage(f"{text!r} is no table", help="write shop.orders, or `odd name`.`a.b`")
    return _plain(match[1]), _plain(match[2])
