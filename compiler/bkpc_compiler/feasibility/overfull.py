"""Logs that promises need and that no plan keeps up with together: what is written fills more than a resource carries.

A stream sends all that is written, in order. Where the logs that promises cannot do without are written faster than a
resource on the way of all of them carries at its full capacity, one of them at least falls behind for ever. So the
promises are refuted as a set, whatever the plan; each is shown as refuted, and names the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from bkpc_compiler.estate.failures import Losses
from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.by_turns import lost_at_least_on
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import surviving_lines
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.feasibility.recovery_time import Setting
from bkpc_compiler.program.model import Database, Promise, Protection, Scope
from bkpc_grammar.quantities import Rate


@dataclass(frozen=True, slots=True)
class Overfull:
    """`databases`: by name; any one less, and the resource carries the logs of the others."""

    resource: Resource
    databases: tuple[str, ...]
    written: Rate


class Overfilled:
    """The sets of a program; nothing is looked for while every stream has its rate."""

    def __init__(self, setting: Setting, demand: Demand, losses: Losses, protections: Mapping[str, Protection]) -> None:
        self._setting, self._demand, self._losses, self._protections = setting, demand, losses, protections

    def of(self, database: str, promise: Promise) -> Overfull | None:
        """What refutes `promise` for `database` together with others."""
        return self._found.get((database, promise.scope))

    @cached_property
    def _found(self) -> Mapping[tuple[str, Scope], Overfull]:
        behind = [stream for stream in self._demand.streams if not stream.fits]
        narrow = {one for stream in behind for one in stream.resources if one.firm}
        if not narrow:
            return {}
        found: dict[tuple[str, Scope], Overfull] = {}
        needed: dict[Resource, dict[str, list[Scope]]] = {}
        for name, scope, one in self._needs(narrow):
            needed.setdefault(one, {}).setdefault(name, []).append(scope)
        for one, scopes in sorted(needed.items(), key=lambda item: item[0].name):
            for name, overfull in self._together(one, list(scopes)):
                for scope in scopes[name]:
                    found.setdefault((name, scope), overfull)
        return found

    def _needs(self, narrow: set[Resource]) -> Iterator[tuple[str, Scope, Resource]]:
        """Each promise, and what every log that might keep it goes through."""
        for name, protection in self._protections.items():
            for promise in protection.policy.promises:
                able = self._able(self._setting.databases[name], protection, promise)
                ways = [set(line.log.resources) if line.log else set() for line in able]
                yield from ((name, promise.scope, one) for one in (narrow.intersection(*ways) if ways else ()))

    def _able(self, database: Database, protection: Protection, promise: Promise) -> list[Line]:
        """The lines that might keep the promised loss. After a corruption the server still sends what is behind."""
        if promise.rpo is None or promise.scope is Scope.CORRUPTION:
            return []
        loss = self._losses.of(database, promise.scope)
        lines = surviving_lines(self._setting, self._demand, database, protection.policy, loss)
        able = []
        if any(line.log is not None and line.log.level.sync for line in lines):
            return []  # a commit waits until it is stored: what is written slows down
        alone = [line for line in lines if line.log is None]
        logged = [line for line in lines if line.log is not None and not line.log.hopeless]
        for together in (alone, *([line] for line in logged)):
            low = lost_at_least_on(together, promise.scope, promise.rpo_quantile)
            if low is not None and low <= promise.rpo.value.amount:
                able += together
        return able

    def _together(self, resource: Resource, names: list[str]) -> Iterator[tuple[str, Overfull]]:
        """Each database that is too much beside some others which the resource carries, and which these are.

        The largest logs that it carries, and the next: without any one of these it carries the rest.
        """
        writes = {name: self._setting.databases[name].writes.value.amount for name in names}
        order = sorted(names, key=lambda name: (-writes[name], name))
        carried, total = 0, Fraction(0)
        while carried < len(order) and total + writes[order[carried]] <= resource.most:
            total += writes[order[carried]]
            carried += 1
        if carried == len(order):
            return
        first = tuple(order[:carried])
        whole = Overfull(resource, (*first, order[carried]), Rate(total + writes[order[carried]]))
        yield from ((name, whole) for name in whole.databases)
        for name in order[carried + 1 :]:
            if total + writes[name] > resource.most:
                yield name, Overfull(resource, (*first, name), Rate(total + writes[name]))
