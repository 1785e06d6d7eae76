"""The whole way on one page: sources → program → estate → verdicts → plan.

Pure: no network, no clock, no randomness. Files come in through `reader`; everything else is values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bkpc_compiler.circumstances import ALONE, Circumstances
from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Severity, in_order
from bkpc_compiler.feasibility.verdict import Analysis, Answer, analyse
from bkpc_compiler.program.model import Program
from bkpc_compiler.program.resolve import Reader, resolve
from bkpc_compiler.rules import RULES
from bkpc_compiler.rules.as_measured import as_measured
from bkpc_compiler.source import Sources, Span

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.growth import Outlook
    from bkpc_grammar.plan import Plan

UNDECIDED = frozenset({"BKP2002", "BKP2003", "BKP3002"})
"""Codes that say that something is not proved, rather than that it is wrong."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found. `analysis` is None where the sources have no meaning (yet).

    `circumstances`: what was said beside the sources; `outlook`: what comes of it, where somebody looked ahead.
    """

    sources: Sources
    program: Program | None
    analysis: Analysis | None
    diagnostics: tuple[Diagnostic, ...]
    circumstances: Circumstances = ALONE
    outlook: Outlook | None = None

    @property
    def broken(self) -> bool:
        """Whether any diagnostic is an error."""
        return any(one.severity is Severity.ERROR for one in self.diagnostics)

    def place_of(self, span: Span) -> tuple[str, str]:
        """`file:line` of a span, and its text."""
        source = self.sources[span.file]
        return f"{span.file}:{source.position(span.start).line}", source.slice(span)

    def lenient(self) -> Checked:
        """The same, with what is undecided as warnings: `--no-strict`."""
        softened = tuple(
            replace(one, severity=Severity.WARNING) if one.code in UNDECIDED else one for one in self.diagnostics
        )
        return replace(self, diagnostics=softened)

    @property
    def answers(self) -> tuple[Answer, ...]:
        return self.analysis.answers if self.analysis else ()


def check_sources(paths: Sequence[str], reader: Reader, circumstances: Circumstances = ALONE) -> Checked:
    """Parse, resolve and judge the files at `paths` and all they import, with the figures that were measured."""
    judged = judge_sources(paths, reader, circumstances)
    analysis = judged.analysis
    if analysis is None:
        return judged
    more = as_measured([diagnostic for rule in RULES for diagnostic in rule(analysis)], analysis.program.measured)
    return replace(judged, diagnostics=in_order([*judged.diagnostics, *more]))


def judge_sources(paths: Sequence[str], reader: Reader, circumstances: Circumstances = ALONE) -> Checked:
    """The same without diagnostics about what was judged, and without looking for what would help."""
    program, sources, found = resolve(paths, reader)
    if program is None or any(one.severity is Severity.ERROR for one in found):
        return Checked(sources, program, None, in_order(list(found)), circumstances)
    program, of_facts = _with_facts(program, circumstances)
    return Checked(sources, program, analyse(program), in_order([*found, *of_facts]), circumstances)


def _with_facts(program: Program, circumstances: Circumstances) -> tuple[Program, list[Diagnostic]]:
    """The program with measured figures in place, and what is to be said of them."""
    document = circumstances.measured
    if document is None:
        return program, []
    from bkpc_compiler.program.measured import measured
    from bkpc_compiler.rules.measured_ahead import measured_ahead
    from bkpc_compiler.rules.measured_long_ago import measured_long_ago
    from bkpc_compiler.rules.measured_otherwise import measured_otherwise
    from bkpc_compiler.rules.measured_unknown import measured_unknown

    put, unknown = measured(program, document.facts)
    put = replace(put, files=tuple(sorted((*put.files, (document.path, document.sha256)))))
    return put, [
        *measured_unknown(put, document.path, unknown),
        *measured_otherwise(put, document.facts.tolerance_percent),
        *measured_long_ago(put, document.facts.oldest_days, circumstances.today),
        *measured_ahead(put, circumstances.today),
    ]


def looked_ahead(checked: Checked, months: int, *, whole: bool = False) -> Checked:
    """The same, with what comes of the promises within `months`; `whole`: every month, broken or not."""
    if checked.analysis is None:
        return checked
    from bkpc_compiler.feasibility.growth import look_ahead
    from bkpc_compiler.rules.outgrown import outgrown

    outlook = look_ahead(checked.analysis, months, whole=whole)
    found = as_measured(outgrown(outlook, checked.circumstances.today), checked.analysis.program.measured)
    return replace(checked, outlook=outlook, diagnostics=in_order([*checked.diagnostics, *found]))


def compile_sources(
    paths: Sequence[str], reader: Reader, version: str, circumstances: Circumstances = ALONE
) -> tuple[Plan | None, Checked]:
    """The plan of the files at `paths`, sealed; None where `check` finds an error or a level can't run."""
    from bkpc_compiler.planning.emit import emit
    from bkpc_compiler.planning.not_yet_run import not_yet_done, not_yet_run
    from bkpc_compiler.planning.verified import verified

    checked = check_sources(paths, reader, circumstances)
    analysis = checked.analysis
    if analysis is None or checked.broken:
        return None, checked
    more = as_measured([*not_yet_run(analysis), *not_yet_done(analysis)], analysis.program.measured)
    checked = replace(checked, diagnostics=in_order([*checked.diagnostics, *more]))
    if checked.broken:
        return None, checked
    return verified(emit(analysis, version, checked.place_of), analysis.program), checked
