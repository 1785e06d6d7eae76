"""BKP2004 limit-too-low: `flow { limit … }` keeps a job from being done within its window."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_grammar.quantities import Duration, Rate


def limit_too_low(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per job whose window asks for more than its limit."""
    for job in analysis.demand.jobs:
        if job.limit is None or not job.limited:
            continue
        needed = Rate(job.bytes.amount / job.lasting)
        again = job.lasting < job.window.amount
        within = f"the {Duration(job.lasting).human()} until it is released again" if again else str(job.window)
        longer = "" if again else f", or give the job at least {job.bytes.over(job.limit.value).human()}"
        yield Diagnostic(
            code="BKP2004",
            name="limit-too-low",
            severity=Severity.ERROR,
            message=f"job `{job.id}` cannot be done within {within} under its flow limit",
            primary=Label(job.limit.span, f"{job.bytes} in {within} needs {needed.human()}"),
            secondary=(Label(job.level.span, "this job"),),
            help=f"raise the limit above {needed.human()}{longer}",
        )
