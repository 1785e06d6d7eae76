"""The picture of one resource's day: what is reserved, stacked, under the line of what is usable."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import element, number, percent
from bkpc_compiler.backends.report.day import DAY_MS, Load

HEIGHT = 110
_TOP = 6
_AXIS = 16
_HOURS = range(0, 25, 3)
_LEAST_LABELLED = DAY_MS // 48
_COLOURS = 6


def day_chart(load: Load, *, apart: bool = True) -> Markup:
    """An SVG as wide as its place; text and lines keep their size. `apart`: each job in a colour of its own."""
    top = max(load.resource.capacity, load.peak, 1)
    summary = (
        f"{load.title} over 24 hours: at most {words.rate(load.peak)} reserved "
        f"of {words.rate(load.resource.usable)} usable; the table below says the same"
    )
    return element(
        "svg",
        element("title", summary),
        *_grid(),
        *(_areas(load, top) if apart else _together(load, top)),
        *_lines(load, top),
        role="img",
        width="100%",
        height=HEIGHT + _AXIS,
        class_="chart",
    )


def _y(rate: int, top: int) -> float:
    return HEIGHT - (HEIGHT - _TOP) * rate / top


def _grid() -> Iterator[Markup]:
    for hour in _HOURS:
        at = percent(hour, 24)
        anchor = "start" if hour == 0 else "end" if hour == 24 else "middle"
        yield element("line", x1=at, x2=at, y1=_TOP, y2=HEIGHT, class_="grid")
        yield element("text", f"{hour:02}", x=at, y=HEIGHT + 13, text_anchor=anchor, class_="axis")


def _areas(load: Load, top: int) -> Iterator[Markup]:
    yield from _streams(load, top)
    labelled: set[int] = set()
    for stretch in load.stretches:
        below = load.baseline
        for slot in stretch.slots:
            low, high = _y(below, top), _y(below + slot.rate, top)
            below += slot.rate
            x, width = percent(stretch.begin, DAY_MS), percent(stretch.end - stretch.begin, DAY_MS)
            colour = f"job{(slot.number - 1) % _COLOURS + 1}"
            yield element("rect", x=x, width=width, y=high, height=low - high, class_=f"job {colour}")
            if slot.number not in labelled and stretch.end - stretch.begin >= _LEAST_LABELLED and low - high >= 10:
                labelled.add(slot.number)
                middle = percent(stretch.begin + stretch.end, 2 * DAY_MS)
                yield element(
                    "text", str(slot.number), x=middle, y=(low + high) / 2 + 4, text_anchor="middle", class_="on-job"
                )


def _streams(load: Load, top: int) -> Iterator[Markup]:
    if load.baseline:
        y = _y(load.baseline, top)
        yield element("rect", x=0, width="100%", y=y, height=HEIGHT - y, class_="stream")


def _together(load: Load, top: int) -> Iterator[Markup]:
    """All jobs as one."""
    yield from _streams(load, top)
    for stretch in load.stretches:
        low, high = _y(load.baseline, top), _y(load.reserved(stretch), top)
        if low > high:
            x, width = percent(stretch.begin, DAY_MS), percent(stretch.end - stretch.begin, DAY_MS)
            yield element("rect", x=x, width=width, y=high, height=low - high, class_="job1")


def _lines(load: Load, top: int) -> Iterator[Markup]:
    for rate, name in ((load.resource.capacity, "capacity"), (load.resource.usable, "usable")):
        y = number(_y(rate, top))
        yield element("line", x1=0, x2="100%", y1=y, y2=y, class_=name)
