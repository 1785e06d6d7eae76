"""Reading statements about accounts, without ever printing them: they hold the hashes of passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bkpc_runtime.mysql.identifiers import quote

_TOKEN = re.compile(
    r"/\*.*?\*/|--[ \t\n][^\n]*|#[^\n]*|\s+"
    r"|(?P<quoted>`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<word>[\w$.-]+)|(?P<sign>.)",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_HEADS = frozenset({"TO", "FROM", "FOR", "USER", "ROLE", "GRANT", "REVOKE", "ADMIN"})
"""Words after which accounts are listed."""
_CLAUSES = frozenset(
    {
        "IDENTIFIED", "REQUIRE", "WITH", "AS", "ON", "ACCOUNT", "PASSWORD", "COMMENT", "ATTRIBUTE", "DEFAULT", "AND",
        "FAILED_LOGIN_ATTEMPTS", "PASSWORD_LOCK_TIME", "DISCARD", "RETAIN", "ADD", "DROP", "MODIFY", "EXCEPT",
        "GRANTED", "OPTION", "ALL", "NONE",
    }
)  # fmt: skip
"""Words that end such a list."""
_BETWEEN = frozenset({"IF", "NOT", "EXISTS", "CREATE", "ALTER", "OR", "REPLACE", "RENAME", "SET"})


@dataclass(frozen=True, slots=True, order=True)
class AccountName:
    """A user or role. `host` is empty for roles of MariaDB, which have none."""

    user: str
    host: str

    @property
    def quoted(self) -> str:
        """As statements take it; users may have no name."""
        user = quote(self.user) if self.user else "``"
        return f"{user}@{quote(self.host)}" if self.host else user

    @property
    def text(self) -> str:
        """As messages show it."""
        return f"{self.user!r}@{self.host!r}" if self.host else repr(self.user)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a quoted text or a sign of a statement, at `[start, end)`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """In capitals; empty for what is no plain word."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """What a quoted text or a word says."""
        if self.kind != "quoted":
            return self.text
        mark, inside = self.text[0], self.text[1:-1]
        inside = inside.replace(mark * 2, mark)
        return inside if mark == "`" else _ESCAPED.sub(r"\1", inside)


def tokens(statement: str) -> list[Token]:
    """The tokens of a statement, without spaces and comments."""
    return [Token(one.lastgroup, one[0], one.start(), one.end()) for one in _TOKEN.finditer(statement) if one.lastgroup]


def named_accounts(statement: str) -> frozenset[AccountName]:
    """All accounts a statement about accounts names; a name without a host has the host ''."""
    return frozenset(_accounts(tokens(statement)))


def _accounts(found: list[Token]) -> Iterator[AccountName]:
    # GRANT and REVOKE list roles where there is no ON, privileges where there is.
    roles = not any(one.word == "ON" for one in found)
    listing = False
    at = 0
    while at < len(found):
        one = found[at]
        at += 1
        if one.word in _HEADS:
            listing = roles or one.word not in {"GRANT", "REVOKE"}
        elif one.word in _CLAUSES:
            listing = False
        elif listing and one.kind in {"word", "quoted"} and one.word not in _BETWEEN:
            host = ""
            if at + 1 < len(found) and found[at].text == "@":
                host = found[at + 1].name
                at += 2
            yield AccountName(one.name, host)


def granted_on(statement: str) -> tuple[str, str]:
    """Schema and name of the one object that a grant is on; empty where it is on more or on something else."""
    found = tokens(statement)
    at = next((at for at, one in enumerate(found) if one.word == "ON"), len(found))
    shape = [one.text for one in found[at + 1 : at + 5]]
    if len(shape) == 4 and shape[1] == "." and shape[2] != "*" and found[at + 1].kind == "quoted":
        return found[at + 1].name, found[at + 3].name
    return "", ""


def is_about_oneself(statement: str) -> bool:
    """Whether a statement changes the account of whoever runs it."""
    found = tokens(statement)
    words = [one.word for one in found]
    if words[:2] == ["SET", "PASSWORD"] and "FOR" not in words:
        return True
    calls = (one.word == "USER" and following.text == "(" for one, following in pairwise(found))
    return bool({"CURRENT_USER", "CURRENT_ROLE"} & set(words)) or any(calls)


def without_clause(statement: str, begin: tuple[str, ...], ends: frozenset[str]) -> str:
    """A statement without the clause that begins with the words `begin` and goes to a word of `ends`, or to the end."""
    first, _, end = _clause(statement, begin, ends)
    kept = statement[:first].rstrip()
    return f"{kept} {statement[end:]}" if end < len(statement) else kept


def clause(statement: str, begin: tuple[str, ...], ends: frozenset[str]) -> str:
    """That clause, without its first words; empty where there is none."""
    _, inside, end = _clause(statement, begin, ends)
    return statement[inside:end].strip()


def _clause(statement: str, begin: tuple[str, ...], ends: frozenset[str]) -> tuple[int, int, int]:
    """Where a clause, and what follows its first words, begins and ends; all at the end where there is none."""
    found = tokens(statement)
    words = [one.word for one in found]
    for at in range(len(found)):
        after = at + len(begin)
        if tuple(words[at:after]) == begin:
            end = next((one.start for one in found[after:] if one.word in ends), len(statement))
            return found[at].start, found[after - 1].end, end
    return len(statement), len(statement), len(statement)


def without_login(statement: str) -> str:
    """A CREATE USER without what an account proves itself with: hashes, keys, names elsewhere."""
    found = tokens(statement)
    kept, at = "", 0
    for number, (one, following) in enumerate(pairwise(found)):
        if following.kind != "quoted" and not following.text.lower().startswith("0x"):
            continue
        words = [before.word for before in found[max(0, number - 2) : number + 1]]
        first = found[number - 2] if words == ["IDENTIFIED", "BY", "PASSWORD"] else one
        if first is not one or one.word in {"AS", "USING"}:
            kept += statement[at : first.start].rstrip()
            at = following.end
    return kept + statement[at:]
