"""BKP1011 measured-unknown: a measured figure of something that no source declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.measurement import what_of
from bkpc_compiler.program.model import Program
from bkpc_compiler.source import Span
from bkpc_grammar.facts import AnyFact, about, site_of


def measured_unknown(program: Program, path: str, unknown: Sequence[AnyFact]) -> Iterator[Diagnostic]:
    """One warning per fact of the document at `path` that is about nothing in `program`."""
    for fact in unknown:
        near = get_close_matches(fact.name, sorted(_names(program, about(fact))), n=1)
        known = bool(near) and near[0] == fact.name
        yield Diagnostic(
            code="BKP1011",
            name="measured-unknown",
            severity=Severity.WARNING,
            message=f"{path} tells {what_of(about(fact), fact.name, site_of(fact), fact.figure)}, "
            f"which no source declares",
            primary=Label(Span(path, 0, 0)),
            notes=(f"measured on {fact.measured_at}: {fact.source}; no verdict counts it",),
            help=f"there is a {about(fact)} with a similar name: `{near[0]}`" if near and not known else None,
        )


def _names(program: Program, kind: str) -> Iterable[str]:
    if kind == "link":
        return [one.name for one in program.links]
    if kind == "store":
        return [one.name for one in program.stores]
    if kind == "class":
        return {one.storage_class.value.name for one in program.stores if one.storage_class}
    if kind == "region":
        return [one.region for one in program.accounts]
    return [one.name for one in program.databases]
