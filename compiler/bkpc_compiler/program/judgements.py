"""Statements about policies: whom they protect, what an organisation requires, what a test expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from bkpc_compiler.diagnostics.diagnostic import Severity
from bkpc_compiler.program.model import (
    Database,
    Expectation,
    Given,
    Origin,
    Override,
    PolicyTest,
    Program,
    Requirement,
    Scope,
)
from bkpc_compiler.program.names import known, missing_clause, selects_nobody
from bkpc_compiler.program.policies import PolicyReader
from bkpc_compiler.program.values import string, wrong_value
from bkpc_compiler.syntax.tree import Clause, Word

_SUPPOSED = {
    "link": ("bandwidth", "latency"),
    "store": ("reads", "writes"),
    "database": ("size", "writes", "burst", "restores", "replays", "verifies", "tables"),
}
"""What a test may suppose of what."""
_CONDITIONS = ("condition", "conjunction", "not_", "equals", "differs", "negation")


class Declared:
    """The things of a program by their names: looked up by every statement about policies."""

    def __init__(self, program: Program) -> None:
        self.databases: Mapping[str, Database] = {one.name: one for one in program.databases}
        self.links = frozenset(one.name for one in program.links)
        self.stores = frozenset(one.name for one in program.stores)
        self.measured = self.stores | self.databases.keys()

    @cached_property
    def _labels(self) -> Mapping[str, Mapping[str, str]]:
        return {name: dict(one.labels) for name, one in self.databases.items()}

    def that_meet(self, condition: Clause) -> list[str]:
        """The databases for which a label condition holds."""
        conditions = _parts_first(condition)
        return [name for name, labels in self._labels.items() if _holds(conditions, labels)]


def holds(condition: Clause, labels: Mapping[str, str]) -> bool:
    """Whether a label condition holds for a database; a label it does not have equals nothing."""
    return _holds(_parts_first(condition), labels)


def _parts_first(condition: Clause) -> list[tuple[Clause, int]]:
    """All conditions in one, each after those in it, and how many these are. Nobody knows how deep they are nested."""
    ahead, found = [condition], []
    while ahead:
        one = ahead.pop()
        inner = list(one.clauses(*_CONDITIONS))
        found.append((one, len(inner)))
        ahead += inner
    return found[::-1]


def _holds(conditions: Iterable[tuple[Clause, int]], labels: Mapping[str, str]) -> bool:
    known: list[bool] = []
    for one, number in conditions:
        if one.kind in ("equals", "differs"):
            same = labels.get(one.name.text) == string(one.words("STRING")[0])
            known.append(same if one.kind == "equals" else not same)
            continue
        inner = known[len(known) - number :]
        del known[len(known) - number :]
        known.append(not inner[0] if one.kind == "not_" else any(inner) if one.kind == "condition" else all(inner))
    return known[0]


def selected(statement: Clause, declared: Declared) -> list[Word]:
    """The databases a `protect` names, or that its condition selects (then at the place of the condition)."""
    names = statement.clause("names")
    if names:
        words = names.words("NAME")
        for word in words:
            known(word, "database", declared.databases)
        return words
    matching = statement.clause("matching")
    condition = matching.clause(*_CONDITIONS) if matching else None
    assert condition is not None
    found = [Word("NAME", name, condition.span) for name in declared.that_meet(condition)]
    if not found:
        raise selects_nobody(condition.span)
    return found


def requirements(statement: Clause, declared: Declared, reader: PolicyReader) -> list[Requirement]:
    """Each line of a `require` block."""
    condition = statement.clause(*_CONDITIONS)
    names = tuple(declared.databases if condition is None else declared.that_meet(condition))
    if condition and declared.databases and not names:
        raise selects_nobody(condition.span, Severity.WARNING)
    lines = statement.clauses("must_survive", "must_reach", "must_keep", "must_encrypt")
    return [_requirement(line, names, reader) for line in lines]


def _requirement(line: Clause, names: tuple[str, ...], reader: PolicyReader) -> Requirement:
    value, compared = line.clause("value"), line.words("COMPARISON")
    scopes, scope = line.clause("scopes"), line.clause("scope")
    kinds = {"must_survive": "survives", "must_keep": "keep", "must_encrypt": "encrypt"}
    return Requirement(
        kinds.get(line.kind) or line.words("OBJECTIVE")[0].text,
        names,
        reader.scopes(scopes) if scopes else (_scope(scope),) if scope else (),
        compared[0].text if compared else None,
        reader.values.duration(value) if value else None,
        tuple(getattr(part.parts[0], "text", "") for part in line.clauses("must_part")),
        line.span,
    )


def _scope(clause: Clause) -> Scope:
    return Scope(known(clause.name, "scope", [*Scope]))


def policy_test(statement: Clause, declared: Declared, reader: PolicyReader) -> PolicyTest:
    """A `test` block."""
    overrides: list[Override] = []
    expectations: list[Expectation] = []
    for clause in statement.clauses("given_link", "given_thing", "expect"):
        if clause.kind == "expect":
            expectations.append(_expectation(clause, declared, reader))
        else:
            overrides += _overrides(clause, declared, reader)
    if not expectations:
        raise missing_clause(statement, "expect")
    return PolicyTest(string(statement.words("STRING")[0]), tuple(overrides), tuple(expectations), statement.span)


def _expectation(clause: Clause, declared: Declared, reader: PolicyReader) -> Expectation:
    scope, compare, value = clause.clause("scope"), clause.clause("compare"), clause.clause("value")
    assert scope is not None
    assert compare is not None
    assert value is not None
    return Expectation(
        known(clause.name, "database", declared.databases),
        clause.words("OBJECTIVE")[0].text,
        _scope(scope),
        str(getattr(compare.parts[0], "text", "")),
        reader.values.duration(value),
        clause.span,
    )


def _overrides(clause: Clause, declared: Declared, reader: PolicyReader) -> list[Override]:
    if clause.kind == "given_link":
        source, target = clause.words("NAME")
        arrow = clause.clause("arrow")
        assert arrow is not None
        name = Word("NAME", f"{source.text} {arrow.words('ARROW')[0].text} {target.text}", source.span.to(target.span))
        kind, target_name = "link", known(name, "link", declared.links)
        parts = [(part.kind, part) for part in clause.clauses(*_SUPPOSED["link"])]
    else:
        kind = "store" if clause.name.text in declared.stores else "database"
        target_name = known(clause.name, kind, declared.measured)
        parts = [(str(getattr(part.parts[0], "text", "")), part) for part in clause.clauses("given_clause")]
    found = []
    for field, part in parts:
        if field not in _SUPPOSED[kind]:
            words = ", ".join(f"`{one}`" for one in _SUPPOSED[kind])
            raise wrong_value(part.span, f"a {kind} has no `{field}`", f"a test may suppose its {words}")
        value = part.clause("value")
        assert value is not None
        read = {"size": reader.values.size, "burst": reader.values.burst, "latency": reader.values.duration}
        read |= {"verifies": reader.values.duration, "tables": reader.values.number}
        if kind == "database":
            read["writes"] = reader.values.demand
        given = Given(read.get(field, reader.values.rate)(value), part.span, Origin.TEST)
        found.append(Override(kind, target_name, field, given))  # type: ignore[arg-type] # one of the three kinds
    return found
