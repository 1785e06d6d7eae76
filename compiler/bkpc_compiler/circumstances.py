"""What is said beside the sources: measured figures, and what day it is. The compiler has no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from bkpc_grammar.facts import Facts


@dataclass(frozen=True, slots=True)
class MeasuredFacts:
    """A document of measured figures. `path`: its name, without folders."""

    path: str
    sha256: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All of it; nothing by default. No byte of a plan depends on `today`."""

    measured: MeasuredFacts | None = None
    today: date | None = None


ALONE = Circumstances()
"""The sources by themselves."""
