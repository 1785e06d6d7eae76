"""Statements to a program: imports followed, names looked up, every problem reported at once."""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Severity, in_order
from bkpc_compiler.program import facts
from bkpc_compiler.program.buckets import unsound_buckets
from bkpc_compiler.program.edition import EDITION, without_edition
from bkpc_compiler.program.estate_soundness import one_name_two_things, unsound_links, unsound_needs
from bkpc_compiler.program.findings import Findings
from bkpc_compiler.program.judgements import Declared, policy_test, requirements, selected
from bkpc_compiler.program.leaving_out import leaving_out
from bkpc_compiler.program.model import Group, PolicyTest, Program, Protection, Requirement
from bkpc_compiler.program.names import declared_twice, import_fails, known, not_yet_in_effect
from bkpc_compiler.program.policies import Inheritance, PolicyReader, overridden
from bkpc_compiler.program.refusal import FileUnread, WrongValue
from bkpc_compiler.program.repeated import repeated
from bkpc_compiler.program.replicas import unsound_replicas
from bkpc_compiler.program.values import Values, string, wrong_value
from bkpc_compiler.source import SourceFile, Sources
from bkpc_compiler.syntax.parser import parse
from bkpc_compiler.syntax.tree import Clause, Word

Reader = Callable[[str], str]
"""The text of the file at a path relative to the root of the run; raises `OSError`."""

T = TypeVar("T")


def resolve(paths: Sequence[str], reader: Reader) -> tuple[Program | None, Sources, tuple[Diagnostic, ...]]:
    """The program of the files at `paths` and all they import; None where no file could be read."""
    with _nothing_thrown_away():
        return _resolved(paths, reader)


@contextmanager
def _nothing_thrown_away() -> Iterator[None]:
    """Without the garbage collector: all that is made here is kept, and looking through it again takes as long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _resolved(paths: Sequence[str], reader: Reader) -> tuple[Program | None, Sources, tuple[Diagnostic, ...]]:
    reading = _Reading(reader)
    reading.follow("std/mysql.bkp")
    for path in paths:
        reading.follow(path)
    resolving = _Resolving(reading)
    program = resolving.program()
    found = [*reading.found, *resolving.findings.diagnostics]
    if not resolving.findings.whole or any(one.severity is Severity.ERROR for one in found):
        return None, reading.sources, in_order(found)
    return program, reading.sources, in_order(found)


class _Reading:
    """Files and what they import, each read once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.sources: dict[str, SourceFile] = {}
        self.statements: list[Clause] = []
        self.found: list[Diagnostic] = []
        self.unread: set[tuple[str, str]] = set()

    def follow(self, path: str) -> None:
        """Read the file at `path`, which must be there, and all it imports, each before what is imported after it.

        Raises:
            FileUnread: `path` itself can't be read. What it imports leaves a diagnostic.
        """
        ahead: list[tuple[str, Word | None, tuple[str, ...]]] = [(path, None, ())]
        while ahead:
            path, asked, chain = ahead.pop()
            if path in chain and asked:
                self.found.append(import_fails(asked, f"`{path}` imports itself: {' → '.join((*chain, path))}"))
            if path in self.sources:
                continue
            statements = self._read(path, asked)
            words = [one.words("STRING")[0] for one in statements if one.kind == "import_"]
            ahead += [(to, word, (*chain, path)) for word in reversed(words) if (to := self._target(path, word))]

    def _target(self, path: str, word: Word) -> str:
        """The path of the file that `word` in the file at `path` means; nothing, and a diagnostic, where none can."""
        try:
            return _target(path, string(word))
        except WrongValue as problem:
            self.found.append(problem.diagnostic)
            return ""

    def _read(self, path: str, asked: Word | None) -> tuple[Clause, ...]:
        """The statements of a file."""
        text = self._text(path, asked)
        if text is None:
            return ()
        source = self.sources[path] = SourceFile(path, text)
        parsed = parse(source)
        self.found += parsed.found
        self.unread |= parsed.unread
        edition = without_edition(source, parsed.statements)
        if edition and not parsed.found:
            self.found.append(edition)
        self.statements += parsed.statements
        return parsed.statements

    def _text(self, path: str, asked: Word | None) -> str | None:
        """What is in a file; None, and a diagnostic, where an import leads to none."""
        why = _no_policy(path) if asked else None
        try:
            if why is None:
                return _standard(path) if path.startswith("std/") else self.reader(path)
        except OSError as problem:
            why = problem.strerror or "it can't be read"
        except UnicodeDecodeError as problem:
            why = f"not readable as UTF-8: byte {problem.start} is 0x{problem.object[problem.start]:02x}"
        if asked is None:
            raise FileUnread(f"{path}: {why}")
        self.found.append(import_fails(asked, f"`{path}` can't be imported: {why}"))
        return None


