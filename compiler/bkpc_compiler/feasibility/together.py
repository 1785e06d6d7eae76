"""All databases that a failure takes down come back at once, over what is left.

Any work-conserving sharing ends a recovery by its time alone plus, for each resource, the others' bytes
over its capacity: while it gets less than its full rate, one resource on its way is busy with the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.recovery_time import Recovery, Setting
from bkpc_compiler.program.model import Database, Program
from bkpc_grammar.quantities import Duration


@dataclass(frozen=True, slots=True)
class Together:
    """Bounds of one database among all that recover; `order`: the databases recovered, by name."""

    upper: Bound | None
    lower: Bound
    recoveries: tuple[Recovery, ...]
    missing: tuple[str, ...]  # needed, taken down too, and nothing says how they come back


def together(setting: Setting, demand: Demand, choice: Choice) -> Together:
    """The recovery of `choice` beside all others its failure takes down, and after all it needs."""
    others = _others(setting, demand, choice)
    everyone = {one.database.name: one for one in (choice, *others)}
    recoveries = tuple(one.recovery for one in everyone.values() if one.recovery is not None)
    waited = needed_by(setting.program, choice.database, choice.loss)
    missing = tuple(name for name in waited if name not in everyone or everyone[name].recovery is None)
    path = [everyone[name] for name in (choice.database.name, *waited) if name in everyone]
    lower = max((_least(one) for one in path), key=lambda bound: bound.total)
    uppers = [_beside(setting, one.recovery, recoveries) for one in path]
    known = [bound for bound in uppers if bound is not None]
    # One recovery of unknown length may keep a shared resource busy for as long.
    bounded = all(recovery.upper is not None for recovery in recoveries)
    whole = bounded and not missing and len(known) == len(path) and choice.recovery is not None
    upper = max(known, key=lambda bound: bound.total) if whole else None
    return Together(upper, lower, recoveries, missing)


def needed_by(program: Program, database: Database, loss: Loss) -> tuple[str, ...]:
    """Everything `database` needs, directly or not, that `loss` takes down too; by name."""
    databases = {one.name: one for one in program.databases}
    found: set[str] = set()
    ahead = [need.value for need in database.needs]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [need.value for need in databases[name].needs]
    return tuple(sorted(name for name in found if name in loss.databases and name != database.name))


def _others(setting: Setting, demand: Demand, choice: Choice) -> list[Choice]:
    """How each other database comes back: on the line its own promise for this failure asks for."""
    chosen = []
    for protection in setting.program.protections:
        if protection.database == choice.database.name or protection.database not in choice.loss.databases:
            continue
        promises = [one for one in protection.policy.promises if one.scope is choice.loss.scope]
        chosen.append(choose(setting, demand, protection, promises[0] if promises else None, choice.loss))
    return chosen


def _least(choice: Choice) -> Bound:
    """No schedule betters the least of all ways back; without a known place, nothing is known."""
    return min((one.lower for one in choice.recoveries), key=lambda bound: bound.total, default=Bound(()))


def _beside(setting: Setting, recovery: Recovery | None, all_: Iterable[Recovery]) -> Bound | None:
    if recovery is None or recovery.upper is None:
        return None
    mine = {resource.name: resource for transfer in recovery.transfers for resource in transfer.resources}
    bytes_: dict[str, Fraction] = {}
    for other in all_:
        if other.database.name == recovery.database.name:
            continue
        for transfer in other.transfers:
            for resource in transfer.resources:
                bytes_[resource.name] = bytes_.get(resource.name, Fraction(0)) + transfer.bytes.amount
    terms = [_wait(setting, resource, bytes_.get(name, Fraction(0))) for name, resource in sorted(mine.items())]
    return recovery.upper.plus(*(term for term in terms if term is not None))


def _wait(setting: Setting, resource: Resource, bytes_: Fraction) -> Term | None:
    rate = setting.usable(resource)
    if not bytes_ or not rate:
        return None
    spans = (resource.span,) if resource.span else ()
    return Term(f"others on {resource.words}", Duration(bytes_ / rate), spans, resource.origin)
