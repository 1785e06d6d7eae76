"""BKP7001 not-yet-run: the policy says more than this version runs; nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Policy
from bkpc_compiler.source import Span


def not_yet_run(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per level that this version can check but not run."""
    for policy in {one.policy.span: one.policy for one in analysis.program.protections}.values():
        for span, words in _beyond(policy):
            yield Diagnostic(
                code="BKP7001",
                name="not-yet-run",
                severity=Severity.ERROR,
                message=f"this version of bkpc does not run {words}",
                primary=Label(span, "in no plan of this version"),
                notes=("it runs logical full images, the asynchronous binlog stream and copies of images",),
                help="take this clause out until the version that runs it; the verdicts do not count it",
            )


def _beyond(policy: Policy) -> Iterator[tuple[Span, str]]:
    for image in policy.images:
        if image.kind != "full":
            yield image.span, f"`{image.kind}` images"
    for hot in policy.hot:
        if hot.sync:
            yield hot.span, "`hot sync`"


def not_yet_done(analysis: Analysis) -> Iterator[Diagnostic]:
    """BKP7002: one warning per clause that the plan carries and this version's runtime leaves to people."""
    for policy in {one.policy.span: one.policy for one in analysis.program.protections}.values():
        for span, words in _left_to_people(policy):
            yield Diagnostic(
                code="BKP7002",
                name="not-yet-done",
                severity=Severity.WARNING,
                message=f"the runtime of this version does not {words}",
                primary=Label(span, "checked, and in the plan"),
            )


def _left_to_people(policy: Policy) -> Iterator[tuple[Span, str]]:
    if policy.lock:
        yield policy.lock.span, "set the bucket's retention: lock it in the console, or nothing survives an intruder"
    if policy.keep:
        yield policy.keep.span, "delete what is older: more is kept than this says, and paid for"
    if policy.flow and (policy.flow.size_warn is not None or policy.flow.size_hold is not None):
        yield policy.flow.span, "compare sizes (`size`)"
    if policy.flow and policy.flow.verify_every_backup:
        yield policy.flow.span, "verify each backup by itself (`verify`): run `bkpc verify`"
    if policy.flow and policy.flow.drill:
        yield policy.flow.drill.span, "run drills"
