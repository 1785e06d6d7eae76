"""The picture of a recovery: each step a bar in time, the path that decides when all is done marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import element, percent
from bkpc_compiler.backends.procedure import Phase, Procedure

_ROW = 34
_AXIS = 20
_LONGEST_LABEL = 46
_STEPS_MS = [minutes * 60_000 for minutes in (1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)]
_MOST_MARKS = 6


def gantt(procedure: Procedure, shown: Sequence[Phase] | None = None) -> Markup:
    """An SVG as wide as its place; text keeps its size. `shown`: some of its steps; None: all."""
    phases = procedure.phases if shown is None else shown
    whole = max(procedure.recovery.expect_ms, *(phase.end_ms for phase in procedure.phases), 1)
    height = _ROW * len(phases)
    critical = [str(phase.number) for phase in phases if phase.critical]
    summary = (
        f"{procedure.title}: {words.many(len(procedure.phases), 'step')} in {words.span(whole)}; "
        f"steps {', '.join(critical)} decide when all is done; the table below says the same"
    )
    return element(
        "svg",
        element("title", summary),
        *_marks(whole, height),
        *(mark for row, phase in enumerate(phases) for mark in _row(phase, row * _ROW, whole)),
        role="img",
        width="100%",
        height=height + _AXIS,
        class_="chart",
    )


def _marks(whole: int, height: int) -> Iterator[Markup]:
    step = next((one for one in _STEPS_MS if whole / one <= _MOST_MARKS), whole)
    for at in range(0, whole + 1, step):
        x = percent(at, whole)
        anchor = "start" if at == 0 else "end" if at > whole * 0.93 else "middle"
        yield element("line", x1=x, x2=x, y1=0, y2=height, class_="grid")
        yield element("text", words.moment(at), x=x, y=height + 14, text_anchor=anchor, class_="axis")


def _row(phase: Phase, y: int, whole: int) -> Iterator[Markup]:
    label = f"{phase.number}  {phase.title}"
    if len(label) > _LONGEST_LABEL and len(phase.databases) > 1:
        label = f"{phase.number}  Make {len(phase.databases)} empty servers ready"
    if len(label) > _LONGEST_LABEL:
        label = f"{label[: _LONGEST_LABEL - 1]}…"
    yield element("text", label, x=0, y=y + 12, class_="label critical" if phase.critical else "label")
    yield element(
        "rect",
        x=percent(phase.start_ms, whole),
        width=percent(phase.takes_ms, whole),
        y=y + 17,
        height=12,
        class_=f"step {phase.kind.replace('.', '-')}{' critical' if phase.critical else ''}",
    )
