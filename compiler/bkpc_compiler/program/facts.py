"""Facts: sites, links, stores, classes and databases, from clauses to values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from bkpc_compiler.program import buckets
from bkpc_compiler.program.model import (
    Account,
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
from bkpc_compiler.program.values import Values, filled, string, wrong_value
from bkpc_compiler.syntax.tree import Clause
from bkpc_grammar.quantities import Count, Duration, Rate, Size

T = TypeVar("T")
_REDUNDANCY = ("lrs", "zrs")
OF_A_STORE = (2, 3)
"""Variables of a key for a store: its id, its secret, and a session token where it is temporary."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"/\S+|(?:\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(?::(?P<port>\d{1,5}))?")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Defaults:
    """The figures of `std/mysql`."""

    restores: Given[Rate]
    replays: Given[Rate]
    burst: Given[Size]
    dumps: Given[Rate]
    reads: Given[Rate]
    writes: Given[Rate]
    retries: Given[Fraction]
    headroom: Given[Fraction]
    verification: Given[Duration]
    prepares: Given[Duration]
    tables: Given[Count]
    table: Given[Duration]
    starts: Given[Duration]


def given(
    clauses: Mapping[str, Clause], kind: str, read: Callable[[Clause], T], origin: Origin = Origin.DECLARED
) -> Given[T] | None:
    """The value of the clause `kind` of a statement, with the whole clause as its span."""
    clause = clauses.get(kind)
    value = clause.clause("value") if clause else None
    return Given(read(value), clause.span, origin) if clause and value else None


def needed(statement: Clause, clauses: Mapping[str, Clause], kind: str, read: Callable[[Clause], T]) -> Given[T]:
    """The same for a clause that must be there."""
    found = given(clauses, kind, read)
    if found is None:
        raise missing_clause(statement, kind)
    return found


def defaults(statement: Clause, values: Values) -> Defaults:
    clauses = statement.first_of_each()

    def standard(kind: str, read: Callable[[Clause], T]) -> Given[T]:
        found = needed(statement, clauses, kind, read)
        return Given(found.value, found.span, Origin.STANDARD)

    return Defaults(
        standard("restores", values.rate),
        standard("replays", values.rate),
        standard("burst", values.burst),
        standard("dumps", values.rate),
        standard("reads", values.rate),
        standard("writes", values.rate),
        standard("retries", values.percent),
        standard("headroom", values.percent),
        standard("verification", values.duration),
        standard("prepares", values.duration),
        standard("tables", values.number),
        standard("table", values.duration),
        standard("starts", values.duration),
    )


def storage_class(statement: Clause, values: Values) -> StorageClass:
    clauses = statement.first_of_each()
    kinds = clauses.get("class_redundancy")
    names = [word.text for word in kinds.words("NAME")] if kinds else []
    return StorageClass(
        statement.name.text,
        given(clauses, "thaw", values.duration, Origin.STANDARD),
        given(clauses, "minimum_stay", values.duration, Origin.STANDARD),
        "zrs" in names,
        statement.name.span,
        given(clauses, "quota", values.rate, Origin.STANDARD),
        given(clauses, "minimum_size", values.size, Origin.STANDARD),
    )


def account(statement: Clause, values: Values) -> Account:
    clauses = statement.first_of_each()
    origin = Origin.STANDARD if statement.span.file.startswith("std/") else Origin.DECLARED
    return Account(
        filled(statement.words("STRING")[0]),
        given(clauses, "reads", values.rate, origin),
        given(clauses, "writes", values.rate, origin),
    )


def site(statement: Clause) -> Site:
    return Site(statement.name.text, filled(statement.words("STRING")[0]), statement.name.span)


def link(statement: Clause, values: Values, sites: Mapping[str, object]) -> Link:
    source, target = statement.words("NAME")
    if source.text == target.text:
        raise wrong_value(target.span, f"this link leads from `{source.text}` to itself", "a link joins two sites")
    clauses = statement.first_of_each()
    arrow = clauses.get("arrow")
    assert arrow is not None
    return Link(
        known(source, "site", sites),
        known(target, "site", sites),
        arrow.words("ARROW")[0].text == "--",
        needed(statement, clauses, "bandwidth", values.rate),
        given(clauses, "latency", values.duration) or Given(Duration(Fraction(0)), statement.name.span),
        source.span.to(target.span),
    )


def _credentials(clauses: Mapping[str, Clause], numbers: tuple[int, ...]) -> Credentials | None:
    """What names a login: `numbers` are how many variables it may be spread over."""
    kinds = (clauses.get(f"credentials_{kind}") for kind in ("env", "file", "role"))
    clause = next(filter(None, kinds), None)
    if clause is None:
        wrapped = clauses.get("store_clause") or clauses.get("database_clause")
        return _credentials(wrapped.first_of_each(), numbers) if wrapped else None
    if clause.kind == "credentials_file":
        return Credentials("file", (filled(clause.words("STRING")[0]),), clause.span)
    if clause.kind == "credentials_role":
        return _role(clause, numbers)
    names = clause.words("NAME")
    for word in names:
        if not _VARIABLE.fullmatch(word.text):
            raise wrong_value(word.span, f"`{word.text}` is not the name of a variable", "such as `SHOP_DB_USER`")
    if len(names) not in numbers:
        asked = " or ".join(map(str, numbers))
        message = f"`credentials env` takes the names of {asked} variables here, not of {len(names)}"
        raise wrong_value(clause.span, message, "never the values themselves")
    return Credentials("env", tuple(word.text for word in names), clause.span)


def _role(clause: Clause, numbers: tuple[int, ...]) -> Credentials:
    if numbers != OF_A_STORE:
        message = "a database server knows no RAM roles"
        raise wrong_value(clause.span, message, 'write `credentials env USER, PASSWORD` or `credentials file "…"`')
    return Credentials("role", tuple(filled(word) for word in clause.words("STRING")), clause.span)


def _text(clauses: Mapping[str, Clause], kind: str) -> str | None:
    clause = clauses.get(kind)
    return filled(clause.words("STRING")[0]) if clause else None


def store(
    statement: Clause,
    values: Values,
    sites: Mapping[str, object],
    classes: Mapping[str, StorageClass],
    standard: Defaults,
) -> Store:
    name, place = statement.words("NAME")
    clauses = statement.first_of_each()
    bucket = buckets.location(clauses["oss"]) if "oss" in clauses else None
    folder = _text(clauses, "directory")
    if bucket is None and folder is None:
        raise missing_clause(statement, "oss", 'add `oss "BUCKET"`, or `directory "FOLDER"`')
    chosen, redundancy = clauses.get("storage_class"), clauses.get("redundancy")
    credentials, replica = _credentials(clauses, OF_A_STORE), clauses.get("replicates")
    if bucket is not None:
        for kind, found in (("endpoint", clauses.get("endpoint")), ("credentials", credentials)):
            if found is None:
                raise missing_clause(statement, kind)
    else:
        for one in statement.clauses("storage_class", "redundancy", "endpoint", "replicates"):
            raise wrong_value(one.span, "a directory has no such thing", 'it belongs to a bucket: `oss "BUCKET"`')
    if redundancy and redundancy.name.text not in _REDUNDANCY:
        word = redundancy.name
        raise wrong_value(word.span, f"`{word.text}` is not a redundancy", "`lrs` in one zone, `zrs` across zones")
    held = Given(classes[known(chosen.name, "class", classes)], chosen.span) if chosen else None
    if held and redundancy and redundancy.name.text == "zrs" and not held.value.zone_redundancy:
        message = f"class `{held.value.name}` has no `zrs`: what it holds is lost with its zone"
        raise wrong_value(redundancy.span, message, "take `redundancy zrs` out, or choose another class")
    return Store(
        name.text,
        known(place, "site", sites),
        "oss" if bucket is not None else "directory",
        bucket if bucket is not None else folder or "",
        buckets.endpoint(clauses["endpoint"]) if bucket is not None else None,
        held,
        Given(redundancy.name.text, redundancy.span) if redundancy else None,
        credentials,
        given(clauses, "reads", values.rate) or standard.reads,
        given(clauses, "writes", values.rate) or standard.writes,
        name.span,
        Given(replica.name.text, replica.name.span) if replica else None,
        next((filled(word) for word in replica.words("STRING")), None) if replica else None,
    )


def database(statement: Clause, values: Values, sites: Mapping[str, object], standard: Defaults) -> Database:
    name, place = statement.words("NAME")
    clauses = statement.first_of_each()
    address = _address(clauses)
    if address is None:
        raise missing_clause(statement, "mysql")
    credentials = _credentials(clauses, (2,))
    if credentials is None:
        raise missing_clause(statement, "credentials", "add `credentials env USER_VARIABLE, PASSWORD_VARIABLE`")
    labels = clauses.get("labels")
    return Database(
        name.text,
        known(place, "site", sites),
        address,
        credentials,
        _tls(clauses.get("tls")),
        needed(statement, clauses, "size", values.size),
        given(clauses, "grows", values.growth),
        needed(statement, clauses, "writes", values.demand),
        given(clauses, "burst", values.burst) or standard.burst,
        given(clauses, "restores", values.rate) or standard.restores,
        given(clauses, "replays", values.rate) or standard.replays,
        tuple(Given(word.text, word.span) for clause in statement.clauses("needs") for word in clause.words("NAME")),
        tuple(
            Standby(
                known(clause.name, "site", sites), needed(clause, clause.first_of_each(), "provision", values.duration)
            )
            for clause in statement.clauses("standby")
        ),
        tuple(sorted((one.name.text, string(one.words("STRING")[0])) for one in labels.clauses("label")))
        if labels
        else (),
        name.span,
        given(clauses, "dumps", values.rate) or standard.dumps,
        given(clauses, "changes", values.rate),
        given(clauses, "prepares", values.duration) or standard.prepares,
        given(clauses, "verifies", values.duration),
        given(clauses, "tables", values.number) or standard.tables,
        given(clauses, "table", values.duration) or standard.table,
        given(clauses, "starts", values.duration) or standard.starts,
    )


def _address(clauses: Mapping[str, Clause]) -> str | None:
    """`host:port`, `host`, `[::1]:3306` or the path of a socket."""
    address, clause = _text(clauses, "mysql"), clauses.get("mysql")
    if address is None or clause is None:
        return None
    match = _ADDRESS.fullmatch(address)
    if not match or (match["port"] and not 0 < int(match["port"]) <= _LAST_PORT):
        span = clause.words("STRING")[0].span
        raise wrong_value(span, f"`{address}` is not an address", "such as `host:3306`, or the path of a socket")
    return address


def _tls(clause: Clause | None) -> Tls | None:
    if clause is None:
        return None
    mode = clause.name
    if mode.text not in ("verify-identity", "verify-ca", "required", "off"):
        raise wrong_value(
            mode.span, f"`{mode.text}` is not a way to use TLS", "verify-identity, verify-ca, required, off"
        )
    authority = clause.words("STRING")
    return Tls(mode.text, string(authority[0]) if authority else None)
