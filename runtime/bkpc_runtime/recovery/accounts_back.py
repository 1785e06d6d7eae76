"""Users, roles and grants on a target: those it has are left as they are, what can't be done is named.

Nothing here is fatal to a restore: rows are back, and a missing grant can be given by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.accounts import AccountStatement, parse_accounts
from bkpc_runtime.errors import Refused, ServerFailed
from bkpc_runtime.mysql.account_statements import (
    AccountName,
    is_about_oneself,
    named_accounts,
    tokens,
)
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.schemas import not_system
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound
from bkpc_runtime.transfer.ranges import read_checked

_CODE = re.compile(r"\(error (\d+)\)$")
_THERE = "1396"
"""CREATE USER of an account that is there; also DROP USER of one that is not."""
_CUT = 64 * 1024
_EVERYBODY = AccountName("PUBLIC", "")
_DEFINERS = {
    "views": "table_schema",
    "triggers": "trigger_schema",
    "routines": "routine_schema",
    "events": "event_schema",
}


def holds_accounts(image: Image) -> bool:
    return any(part.kind == "accounts" for part in image.manifest.parts)


def statements_of(image: Image, store: Store, identities: Sequence[Secret]) -> tuple[AccountStatement, ...]:
    """What the image holds of accounts.

    Raises:
        DamagedBackup: the part is not what was stored.
    """
    found: list[AccountStatement] = []
    for part in image.manifest.parts:
        if part.kind == "accounts":
            key = layout.part_key(image.prefix, image.manifest.id, part.name)
            plain = inbound(
                read_checked(store, key, part.sums),
                name=key,
                encrypted=image.manifest.encrypted,
                identities=identities,
                expected=part.sums,
            )
            found += parse_accounts(b"".join(plain))
    return tuple(found)


@dataclass(slots=True)
class AccountsBack:
    """The accounts of one image on one target; `problems` grows with what could not be done.

    `kept` are accounts the target had before: nothing touches them.
    """

    statements: tuple[AccountStatement, ...]
    kept: frozenset[AccountName]
    views: frozenset[tuple[str, str]]
    flavour: Flavour
    problems: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, target: Target, image: Image, store: Store, identities: Sequence[Secret]) -> AccountsBack:
        """Reads what the image holds, and looks at the target.

        Raises:
            Refused: grants take back parts of others, which the target does not do: they would allow too much.
        """
        statements = statements_of(image, store, identities)
        views = [(one.schema, view) for one in image.manifest.inventory for view in one.views]
        views += [(one.schema, one.table) for one in image.manifest.parts if one.kind == "doubtful"]
        with closing(target.connect()) as connection:
            back = cls(statements, frozenset(existing_accounts(connection)), frozenset(views), image.manifest.flavour)
            revoking = sorted({one.account for one in back.wanted() if one.revokes})
            partly = not revoking or query(connection, "SELECT @@GLOBAL.partial_revokes")[0][0]
        if not partly:
            raise Refused(
                f"grants of {revoking[0].text} take back parts of others, which the target does not do: "
                "it would be allowed too much",
                help="SET GLOBAL partial_revokes = ON on the target; nothing was changed",
            )
        return back

    @property
    def conflicts(self) -> list[AccountName]:
        """Accounts of the image that the target has, and keeps as they are."""
        return sorted({one.account for one in self.statements} & self.kept)

    @property
    def count(self) -> int:
        return len({one.account for one in self.statements})

    def wanted(self) -> Iterator[AccountStatement]:
        return (one for one in self.statements if one.account not in self.kept)

    def create(self, target: Target, *, again: bool = False) -> None:
        """The accounts, still without grants: definers are then there before what they define.

        `again`: an earlier run may have made some.
        """
        with closing(target.connect()) as connection:
            for one in self.wanted():
                if one.creates:
                    fine = _THERE if again else ""
                    self._run(connection, one.sql.reveal(), f"{one.account.text} can't be created", fine=fine)

    def grant(self, target: Target) -> None:
        """What is granted to them, once tables and code are there: who defines a view must be allowed to use it."""
        with closing(target.connect()) as connection:
            for one in self.wanted():
                if not one.creates and not one.on_one_of(self.views):
                    self._grant(connection, one)
            if self.flavour == "mariadb":
                self._give_up_roles(connection)

    def grant_on_views(self, target: Target) -> None:
        """The rest, once views are there."""
        with closing(target.connect()) as connection:
            for one in self.wanted():
                if one.on_one_of(self.views):
                    self._grant(connection, one)

    def forget(self, target: Target) -> None:
        """Drops what was made: views are loaded, and accounts are not wanted."""
        with closing(target.connect()) as connection:
            for one in self.wanted():
                if one.creates:
                    what = "ROLE" if one.sql.reveal().startswith("CREATE ROLE") else "USER"
                    self._fails(connection, f"DROP {what} IF EXISTS {one.account.quoted}")
            if any(one.account == _EVERYBODY for one in self.wanted()):
                self._fails(connection, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC")

    def _grant(self, connection: Connection[Any], one: AccountStatement) -> None:
        text = one.sql.reveal()
        several = list(_one_by_one(text))
        if len(several) > 1 and not self._fails(connection, text):
            return
        for each in several if len(several) > 1 else [text]:
            # No hash is in a grant: its words may be shown.
            self._run(connection, each, f"{one.account.text} lacks what this gives: {' '.join(each.split())[:200]}")

    def _give_up_roles(self, connection: Connection[Any]) -> None:
        """MariaDB gives a new role to whoever creates it."""
        (own,) = query(connection, "SELECT CURRENT_USER()")[0]
        user, _, host = str(own).rpartition("@")
        self_ = AccountName(user, host)
        given = " ".join(one.sql.reveal() for one in self.statements if one.account == self_)
        for one in self.wanted():
            if one.sql.reveal().startswith("CREATE ROLE ") and f"GRANT {one.account.quoted} TO" not in given:
                self._fails(connection, f"REVOKE {one.account.quoted} FROM {self_.quoted}")

    def follow(self, target: Target, logged: Iterable[Statement]) -> None:
        """Statements about accounts from the log after the image, in their order.

        They come after all rows: a grant on a table that was dropped later can't be given, and is named.
        """
        with closing(target.connect()) as connection:
            for one in logged:
                self._follow(connection, one)

    def _follow(self, connection: Connection[Any], one: Statement) -> None:
        named = {full for name in named_accounts(one.text) for full in self._meant(name)}
        words = " ".join(token.word for token in tokens(one.text)[:2] if token.word)
        what = f"{words} of {', '.join(sorted(name.text for name in named)) or 'nobody'}"
        if named & self.kept or is_about_oneself(one.text):
            self.problems.append(f"left out: {what}, which concerns an account that the target had before")
        elif "\N{REPLACEMENT CHARACTER}" in one.text or len(one.text) >= _CUT:
            self.problems.append(f"left out: {what}, which can't be read from the log")
        elif one.schema and self._fails(connection, f"USE {quote(one.schema)}"):
            self.problems.append(f"left out: {what}, given in schema {one.schema}, which is not there")
        else:
            query(connection, f"SET SESSION sql_mode = {one.sql_mode}")
            known = words.startswith("CREATE") and named <= {each.account for each in self.statements}
            self._run(connection, one.text, f"failed: {what}", fine=_THERE if known else "")

    def _meant(self, name: AccountName) -> tuple[AccountName, ...]:
        """A name without a host means any host; on MariaDB it may be a role."""
        if name.host:
            return (name,)
        return (AccountName(name.user, "%"), *((name,) if self.flavour == "mariadb" else ()))

    def _run(self, connection: Connection[Any], text: str, problem: str, fine: str = "") -> None:
        code = self._fails(connection, text)
        if code and code != fine:
            # Not in the server's words: they repeat the statement, and with it a hash.
            self.problems.append(f"{problem} (error {code})")

    def _fails(self, connection: Connection[Any], text: str) -> str:
        try:
            query(connection, text)
        except ServerFailed as problem:
            code = _CODE.search(str(problem))
            if code is None:  # the connection is lost
                raise ServerFailed("the target was lost while accounts were restored", retryable=True) from None
            return code[1]
        return ""


def existing_accounts(connection: Connection[Any]) -> Iterator[AccountName]:
    """Users and roles of a server. PUBLIC of MariaDB can't be dropped: it is one while something is granted to it."""
    for user, host in query(connection, "SELECT CAST(user AS CHAR), CAST(host AS CHAR) FROM mysql.user"):
        name = AccountName(str(user), str(host))
        if name != _EVERYBODY or query(connection, "SHOW GRANTS FOR PUBLIC"):
            yield name


def absent_definers(target: Target) -> list[str]:
    """Accounts that something is defined by and that are not there, each with how much it defines."""
    found: dict[str, int] = {}
    with closing(target.connect()) as connection:
        there = {f"{one.user}@{one.host}" for one in existing_accounts(connection)}
        for table, column in _DEFINERS.items():
            asked = f"SELECT CAST(definer AS CHAR), COUNT(*) FROM information_schema.{table} WHERE {not_system(column)}"
            for definer, count in query(connection, asked + " GROUP BY 1"):
                found[str(definer)] = found.get(str(definer), 0) + int(count)
    return [f"{name} ({count})" for name, count in sorted(found.items()) if name not in there]


def _one_by_one(grant: str) -> Iterator[str]:
    """One GRANT for each privilege of a grant on everything: another version may not know one of them."""
    found = tokens(grant)
    on = next((one for one in found if one.word == "ON"), None)
    if on is None or grant[on.end :].lstrip()[:3] != "*.*" or found[0].word != "GRANT":
        return
    for privilege in grant[found[0].end : on.start].split(","):
        yield f"GRANT {privilege.strip()} {grant[on.start :]}"
