"""Clauses that a block may have once: a second one would silently win or lose."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.syntax.tree import Clause, Word

_ONCE = {
    kind: kind
    for kind in (
        "bandwidth", "latency", "endpoint", "storage_class", "redundancy", "reads", "writes", "mysql", "tls", "size",
        "grows", "burst", "restores", "replays", "changes", "prepares", "verifies", "tables", "table", "starts",
        "labels", "provision", "thaw", "minimum_stay", "minimum_size", "class_redundancy", "headroom",
        "verification", "rpo", "rto", "respond", "keep", "lock", "recover", "flow", "encrypt", "detect", "activate",
        "limit", "lag", "size_change", "verify_every_backup", "drill", "replicates", "encrypt_transfer",
        "encrypt_rest", "keep_for",
    )
}  # fmt: skip
_ONCE |= {"oss": "place", "directory": "place"}
_ONCE |= {f"credentials_{kind}": "credentials" for kind in ("env", "file", "role")}
_LISTS = frozenset({"full", "incremental", "hot", "cold", "needs", "recover", "group", "encrypt_rest"})
_WRAPPERS = frozenset({"store_clause", "database_clause", "policy_clause", "credentials"})
_WORD_AND_VALUE = 2
_MANY = frozenset({"policy_clause", "promise", "directory"})
"""Clauses that may repeat what one of another kind says, or themselves."""


def repeated(statements: Iterable[Clause]) -> list[Diagnostic]:
    """A diagnostic for every clause that its block had before."""
    found: list[Diagnostic] = []
    for statement in statements:
        ahead = [statement]
        while ahead:  # conditions are nested as deep as somebody likes
            ahead += reversed(_look_into(ahead.pop(), found))
    return found


def _look_into(statement: Clause, found: list[Diagnostic]) -> list[Clause]:
    """What may have blocks in it, too."""
    inner = [part for part in statement.parts if type(part) is Clause]
    is_list = statement.kind in _LISTS
    if not inner and not is_list:
        return []
    kinds = {part.kind for part in inner}
    if is_list or len(kinds) < len(inner) or not kinds.isdisjoint(_MANY):
        seen: dict[Hashable, Clause | Word] = {}
        parts: list[tuple[Hashable, Clause | Word]] = [*_keyed(inner), *_listed(statement)]
        for key, part in parts:
            if key in seen:
                found.append(said_twice(seen[key], part))
            seen.setdefault(key, part)
    # Most clauses are a word and what it says; there is nothing in them.
    return [
        one
        for one in inner
        if len(one.parts) > _WORD_AND_VALUE or (type(last := one.parts[-1]) is Clause and last.kind != "value")
    ]


def said_twice(first: Clause | Word, second: Clause | Word) -> Diagnostic:
    """BKP1007: one block says the same thing twice."""
    return Diagnostic(
        "BKP1007",
        "said-twice",
        Severity.ERROR,
        "this block says the same thing twice",
        Label(second.span, "again here"),
        (Label(first.span, "first here"),),
        help="take one of the two out",
    )


def _listed(statement: Clause) -> Iterator[tuple[Hashable, Word]]:
    """The items of a list in which none may come twice."""
    if statement.kind not in _LISTS:
        return
    names = statement.clause("names") or statement
    skipped = 1 if statement.kind == "group" else 0
    for word in (*names.words("NAME")[skipped:], *names.words("STRING")):
        yield ("item", word.text), word


def _keyed(clauses: Iterable[Clause]) -> Iterator[tuple[Hashable, Clause]]:
    """What the clauses of a block say, each with what makes two of them the same."""
    for clause in clauses:
        if clause.kind in _ONCE:
            yield _ONCE[clause.kind], clause
        elif clause.kind in _WRAPPERS:
            yield from _keyed(clause.clauses())
        elif clause.kind == "promise":
            for scopes in clause.clauses("scopes"):
                yield from ((("scope", one.name.text), one) for one in scopes.clauses("scope"))
        elif clause.kind == "standby":
            yield ("standby", clause.name.text), clause
        elif clause.kind in ("label", "keep_count", "given_clause"):
            yield (clause.kind, _what(clause)), clause


def _what(clause: Clause) -> str:
    part = clause.clause("keep_unit") or clause
    word = part.parts[0]
    return word.text if isinstance(word, Word) else ""
