"""Facts: sites, links, stores, classes and databases, from clauses to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from bkpc_compiler.program.model import (
    Credentials,
    Database,
    Given,
    Link,
    Origin,
    Site,
    Standby,
    StorageClass,
    Store,
    Tls,
)
from bkpc_compiler.program.names import known, missing_clause
from bkpc_compiler.program.values import Values, string, wrong_value
from bkpc_compiler.syntax.tree import Clause
from bkpc_grammar.quantities import Duration, Rate, Size

T = TypeVar("T")
_REDUNDANCY = ("lrs", "zrs")


@dataclass(frozen=True, slots=True)
class Defaults:
    """The figures of `std/mysql`."""

    restores: Given[Rate]
    replays: Given[Rate]
    burst: Given[Size]
    headroom: Given[Fraction]
    verification: Given[Duration]


def given(
    statement: Clause, kind: str, read: Callable[[Clause], T], origin: Origin = Origin.DECLARED
) -> Given[T] | None:
    """The value of the clause `kind` of a statement, with the whole clause as its span."""
    clause = statement.clause(kind)
    value = clause.clause("value") if clause else None
    return Given(read(value), clause.span, origin) if clause and value else None


def needed(statement: Clause, kind: str, read: Callable[[Clause], T]) -> Given[T]:
    """The same for a clause that must be there."""
    found = given(statement, kind, read)
    if found is None:
        raise missing_clause(statement, kind)
    return found


def defaults(statement: Clause, values: Values) -> Defaults:
    def standard(kind: str, read: Callable[[Clause], T]) -> Given[T]:
        found = needed(statement, kind, read)
        return Given(found.value, found.span, Origin.STANDARD)

    return Defaults(
        standard("restores", values.rate),
        standard("replays", values.rate),
        standard("burst", values.size),
        standard("headroom", values.percent),
        standard("verification", values.duration),
    )


def storage_class(statement: Clause, values: Values) -> StorageClass:
    kinds = statement.clause("class_redundancy")
    names = [word.text for word in kinds.words("NAME")] if kinds else []
    return StorageClass(
        statement.name.text,
        given(statement, "thaw", values.duration, Origin.STANDARD),
        given(statement, "minimum_stay", values.duration, Origin.STANDARD),
        "zrs" in names,
        statement.name.span,
    )


def site(statement: Clause) -> Site:
    return Site(statement.name.text, string(statement.words("STRING")[0]), statement.name.span)


def link(statement: Clause, values: Values, sites: Mapping[str, object]) -> Link:
    source, target = statement.words("NAME")
    if source.text == target.text:
        raise wrong_value(target.span, f"this link leads from `{source.text}` to itself", "a link joins two sites")
    arrow = statement.clause("arrow")
    assert arrow is not None
    return Link(
        known(source, "site", sites),
        known(target, "site", sites),
        arrow.words("ARROW")[0].text == "--",
        needed(statement, "bandwidth", values.rate),
        given(statement, "latency", values.duration) or Given(Duration(Fraction(0)), statement.name.span),
        source.span.to(target.span),
    )


def _credentials(statement: Clause) -> Credentials | None:
    clause = statement.clause("credentials_env", "credentials_file")
    if clause is None:
        wrapped = next((one for one in statement.clauses() if one.clause("credentials_env", "credentials_file")), None)
        return _credentials(wrapped) if wrapped else None
    if clause.kind == "credentials_file":
        return Credentials("file", (string(clause.words("STRING")[0]),), clause.span)
    return Credentials("env", tuple(word.text for word in clause.words("NAME")), clause.span)


def _text(statement: Clause, kind: str) -> str | None:
    clause = statement.clause(kind)
    return string(clause.words("STRING")[0]) if clause else None


def store(statement: Clause, values: Values, sites: Mapping[str, object], classes: Mapping[str, StorageClass]) -> Store:
    name, place = statement.words("NAME")
    bucket, folder = _text(statement, "oss"), _text(statement, "directory")
    if bucket is None and folder is None:
        raise missing_clause(statement, "oss", 'add `oss "BUCKET"`, or `directory "FOLDER"`')
    chosen, redundancy = statement.clause("storage_class"), statement.clause("redundancy")
    credentials = _credentials(statement)
    if bucket is not None:
        for clause in ("endpoint", "credentials"):
            if (_text(statement, clause) if clause == "endpoint" else credentials) is None:
                raise missing_clause(statement, clause)
    else:
        for one in statement.clauses("storage_class", "redundancy", "endpoint"):
            raise wrong_value(one.span, "a directory has no such thing", 'it belongs to a bucket: `oss "BUCKET"`')
    if redundancy and redundancy.name.text not in _REDUNDANCY:
        word = redundancy.name
        raise wrong_value(word.span, f"`{word.text}` is not a redundancy", "`lrs` in one zone, `zrs` across zones")
    return Store(
        name.text,
        known(place, "site", sites),
        "oss" if bucket is not None else "directory",
        bucket if bucket is not None else folder or "",
        _text(statement, "endpoint"),
        Given(classes[known(chosen.name, "class", classes)], chosen.span) if chosen else None,
        Given(redundancy.name.text, redundancy.span) if redundancy else None,
        credentials,
        given(statement, "reads", values.rate),
        given(statement, "writes", values.rate),
        name.span,
    )


def database(statement: Clause, values: Values, sites: Mapping[str, object], standard: Defaults) -> Database:
    name, place = statement.words("NAME")
    address = _text(statement, "mysql")
    if address is None:
        raise missing_clause(statement, "mysql")
    labels = statement.clause("labels")
    return Database(
        name.text,
        known(place, "site", sites),
        address,
        _credentials(statement),
        _tls(statement),
        needed(statement, "size", values.size),
        given(statement, "grows", values.percent),
        needed(statement, "writes", values.demand),
        given(statement, "burst", values.size) or standard.burst,
        given(statement, "restores", values.rate) or standard.restores,
        given(statement, "replays", values.rate) or standard.replays,
        tuple(Given(word.text, word.span) for clause in statement.clauses("needs") for word in clause.words("NAME")),
        tuple(
            Standby(known(clause.name, "site", sites), needed(clause, "provision", values.duration))
            for clause in statement.clauses("standby")
        ),
        tuple(sorted((one.name.text, string(one.words("STRING")[0])) for one in labels.clauses("label")))
        if labels
        else (),
        name.span,
    )


def _tls(statement: Clause) -> Tls | None:
    clause = statement.clause("tls")
    if clause is None:
        return None
    mode = clause.name
    if mode.text not in ("verify-identity", "verify-ca", "required", "off"):
        raise wrong_value(
            mode.span, f"`{mode.text}` is not a way to use TLS", "verify-identity, verify-ca, required, off"
        )
    authority = clause.words("STRING")
    return Tls(mode.text, string(authority[0]) if authority else None)
