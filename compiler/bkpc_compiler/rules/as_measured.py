"""Labels under a declaration whose figure was measured say so: what is underlined is not what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label
from bkpc_compiler.program.measurement import Measurement
from bkpc_compiler.source import Span


def as_measured(diagnostics: Iterable[Diagnostic], measured: Iterable[Measurement]) -> Iterator[Diagnostic]:
    """The same, each label at the place of a measured figure with the figure and its day."""
    places = {one.span: one for one in measured}
    for one in diagnostics:
        yield (
            replace(
                one,
                primary=_told(one.primary, places),
                secondary=tuple(_told(label, places) for label in one.secondary),
            )
            if places
            else one
        )


def _told(label: Label, places: Mapping[Span, Measurement]) -> Label:
    found = places.get(label.span)
    if found is None:
        return label
    words = f"measured {found.shown}, {found.measured_at}"
    return Label(label.span, f"{label.text} ({words})" if label.text else words)
