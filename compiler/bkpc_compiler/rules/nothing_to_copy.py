"""BKP4005 nothing-to-copy: a `cold` level reads a store that its policy sends no image to."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.in_force import policies_in_force
from bkpc_compiler.program.model import Policy


def nothing_to_copy(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per such level."""
    for policy in policies_in_force(analysis.program):
        filled = _filled(policy)
        for level in policy.cold:
            if level.source.value in filled:
                continue
            yield Diagnostic(
                code="BKP4005",
                name="nothing-to-copy",
                severity=Severity.ERROR,
                message=f"policy `{policy.name}` sends no image to `{level.source.value}`: there is nothing to copy",
                primary=Label(level.source.span, "no `full` and no `cold` level ends here"),
                help=f"copy from {' or '.join(f'`{name}`' for name in sorted(filled))}" if filled else None,
            )


def _filled(policy: Policy) -> set[str]:
    """The stores that images get to, directly or by copies of copies."""
    found = {store.value for image in policy.images for store in image.stores}
    for _ in policy.cold:
        found |= {store.value for level in policy.cold if level.source.value in found for store in level.stores}
    return found