def _no_policy(path: str) -> str | None:
    """Why an import of `path` is refused unread: whatever else it leads to, a diagnostic would show a line of it."""
    if posixpath.isabs(path):
        return "paths are relative to the importing file"
    if not path.endswith(".bkp") or "\0" in path:
        return "it is not a .bkp file"
    return None


def _standard(path: str) -> str:
    return files("bkpc_grammar").joinpath(path).read_text(encoding="utf-8")


def _target(path: str, asked: str) -> str:
    if asked.startswith("std/"):
        return posixpath.normpath(asked if asked.endswith(".bkp") else f"{asked}.bkp")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), asked))


class _Resolving:
    """From statements to values; a statement that can't be taken leaves a diagnostic and the rest goes on."""

    def __init__(self, reading: _Reading) -> None:
        self.sources, self.statements = reading.sources, reading.statements
        self.findings = Findings(self.statements, reading.unread)
        self.findings.add(repeated(self.statements))
        lets = self._named("let")
        self.values = Values({name: _let(one) for name, one in lets.items()})
        for problem in self.values.unsound():
            self.findings.refuse(problem)
        self.timezones = self._timezones()
        self.findings.add(
            not_yet_in_effect(one, one.kind)
            for one in self.statements
            if one.kind in ("waive", "retire") or (one.kind == "defaults" and not one.span.file.startswith("std/"))
        )

    def _timezones(self) -> dict[str, str]:
        """The zone of each file that names one."""
        zones: dict[str, Word] = {}
        for statement in self.statements:
            if statement.kind != "timezone":
                continue
            word = statement.words("STRING")[0]
            try:
                ZoneInfo(string(word))
            except (ValueError, OSError, ZoneInfoNotFoundError):
                help_text = 'a name of the IANA list, such as "Asia/Shanghai" or "UTC"'
                self.findings.refuse(wrong_value(word.span, f"there is no time zone {word.text}", help_text))
                continue
            if word.span.file in zones:
                self.findings.add([declared_twice(zones[word.span.file], word, "a file has one time zone")])
            zones[word.span.file] = word
        return {file: string(word) for file, word in zones.items()}

    def _named(self, kind: str) -> dict[str, Clause]:
        found: dict[str, Clause] = {}
        for statement in self.statements:
            if statement.kind == kind:
                name = statement.name
                if name.text in found:
                    self.findings.add([declared_twice(found[name.text].name, name)])
                else:
                    found[name.text] = statement
        return found

    def _regions(self) -> dict[str, Clause]:
        """What the files say of a region in place of what `std` says."""
        found: dict[str, Clause] = {}
        for statement in sorted(
            (one for one in self.statements if one.kind == "region"),
            key=lambda one: not one.span.file.startswith("std/"),
        ):
            word = statement.words("STRING")[0]
            first = found.get(word.text)
            if first is not None and not first.span.file.startswith("std/"):
                self.findings.add([declared_twice(first.words("STRING")[0], word)])
            else:
                found[word.text] = statement
        return found

    def _each(self, kind: str, statements: dict[str, Clause], make: Callable[[Clause], T]) -> dict[str, T]:
        made: dict[str, T] = {}
        for name, statement in sorted(statements.items()):
            try:
                made[name] = make(statement)
            except WrongValue as problem:
                self.findings.refuse(problem)
                self.findings.lose(kind, name)
                self._look_on(statement, make, problem.diagnostic)
        return made

    def _look_on(self, statement: Clause, make: Callable[[Clause], T], wrong: Diagnostic) -> None:
        """What else is wrong with a statement, its wrong clauses left out one after the other."""
        rest = leaving_out(statement, wrong.primary.span)
        while rest is not None:
            try:
                make(rest)
            except WrongValue as problem:
                if problem.diagnostic.code == "BKP1003":  # perhaps only because it was left out
                    return
                self.findings.refuse(problem)
                rest = leaving_out(rest, problem.diagnostic.primary.span)
            else:
                return

    def program(self) -> Program:
        """What could be taken; whole only when nothing was found."""
        program = self._estate()
        reader = PolicyReader(self.values, {one.name: one for one in program.stores}, self.timezones)
        named = self._named("policy")
        inheritance = Inheritance(named)
        whole = self._each("policy", named, lambda one: _flattened(one, inheritance.folded(one.name)))
        policies = self._each(
            "policy",
            whole,
            lambda one: reader.policy(one.name.text, one.name.span, list(one.clauses()), _extended(one)),
        )
        return self._judged(replace(program, policies=tuple(policies.values())), reader, inheritance)

    def _estate(self) -> Program:
        """The facts, without a wish yet."""
        values = self.values
        standard = next(facts.defaults(one, values) for one in self.statements if one.kind == "defaults")
        sites = self._each("site", self._named("site"), facts.site)
        classes = self._each("class", self._named("class_"), lambda one: facts.storage_class(one, values))
        stores = self._each(
            "store", self._named("store"), lambda one: facts.store(one, values, sites, classes, standard)
        )
        databases = self._each(
            "database", self._named("database"), lambda one: facts.database(one, values, sites, standard)
        )
        links = self._each(
            "link",
            {f"{n:06}": one for n, one in enumerate(self.statements) if one.kind == "link"},
            lambda one: facts.link(one, values, sites),
        )
        accounts = self._each("region", self._regions(), lambda one: facts.account(one, values))
        groups = self._each("group", self._named("group"), lambda one: _group(one, databases))
        self.findings.add(one_name_two_things(stores, databases))
        self.findings.add(unsound_links(links.values()))
        for problem in (*unsound_needs(databases), *unsound_replicas(stores, sites), *unsound_buckets(stores, sites)):
            self.findings.refuse(problem)
        return Program(
            edition=EDITION,
            files=tuple(sorted((path, source.sha256) for path, source in self.sources.items())),
            sites=tuple(sites.values()),
            links=tuple(sorted(links.values(), key=lambda one: one.name)),
            stores=tuple(stores.values()),
            databases=tuple(databases.values()),
            groups=tuple(groups.values()),
            policies=(),
            protections=(),
            requirements=(),
            tests=(),
            headroom=standard.headroom,
            retries=standard.retries,
            verification=standard.verification,
            accounts=tuple(accounts.values()),
        )

    def _judged(self, program: Program, reader: PolicyReader, inheritance: Inheritance) -> Program:
        protections: dict[str, Protection] = {}
        required: list[Requirement] = []
        tests: list[PolicyTest] = []
        test_names: dict[str, Word] = {}
        declared = Declared(program)
        for statement in self.statements:
            try:
                if statement.kind == "protect":
                    self._protect(statement, declared, reader, inheritance, protections)
                elif statement.kind == "require":
                    required += requirements(statement, declared, reader)
                elif statement.kind == "test":
                    tests.append(policy_test(statement, declared, reader))
                    self._once(statement, test_names)
            except WrongValue as problem:
                self.findings.refuse(problem)
        return replace(
            program,
            protections=tuple(protections[name] for name in sorted(protections)),
            requirements=tuple(required),
            tests=tuple(tests),
        )

    def _once(self, statement: Clause, names: dict[str, Word]) -> None:
        """A second test of the same name: a report could not tell them apart."""
        word = statement.words("STRING")[0]
        if word.text in names:
            self.findings.add([declared_twice(names[word.text], word)])
        names.setdefault(word.text, word)

    def _protect(
        self,
        statement: Clause,
        declared: Declared,
        reader: PolicyReader,
        inheritance: Inheritance,
        protections: dict[str, Protection],
    ) -> None:
        policy_name = statement.name
        if self.findings.has_lost("policy", policy_name.text):
            return
        clauses = inheritance.folded(policy_name)
        own = [inner for clause in statement.clauses("policy_clause") for inner in clause.clauses()]
        policy = reader.policy(policy_name.text, inheritance.declared(policy_name), overridden(clauses, own))
        for word in selected(statement, declared):
            if word.text in protections:
                first = Word("NAME", word.text, protections[word.text].span)
                self.findings.add([declared_twice(first, word, f"`{word.text}` is protected twice")])
            protections[word.text] = Protection(word.text, policy, word.span)


def _group(statement: Clause, databases: Mapping[str, object]) -> Group:
    members = sorted(known(word, "database", databases) for word in statement.words("NAME")[1:])
    return Group(statement.name.text, tuple(members), statement.name.span)


def _flattened(policy: Clause, clauses: list[Clause]) -> Clause:
    """The policy with the clauses it inherits among its own."""
    return Clause(policy.kind, (*policy.words("NAME"), *clauses), policy.span)


def _extended(policy: Clause) -> str:
    names = policy.words("NAME")
    return names[1].text if len(names) > 1 else ""


def _let(statement: Clause) -> Word:
    value = statement.clause("value")
    assert value is not None
    word = value.parts[0]
    assert isinstance(word, Word)
    return word
