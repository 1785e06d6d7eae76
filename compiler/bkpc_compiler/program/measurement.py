"""A measured figure in the place of a declared one, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bkpc_compiler.program.literal import Figure, literal
from bkpc_compiler.source import Span

if TYPE_CHECKING:
    from datetime import date

_MORE_IS_WORSE = frozenset({"size", "burst", "changes", "verifies", "tables", "latency", "thaw", "provision"})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure that was measured.

    `declared`: what an author wrote; None where it is a figure of `std`, or nothing was said.
    `span`: the clause it takes the place of; where nothing was said, the thing's name.
    """

    about: str  # "database", "store", "link", "region", "class", "standby"
    name: str
    site: str  # of a standby; else empty
    figure: str  # "size", "bandwidth", …: the clause of the language
    declared: Figure | None
    value: Figure
    span: Span
    measured_at: date
    source: str
    samples: int

    @property
    def what(self) -> str:
        """`` `size` of `orders` ``."""
        return what_of(self.about, self.name, self.site, self.figure)

    @property
    def more_is_worse(self) -> bool:
        """For what is moved or waited for; of what can be carried, less is."""
        return self.figure in _MORE_IS_WORSE or (self.figure == "writes" and self.about == "database")

    @property
    def shown(self) -> str:
        """The figure in the author's units where one wrote it, rounded against the promise."""
        return literal(self.value, self.declared, up=self.more_is_worse) if self.declared else self.value.human()

    def age_in_days(self, today: date) -> int:
        """Negative for a figure of a day to come."""
        return (today - self.measured_at).days

    def told(self, today: date | None = None) -> str:
        """`measured 150GiB on 2026-11-20, 4 days old: backup 2026-11-20 full`."""
        return f"measured {self.shown} on {self.measured_at}{self._age(today)}: {self.source}{self._number()}"

    def _age(self, today: date | None) -> str:
        if today is None:
            return ""
        days = self.age_in_days(today)
        if days < 0:
            return ", a day to come"
        return f", {days} day{'' if days == 1 else 's'} old" if days else ", today"

    def _number(self) -> str:
        return f", worst of {self.samples}" if self.samples > 1 else ""


def what_of(about: str, name: str, site: str, figure: str) -> str:
    """The figure in words: a database and a store by their names, all else by what it is."""
    if about == "standby":
        return f"`{figure}` of `{name}` at standby `{site}`"
    return f"`{figure}` of {'' if about in ('database', 'store') else f'{about} '}`{name}`"
