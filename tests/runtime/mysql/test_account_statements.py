"""Whom a statement about accounts concerns, and what is taken out of it."""

from __future__ import annotations

import pytest

from bkpc_runtime.mysql.account_statements import (
    AccountName,
    clause,
    is_about_oneself,
    named_accounts,
    without_clause,
    without_login,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("CREATE USER 'a'@'%' IDENTIFIED WITH 'p' AS 'to x@y, b@c', b@'h' ACCOUNT LOCK", ["a@%"]),
        ("CREATE USER IF NOT EXISTS `a``b`@`10.0.0.1`", ["a`b@10.0.0.1"]),
        ("DROP USER IF EXISTS a, 'it''s'@localhost", ["a@", "it's@localhost"]),
        ("GRANT SELECT, INSERT (id) ON root.* TO a@'%', r WITH GRANT OPTION", ["a@%", "r@"]),
        ("GRANT r1, `r 2`@h TO a WITH ADMIN OPTION", ["r1@", "r 2@h", "a@"]),
        ("REVOKE ALL PRIVILEGES, GRANT OPTION FROM a@b", ["a@b"]),
        ("/* to c */ REVOKE r FROM a -- to d\n", ["r@", "a@"]),
        ("RENAME USER a@'%' TO b@'%', c@h TO d@h", ["a@%", "b@%", "c@h", "d@h"]),
        ("SET PASSWORD FOR a@'%' = '*AA'", ["a@%"]),
        ("SET DEFAULT ROLE r TO a@'%'", ["r@", "a@%"]),
        ("ALTER USER \"a\"@\"%\" REQUIRE SSL WITH MAX_USER_CONNECTIONS 3", ["a@%"]),
        ("CREATE ROLE r WITH ADMIN a@b", ["r@", "a@b"]),
    ],
)  # fmt: skip
def test_whom(text: str, names: list[str]) -> None:
    found = {f"{one.user}@{one.host}" for one in named_accounts(text)}
    assert set(names) <= found
    # What is named too much is left out and told; never a hash or an object.
    assert not {one for one in found if "x@y" in one or one.startswith("root")}


def test_oneself() -> None:
    assert is_about_oneself("SET PASSWORD = 'x'")
    assert is_about_oneself("ALTER USER user() IDENTIFIED BY 'x'")
    assert is_about_oneself("GRANT r TO CURRENT_USER")
    assert not is_about_oneself("SET PASSWORD FOR a = 'x'")
    assert not is_about_oneself("CREATE USER a")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL", "CREATE USER `a`@`%` REQUIRE SSL"),
        (
            "CREATE USER a IDENTIFIED VIA x OR y USING 'z' OR w USING 'q' ACCOUNT LOCK",
            "CREATE USER a IDENTIFIED VIA x OR y OR w ACCOUNT LOCK",
        ),
        (
            "CREATE USER a IDENTIFIED WITH 'p' AS 0xAB AND IDENTIFIED WITH 'q' AS 'AS ''x' REQUIRE NONE",
            "CREATE USER a IDENTIFIED WITH 'p' AND IDENTIFIED WITH 'q' REQUIRE NONE",
        ),
        ("CREATE USER `AS` IDENTIFIED WITH 'p' REQUIRE NONE", "CREATE USER `AS` IDENTIFIED WITH 'p' REQUIRE NONE"),
    ],
)
def test_without_login(text: str, bare: str) -> None:
    assert without_login(text) == bare


def test_clauses() -> None:
    text = "CREATE USER a IDENTIFIED WITH 'DEFAULT ROLE' DEFAULT ROLE `r`@`%`,`s`@`%` REQUIRE NONE"
    ends = frozenset({"REQUIRE"})
    assert clause(text, ("DEFAULT", "ROLE"), ends) == "`r`@`%`,`s`@`%`"
    assert (
        without_clause(text, ("DEFAULT", "ROLE"), ends) == "CREATE USER a IDENTIFIED WITH 'DEFAULT ROLE' REQUIRE NONE"
    )
    assert clause(text, ("ACCOUNT",), ends) == ""
    assert without_clause("GRANT x TO a IDENTIFIED BY 'y'", ("IDENTIFIED",), ends) == "GRANT x TO a"


def test_names_as_shown() -> None:
    assert AccountName("a`b", "%").quoted == "`a``b`@`%`"
    assert AccountName("r", "").quoted == "`r`"
    assert AccountName("", "h").quoted == "``@`h`"
