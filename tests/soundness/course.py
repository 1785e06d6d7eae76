"""How a recovery went, and what makes a plan impossible to carry out."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tests.soundness.topology import Failure, Topology


@dataclass(frozen=True, slots=True)
class Fault:
    """A plan that cannot be carried out as it stands, and whose promises that may break.

    `scope`: only promises of a time to recover from it; None: any.
    """

    kind: str
    databases: frozenset[str]
    text: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """How one recovery went: when each step ended and each database was in service, in ms; what was wrong with it."""

    takes: dict[str, float]
    own: dict[str, float]
    faults: tuple[Fault, ...]

    def in_service(self, database: str, topology: Topology, failure: Failure) -> float:
        """Its own check passed, and that of all it needs that were taken down too."""
        return max(self.own.get(name, inf) for name in topology.needed(database) & failure.out_of_service | {database})
