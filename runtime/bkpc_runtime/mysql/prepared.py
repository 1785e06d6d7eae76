"""Prepared XA transactions: neither committed nor rolled back, they hold their locks until somebody says which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour, read_facts


def prepared(connection: Connection[Any], flavour: Flavour) -> list[str]:
    """Those that are open, each as `XA COMMIT` and `XA ROLLBACK` take it.

    Raises:
        ServerFailed: the account may not ask (MySQL: XA_RECOVER_ADMIN).
    """
    if flavour == "mariadb":
        return [str(row[3]) for row in query(connection, "XA RECOVER FORMAT='SQL'")]
    return [_literal(*row) for row in query(connection, "XA RECOVER CONVERT XID")]


def _literal(form: int, of_global: int, of_branch: int, told: str) -> str:
    """`told` is both parts in hexadecimal, one after the other."""
    plain = bytes.fromhex(str(told).removeprefix("0x"))
    parts = plain[:of_global], plain[of_global : of_global + of_branch]
    return ",".join([*(_text(one) for one in parts), str(form)])


def _text(part: bytes) -> str:
    text = part.decode("ascii", "replace")
    readable = text.isprintable() and text.isascii() and not {"'", "\\"} & {*text}
    return f"'{text}'" if readable else f"X'{part.hex()}'"


def roll_back(connection: Connection[Any], flavour: Flavour) -> list[str]:
    """Rolls all of them back; which those were."""
    found = prepared(connection, flavour)
    for one in found:
        query(connection, f"XA ROLLBACK {one}")
    return found


def left_prepared(connection: Connection[Any]) -> Iterator[str]:
    """What is to be said of those in a server that was restored as a whole: all that the log says of them is done."""
    try:
        found = prepared(connection, read_facts(connection).flavour)
    except ServerFailed:  # without XA_RECOVER_ADMIN
        return
    for one in found:
        yield (
            f"XA transaction {one} is prepared, as at the source then, and holds its locks: "
            "XA COMMIT or XA ROLLBACK it, as its coordinator says"
        )
