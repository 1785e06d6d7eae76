"""BKP4002 lock-outlives-keep: what should expire cannot be deleted yet."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Policy


def lock_outlives_keep(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per policy that locks for longer than it keeps."""
    policies = {(one.policy.span, _keep_span(one.policy)): one.policy for one in analysis.program.protections}
    for policy in policies.values():
        keep, lock = policy.keep, policy.lock
        if keep is None or keep.days is None or lock is None or lock.value <= keep.days.value:
            continue
        yield Diagnostic(
            code="BKP4002",
            name="lock-outlives-keep",
            severity=Severity.WARNING,
            message=f"policy `{policy.name}` locks for {lock.value} what it keeps for {keep.days.value}",
            primary=Label(lock.span, f"nothing can be deleted for {lock.value}"),
            secondary=(Label(keep.span, "expiry has to wait for the lock"),),
            help=f"`keep {lock.value}` says what happens anyway; `lock {keep.days.value}` lets it expire",
        )


def _keep_span(policy: Policy) -> object:
    return policy.keep.span if policy.keep else None
