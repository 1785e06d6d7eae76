"""BKP3002 rto-unproved: the promised time lies between what is certain and what is possible."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.together import Outage, missing
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.remedies.remedy import Remedy, remedy_of
from bkpc_compiler.rules.words import also, labels_of, most_told, subject


def rto_unproved(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per undecided RTO, unless BKP3003, BKP4003 or BKP5001 says why."""
    for answer in analysis.unproved:
        if answer.kind != "rto" or answer.verdict is not Verdict.UNDECIDED:
            continue
        if answer.kept_long_enough and answer.choice.recovery is not None:
            yield _diagnostic(analysis, answer)


def _diagnostic(analysis: Analysis, answer: Answer) -> Diagnostic:
    whole, terms = most_told(answer)
    promised = answer.objective.value
    least = answer.least.human_down(promised) if answer.least else "0s"
    most = f"at most {whole}" if answer.upper else "no upper bound"
    primary = Label(answer.objective.span, f"at least {least}, {most}")
    costs = labels_of(terms, primary)
    unknown = missing(analysis.outage(answer), answer.database)
    needs = _unknown(analysis, answer, unknown)
    remedy = Remedy(_protect(analysis.outage(answer), unknown), None) if unknown else remedy_of(analysis, answer)
    return Diagnostic(
        code="BKP3002",
        name="rto-unproved",
        severity=Severity.ERROR,
        message=f"it is not proved that `{answer.database.name}` is back in service within "
        f"{answer.promised} {subject(answer)}",
        primary=primary,
        secondary=(*costs, *needs),
        notes=also(terms, costs),
        help=remedy.help,
        edit=remedy.edit,
    )


def _unknown(analysis: Analysis, answer: Answer, unknown: tuple[str, ...]) -> tuple[Label, ...]:
    """Where it is said that something is needed of which nothing says how it comes back, however far away."""
    databases = analysis.setting.databases
    ahead, seen, found = [answer.database], {answer.database.name}, []
    while ahead:
        for need in ahead.pop().needs:
            if need.value in unknown:
                found.append(Label(need.span, f"nothing says how `{need.value}` comes back from this"))
            if need.value not in seen:
                seen.add(need.value)
                ahead.append(databases[need.value])
    return tuple(sorted(found, key=lambda label: (label.span.file, label.span.start)))


def _protect(outage: Outage, unknown: tuple[str, ...]) -> str:
    bare = [name for name in unknown if name not in outage.choices]
    if bare:
        return f"`protect {', '.join(bare)} with …` a policy that survives this, or take it out of `needs`"
    return f"bound first when {' and '.join(f'`{name}`' for name in unknown)} is back: promise an `rto` for it"
