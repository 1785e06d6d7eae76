"""How bounds grow towards their promises, month by month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import element, number

Growth = tuple[int, str, str, str, int | None, int, int]
"""Month, database, scope, kind (`rpo`, `rto`), bound (None: there is none) and promised in milliseconds, and in how
many of a million instants of failure."""

_HEIGHT = 64
_WIDTH = 320


@dataclass(frozen=True, slots=True)
class Trend:
    """One promise over the months."""

    database: str
    scope: str
    kind: str
    promised_ms: int
    millionths: int
    months: tuple[tuple[int, int | None], ...]  # month, bound

    @property
    def broken(self) -> int | None:
        """The first month in which the promise is not proved; None: never, as far as was looked."""
        return next((month for month, bound in self.months if bound is None or bound > self.promised_ms), None)

    @property
    def promised(self) -> str:
        return words.of_share(self.promised_ms, self.millionths)

    @property
    def what(self) -> str:
        return words.OBJECTIVES[self.kind]

    @property
    def sparkline(self) -> Markup:
        """The bound as a line, the promise as a dashed one."""
        top = max(self.promised_ms, *(bound or 0 for _, bound in self.months), 1) * 1.1
        last = max(self.months[-1][0], 1)

        def y(value: int) -> str:
            return number(_HEIGHT - _HEIGHT * value / top)

        lines = [
            element("polyline", points=" ".join(f"{number(_WIDTH * m / last)},{y(b)}" for m, b in run), class_="trend")
            for run in _runs(self.months)
        ]
        told = f"no longer proved in month {self.broken}" if self.broken is not None else "proved in all months"
        promised = y(self.promised_ms)
        return element(
            "svg",
            element("title", f"{self.what} of {self.database}: {told}; the table below says the same"),
            element("line", x1=0, x2=_WIDTH, y1=promised, y2=promised, class_="promised"),
            *lines,
            role="img",
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            class_="sparkline",
        )


def trends_of(growth: Iterable[Growth]) -> tuple[Trend, ...]:
    """One per promise, months in order."""
    grouped: dict[tuple[str, str, str], list[Growth]] = {}
    for one in sorted(growth, key=lambda one: (one[1:4], one[0])):
        grouped.setdefault(one[1:4], []).append(one)
    return tuple(
        Trend(*key, *found[-1][5:], tuple((one[0], one[4]) for one in found)) for key, found in grouped.items()
    )


def _runs(months: tuple[tuple[int, int | None], ...]) -> Iterator[list[tuple[int, int]]]:
    """Stretches of months that have a bound; a single one is drawn as a short line."""
    run: list[tuple[int, int]] = []
    for month, bound in (*months, (0, None)):
        if bound is not None:
            run.append((month, bound))
        elif run:
            yield run if len(run) > 1 else [run[0], run[0]]
            run = []
