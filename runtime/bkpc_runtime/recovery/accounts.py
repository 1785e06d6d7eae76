"""Statements about accounts in a log: a replay leaves them out, and they come apart (`accounts_back`).

Replayed, they would stop it for accounts that are not there, or change the password of the rescue server's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bkpc_runtime.mysql.binlog.transactions import Transaction

Range = tuple[str, int, int]
"""Bytes `[start, end)` of a binlog."""

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*\n|#[^\n]*\n", re.DOTALL)
_ACCOUNT = re.compile(
    r"(?:(?:CREATE(?:\s+OR\s+REPLACE)?|ALTER|DROP|RENAME)\s+(?:USER|ROLE)\b|GRANT\b|REVOKE\b"
    r"|SET\s+(?:PASSWORD|DEFAULT\s+ROLE)\b)",
    re.IGNORECASE,
)


def is_of_accounts(one: Transaction) -> bool:
    """Whether a transaction changes accounts, roles or grants, or rows of the server's own schema, alone."""
    if one.changes:
        return all(change.schema == "mysql" for change in one.changes)
    return bool(one.statements) and all(_ACCOUNT.match(_COMMENT.sub(" ", two.text).lstrip()) for two in one.statements)


def without(start: int, body: bytes, left_out: Iterable[tuple[int, int]]) -> bytes:
    """The bytes from `start` on of a binlog, without the ranges that are left out."""
    kept, at = [], start
    for first, last in left_out:
        if last <= at or first >= start + len(body):
            continue
        kept.append(body[at - start : max(0, first - start)])
        at = min(max(at, last), start + len(body))
    kept.append(body[at - start :])
    return b"".join(kept)
