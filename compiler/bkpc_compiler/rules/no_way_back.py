"""BKP3004 no-way-back: a copy survives, but no links lead from it to where the database is rebuilt."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.lines import places
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.rules.words import subject


def no_way_back(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per database and places to rebuild it that none of its images can be brought to."""
    seen = set()
    for answer in analysis.unproved:
        if answer.choice.cut_off:
            sites = tuple(one.site for one in places(answer.database, answer.choice.loss))
            key = (answer.database.name, sites)
            if key not in seen:
                seen.add(key)
                yield _diagnostic(answer)


def _diagnostic(answer: Answer) -> Diagnostic:
    choice, name = answer.choice, answer.database.name
    found = places(answer.database, choice.loss)
    where = " or ".join(dict.fromkeys(f"`{one.site}`" for one in found))
    stores = {line.image.store.name: line.image.store for line in choice.lines}
    first, *others = (stores[one] for one in sorted(stores))
    rebuilt = tuple(
        Label(one.standby.provision.span if one.standby else answer.database.span, f"rebuilt at `{one.site}`")
        for one in found
    )
    return Diagnostic(
        code="BKP3004",
        name="no-way-back",
        severity=Severity.ERROR,
        message=f"no links lead from `{first.name}` at `{first.site}` back to {where}, "
        f"where `{name}` is rebuilt {subject(answer)}",
        primary=Label(first.span, f"an image of `{name}` survives here, and cannot be read there"),
        secondary=(
            Label(answer.objective.span, "promised here"),
            *rebuilt,
            *(Label(one.span, "nor from here") for one in others),
        ),
        help=f"declare the way: `link {first.site} -> {found[0].site} {{ bandwidth … }}`",
    )
