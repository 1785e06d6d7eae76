"""BKP4004 log-thaws: a continuous log in a class that must thaw before it can be read."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.thaw import thaw_of
from bkpc_compiler.feasibility.verdict import Analysis


def log_thaws(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per hot level and store with a thaw."""
    stores = {store.name: store for store in analysis.program.stores}
    seen = set()
    for stream in analysis.demand.streams:
        store = stores[stream.store]
        thaw = thaw_of(store)
        if thaw is None or store.storage_class is None or (stream.level.span, store.name) in seen:
            continue
        seen.add((stream.level.span, store.name))
        yield Diagnostic(
            code="BKP4004",
            name="log-thaws",
            severity=Severity.WARNING,
            message=f"every replay from `{store.name}` begins with a thaw of {thaw.value}",
            primary=Label(stream.level.span, "many small objects, each thawed on its own"),
            secondary=(Label(store.storage_class.span, f"{thaw.value} before the first byte can be read"),),
            help="stream the log to a store whose class needs no thaw",
        )
