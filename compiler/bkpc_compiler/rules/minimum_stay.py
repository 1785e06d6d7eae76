"""BKP4001 minimum-stay: kept shorter than the class is paid for."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Keep, Store


def minimum_stay(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per (policy, store) that deletes before the minimum stay ends."""
    stores = {store.name: store for store in analysis.program.stores}
    seen = set()
    policies = {one.database: one.policy for one in analysis.program.protections}
    for flow in analysis.demand.flows:
        keep = policies[flow.database].keep
        store = stores[flow.store]
        if keep is None or keep.days is None or (keep.span, store.name) in seen or not _early(keep, store):
            continue
        seen.add((keep.span, store.name))
        yield _diagnostic(keep, store)


def _early(keep: Keep, store: Store) -> bool:
    stay = store.storage_class.value.minimum_stay if store.storage_class else None
    return stay is not None and keep.days is not None and keep.days.value < stay.value


def _diagnostic(keep: Keep, store: Store) -> Diagnostic:
    assert store.storage_class is not None
    stay = store.storage_class.value.minimum_stay
    assert stay is not None
    words = f"`{store.name}` bills {stay.value} for whatever is stored"
    return Diagnostic(
        code="BKP4001",
        name="minimum-stay",
        severity=Severity.WARNING,
        message=f"what expires in `{store.name}` before {stay.value} is paid for anyway",
        primary=Label(keep.span, f"shorter than {stay.value}"),
        secondary=(Label(store.storage_class.span, words),),
        help=f"keep at least {stay.value}: it costs nothing more, or choose a class with a shorter stay",
    )
