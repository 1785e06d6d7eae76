"""BKP4006 billed-larger: a log in pieces smaller than the class bills."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Store
from bkpc_grammar.quantities import Size

_LONGEST = 60
"""Seconds: nobody waits longer with a log for the sake of a bill."""


def billed_larger(analysis: Analysis) -> Iterator[Diagnostic]:
    """One warning per hot level and store: of the databases that stream there, the one with the smallest pieces."""
    stores = {store.name: store for store in analysis.program.stores}
    # Where nothing is written there is no segment to be billed.
    smallest: dict[tuple[object, str], StreamDemand] = {}
    for stream in analysis.demand.streams:
        key = (stream.level.span, stream.store)
        if stream.writes.value.amount and (key not in smallest or stream.writes.value < smallest[key].writes.value):
            smallest[key] = stream
    for stream in smallest.values():
        least = _least(stores[stream.store])
        piece = stream.writes.value.during(stream.level.flush.value)
        if least is not None and piece < least:
            yield _diagnostic(stream, stores[stream.store], piece, least)


def _least(store: Store) -> Size | None:
    found = store.storage_class.value.minimum_size if store.storage_class else None
    return found.value if found else None


def _diagnostic(stream: StreamDemand, store: Store, piece: Size, least: Size) -> Diagnostic:
    assert store.storage_class is not None
    named = store.storage_class.value.name
    enough = -(-least.amount // stream.writes.value.amount)
    return Diagnostic(
        code="BKP4006",
        name="billed-larger",
        severity=Severity.WARNING,
        message=f"a log segment of `{stream.database}` holds {piece.bytes_up():,} bytes at most, "
        f"and `{store.name}` bills {least.bytes_up():,}",
        primary=Label(stream.level.flush.span, "on average, before it is compressed"),
        secondary=(
            Label(store.storage_class.span, f"`{named}` bills every object as {least} at least"),
            Label(stream.writes.span, f"all that `{stream.database}` writes"),
        ),
        help="stream to a store of a class without a minimum size"
        + (f", or write every {enough}s where the rpo allows it" if enough <= _LONGEST else ""),
    )
