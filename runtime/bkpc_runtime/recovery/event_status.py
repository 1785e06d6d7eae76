"""Events stay what they were: a server's applier makes each that it creates or alters DISABLE ON REPLICA."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import closing

from bkpc_runtime.mysql.account_statements import Token, tokens
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.recovery.target import Target

Event = tuple[str, str]
"""Schema and name."""

_ON_REPLICA = frozenset({"SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED"})
_EVENT = re.compile(r"\s*(?:/\*.*?\*/\s*)*(?:CREATE|ALTER)\b[^;]{0,400}?\bEVENT\b", re.IGNORECASE | re.DOTALL)
_SKIPPED = {"IF", "NOT", "EXISTS"}


def is_of_event(statement: Statement) -> bool:
    """Whether a statement may create or alter an event."""
    return bool(_EVENT.match(statement.text))


def statuses(target: Target) -> dict[Event, str]:
    """Of every event there; a server whose scheduler is DISABLED tells of none, and makes none."""
    with closing(target.connect()) as connection:
        if query(connection, "SELECT @@GLOBAL.event_scheduler")[0][0] == "DISABLED":
            return {}
        asked = "SELECT event_schema, event_name, status FROM information_schema.events WHERE "
        rows = query(connection, asked + not_system("event_schema"))
    return {(str(schema), str(name)): str(status) for schema, name, status in rows}


def put_back(target: Target, before: Mapping[Event, str], logged: Iterable[Statement]) -> None:
    """Gives events the status they had on the source: that of `before`, as `logged` statements changed it."""
    wanted = followed(before, logged)
    changed = {
        event: wanted.get(event, "ENABLED") for event, status in statuses(target).items() if status in _ON_REPLICA
    }
    with closing(target.connect()) as connection:
        for (schema, name), status in changed.items():
            if status in _ON_REPLICA:
                continue
            definer, mode = query(
                connection,
                "SELECT definer, sql_mode FROM information_schema.events WHERE event_schema = %s AND event_name = %s",
                (schema, name),
            )[0]
            user, _, host = str(definer).rpartition("@")
            # ALTER would make it ours, and of our mode.
            query(connection, "SET SESSION sql_mode = %s", (str(mode),))
            whose = f"{quote(user) if user else '``'}@{quote(host)}" if host else quote(user)
            word = "ENABLE" if status == "ENABLED" else "DISABLE"
            query(connection, f"ALTER DEFINER = {whose} EVENT {quote(schema, name)} {word}")


def followed(before: Mapping[Event, str], logged: Iterable[Statement]) -> dict[Event, str]:
    """The status of every event after these statements."""
    found = dict(before)
    for statement in logged:
        words = tokens(statement.text)
        at = next((at for at, one in enumerate(words) if one.word == "EVENT"), None)
        if at is None:
            continue
        creates = words[0].word == "CREATE"
        name, at = _name(words, at + 1, statement.schema)
        status, new = _status(words[at:], statement.schema)
        earlier = found.pop(name, "ENABLED")
        found[new or name] = status or ("ENABLED" if creates else earlier)
    return found


def _name(words: list[Token], at: int, schema: str) -> tuple[Event, int]:
    while at < len(words) and words[at].word in _SKIPPED:
        at += 1
    parts = []
    while at < len(words):
        # An unquoted word may hold the dot, or begin or end with it.
        parts += [one for one in words[at].text.split(".") if one] if words[at].word else [words[at].name]
        at += 1
        dotted = at < len(words) and (words[at].text.startswith(".") or words[at - 1].text.endswith("."))
        if not dotted or words[at - 1].kind == "sign":
            break
        if words[at].text == ".":
            at += 1
    names = [one for one in parts if one != "."]
    return ((names[0], names[1]) if len(names) > 1 else (schema, names[0] if names else "")), at


def _status(words: list[Token], schema: str) -> tuple[str, Event | None]:
    """What a statement says of the status, and the new name it gives; its body is not looked at."""
    status, new = "", None
    for at, one in enumerate(words):
        if one.word == "DO":
            break
        if one.word == "RENAME":
            new, _ = _name(words, at + 2, schema)
        elif one.word == "ENABLE":
            status = "ENABLED"
        elif one.word == "DISABLE":
            after = [each.word for each in words[at + 1 : at + 3]]
            status = "SLAVESIDE_DISABLED" if after in (["ON", "SLAVE"], ["ON", "REPLICA"]) else "DISABLED"
    return status, new
