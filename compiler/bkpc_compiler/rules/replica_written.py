"""BKP4007 replica-written: a level writes to a store that OSS keeps as the copy of another."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.in_force import policies_in_force
from bkpc_compiler.program.model import Given, Policy


def replica_written(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per such level and store."""
    copies = {one.replica.value: one for one in analysis.program.stores if one.replica}
    for policy in policies_in_force(analysis.program):
        for found in written(policy):
            source = copies.get(found.value)
            if source is None or source.replica is None:
                continue
            yield Diagnostic(
                code="BKP4007",
                name="replica-written",
                severity=Severity.ERROR,
                message=f"`{found.value}` is the copy that OSS keeps of `{source.name}`",
                primary=Label(found.span, "what is written here and what is copied here would mix"),
                secondary=(Label(source.replica.span, f"all of `{source.name}` comes here by itself"),),
                help="write to a store of its own, or take `replicates to` out",
            )


def written(policy: Policy) -> Iterator[Given[str]]:
    """The stores that its levels write to."""
    for levels in (policy.images, policy.hot, policy.cold):
        for level in levels:
            yield from level.stores
