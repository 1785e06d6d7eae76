"""The accounts of a server: users, roles and what they may do, as statements that make them again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.account_statements import (
    AccountName,
    clause,
    granted_on,
    tokens,
    without_clause,
    without_login,
)
from bkpc_runtime.mysql.connection import Row, query
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.secret import Secret

SYSTEM_ACCOUNTS = frozenset(
    AccountName(user, "localhost") for user in ("mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys")
)
"""Those that the server made for itself."""
ACCOUNTS = "user accounts, roles and grants"
_PUBLIC = AccountName("PUBLIC", "")
_HEAD = re.compile(rb"-- account (\{[^\n]*\})\n")
_AFTER_ROLES = frozenset({"REQUIRE", "WITH", "PASSWORD", "ACCOUNT", "COMMENT", "ATTRIBUTE"})
_AFTER_LOGIN = frozenset({"REQUIRE", "WITH"})
_UNKNOWN = ("(error 1133)", "(error 1141)", "(error 1269)")


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """A statement about one account; its text holds hashes of passwords."""

    account: AccountName
    sql: Secret

    @property
    def creates(self) -> bool:
        """Whether it makes the account; else it grants something to it."""
        return self.sql.reveal().startswith("CREATE ")

    @property
    def revokes(self) -> bool:
        """Whether it takes a part of what a grant gave (MySQL's partial revokes)."""
        return self.sql.reveal().startswith("REVOKE ")

    def on_one_of(self, views: Collection[tuple[str, str]]) -> bool:
        """Whether it is a grant on one of `views`, which must be there first."""
        return not self.creates and granted_on(self.sql.reveal()) in views


@dataclass(frozen=True, slots=True)
class Accounts:
    """First what makes all accounts, then their grants; `lost` names what can't be kept of them."""

    statements: tuple[AccountStatement, ...]
    lost: tuple[str, ...] = ()


def read_accounts(connection: Connection[Any], flavour: Flavour, *, passwords: bool) -> Accounts:
    """All accounts but the server's own. Without `passwords` those that have one come back locked, without it."""
    if flavour == "mysql":
        # Else it writes the bytes of salts as they are, which no client can take.
        query(connection, "SET SESSION print_identified_with_as_hex = ON")
    made: list[AccountStatement] = []
    granted: list[AccountStatement] = []
    locked = 0
    for account, is_role, default_role in _listed(connection, flavour):
        try:
            create = _create(connection, account, is_role=is_role)
            grants = [str(row[0]) for row in query(connection, f"SHOW GRANTS FOR {_shown(account)}")]
        except ServerFailed as problem:
            if str(problem).endswith(_UNKNOWN):  # dropped since it was listed
                continue
            raise
        own = [_bare(one) for one in grants if _is_own(one, account)]
        kept = create if passwords else without_login(create)
        roles = clause(kept, ("DEFAULT", "ROLE"), _AFTER_ROLES) or default_role
        if kept != create:
            locked += 1
            own.insert(0, f"ALTER USER {account.quoted} ACCOUNT LOCK")
        if create:
            made.append(_statement(account, without_clause(kept, ("DEFAULT", "ROLE"), _AFTER_ROLES)))
        if roles:
            own.append(_default_role(account, roles, flavour))
        granted += [_statement(account, one) for one in own]
    lost = [f"passwords of {locked} accounts, which come back locked: the image is not encrypted"] if locked else []
    return Accounts((*made, *granted), (*lost, *_second_passwords(connection, flavour)))


def _statement(account: AccountName, text: str) -> AccountStatement:
    return AccountStatement(account, Secret(text))


def _listed(connection: Connection[Any], flavour: Flavour) -> Iterator[tuple[AccountName, bool, str]]:
    """Account, whether it is a role of MariaDB's, and its default role there (quoted)."""
    columns = "is_role, default_role" if flavour == "mariadb" else "'N', ''"
    rows: list[Row] = query(connection, f"SELECT user, host, {columns} FROM mysql.user ORDER BY 1, 2")
    for user, host, is_role, role in rows:
        account = AccountName(_text(user), _text(host))
        if account not in SYSTEM_ACCOUNTS:
            yield account, _text(is_role) == "Y", AccountName(_text(role), "").quoted if role else ""


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _shown(account: AccountName) -> str:
    return "PUBLIC" if account == _PUBLIC else account.quoted


def _create(connection: Connection[Any], account: AccountName, *, is_role: bool) -> str:
    if is_role:
        return "" if account == _PUBLIC else f"CREATE ROLE IF NOT EXISTS {account.quoted}"
    text = str(query(connection, f"SHOW CREATE USER {account.quoted}")[0][0])
    return "CREATE USER IF NOT EXISTS " + text.removeprefix("CREATE USER ")


def _is_own(grant: str, account: AccountName) -> bool:
    """SHOW GRANTS of MariaDB tells of the roles of a role too; default roles are written by ourselves."""
    found = tokens(grant)
    if found[0].word == "SET":
        return False
    ends = [at for at, one in enumerate(found) if one.word in {"TO", "FROM"}]
    after = found[ends[-1] + 1 :] if ends else []
    if not after:
        return False
    host = after[2].name if len(after) > 2 and after[1].text == "@" else ""
    return (after[0].name, host) == (account.user, account.host)


def _bare(grant: str) -> str:
    """Without the hash that MariaDB adds to the grant on everything: CREATE USER has it."""
    return without_clause(grant, ("IDENTIFIED",), _AFTER_LOGIN)


def _default_role(account: AccountName, roles: str, flavour: Flavour) -> str:
    if flavour == "mariadb":
        return f"SET DEFAULT ROLE {roles} FOR {account.quoted}"
    return f"ALTER USER {account.quoted} DEFAULT ROLE {roles}"


def _second_passwords(connection: Connection[Any], flavour: Flavour) -> Iterator[str]:
    if flavour == "mysql":
        asked = "SELECT user, host FROM mysql.user WHERE user_attributes->'$.additional_password' IS NOT NULL"
        names = sorted(AccountName(_text(user), _text(host)).text for user, host in query(connection, asked))
        if names:
            yield f"the second password (RETAIN CURRENT PASSWORD) of {len(names)} accounts"


def write_accounts(statements: Iterable[AccountStatement], write: Callable[[bytes], None]) -> None:
    """As SQL that also loads by hand. A line before each statement says whose it is and how long: texts may hold
    anything."""
    for one in statements:
        body = one.sql.reveal().encode()
        head = {"user": one.account.user, "host": one.account.host, "bytes": len(body)}
        write(b"-- account " + json.dumps(head, sort_keys=True).encode() + b"\n" + body + b";\n")


def parse_accounts(part: bytes) -> tuple[AccountStatement, ...]:
    """What `write_accounts` wrote, whatever stands before it."""
    found: list[AccountStatement] = []
    match = _HEAD.search(part)
    while match:
        head = json.loads(match[1])
        end = match.end() + int(head["bytes"])
        found.append(_statement(AccountName(head["user"], head["host"]), part[match.end() : end].decode()))
        match = _HEAD.match(part, end + len(b";\n"))
    return tuple(found)
