"""Which promises are not kept while something is wrong: by what the plan's recoveries read.

A promise counts on the stores that the recovery it was proved by reads; what is wrong elsewhere endangers others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_grammar.shares import for_share

_IMAGE, _LOG = frozenset({"restore.image", "restore.increment"}), "restore.log"
_ON_ITS_WAY_MS = 1000
"""With `rpo 0s` commits wait for what is on its way; where they wait longer, or do not wait, that is told too."""
Part = Literal["all", "image", "log", "lock", "commits"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with what a store has of a database, in words. `part`: all of it, its newest image, the log after
    that, its lock, or (`commits`) that commits do not wait for it. `lag_ms`: it matters where less is promised."""

    database: str
    store: str
    part: Part
    why: str
    lag_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Endangered:
    """A promise of a database that is not kept now: `scopes` of loss, and why.

    `millionths`: of all instants of failure, those that it speaks of. Nobody sees at one instant in how many others it
    is kept: what breaks it at this one endangers it.
    """

    database: str
    store: str
    promise: Literal["rpo", "rto"]
    promised_ms: int
    millionths: int
    scopes: tuple[str, ...]
    why: str

    @property
    def text(self) -> str:
        against = f"against {', '.join(self.scopes)}: {self.why}"
        return f"{self.promise} {told(self.promised_ms, self.millionths)} {against}"


def told(promised_ms: int, millionths: int) -> str:
    """`10s`; `13h for 50% of all instants (this is one)`."""
    share = for_share(millionths)
    human = Duration(Fraction(promised_ms, 1000)).human()
    return f"{human}{share} of all instants (this is one)" if share else human


def endangered(plan: contract.Plan, troubles: Iterable[Trouble]) -> list[Endangered]:
    """In the order of `troubles`; those that endanger no promise are left out."""
    return [one for trouble in dict.fromkeys(troubles) for one in _by(plan, trouble)]


def _by(plan: contract.Plan, trouble: Trouble) -> Iterator[Endangered]:
    scopes: dict[tuple[Literal["rpo", "rto"], int, int], list[str]] = {}
    for objective in plan.objectives:
        if objective.database == trouble.database:
            images, log = _read(plan, objective)
            for promise, promised, share in (
                ("rpo", objective.rpo_ms, objective.rpo_millionths),
                ("rto", objective.rto_ms, objective.rto_millionths),
            ):
                if promised is not None and promise in _hit(trouble, objective, images, log):
                    scopes.setdefault((promise, promised, share), []).append(objective.scope)
    for (promise, promised, share), lost in scopes.items():
        yield Endangered(trouble.database, trouble.store, promise, promised, share, tuple(lost), trouble.why)


def _hit(
    trouble: Trouble, objective: contract.Objective, images: set[str], log: set[str]
) -> set[Literal["rpo", "rto"]]:
    """Which of an objective's promises fall with it."""
    read = trouble.store in images | log
    if trouble.part == "all" or (trouble.part == "lock" and objective.scope == "intruder"):
        return {"rpo", "rto"} if read else set()
    if trouble.part == "image" and trouble.store in images:
        return {"rto"} if log else {"rpo", "rto"}
    if trouble.part == "log" and trouble.store in log:
        least = max(objective.rpo_ms or 0, _ON_ITS_WAY_MS)
        return {"rpo"} if trouble.lag_ms is None or trouble.lag_ms > least else set()
    return {"rpo"} if trouble.part == "commits" and objective.rpo_ms == 0 and read else set()


def _read(plan: contract.Plan, objective: contract.Objective) -> tuple[set[str], set[str]]:
    """The stores whose images, and whose log, the plan's recoveries of a database from such a loss read."""
    images: set[str] = set()
    log: set[str] = set()
    for recovery in plan.recoveries:
        if recovery.scope == objective.scope:
            for step in recovery.steps:
                if step.database == objective.database and step.store:
                    images |= {step.store, *step.beside} if step.kind in _IMAGE else set()
                    log |= {step.store, *step.beside} if step.kind == _LOG else set()
    return images, log
