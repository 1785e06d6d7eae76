"""How long all that a database waits for takes through one resource at least: of all databases of a failure at once.

Seconds only; `least_together` has the terms. Who needs one thing only waits for what that waits for, and for it: such
a chain is gone along once, what each adds put on and taken off again, instead of being added up anew for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.recovery_least import Passing
from bkpc_compiler.program.model import Database

_Load = tuple[int, Fraction | None, int, Fraction | None]
"""Of one resource: the bytes of all images, the least that comes before one of them; the same of the one log."""
_NONE: _Load = (0, None, 0, None)
_Before = tuple[list[tuple[Resource, _Load]], int, Resource | None]
"""What there was before one was put on."""


def crowded(
    passing: Mapping[str, Passing], hit: frozenset[str], databases: Mapping[str, Database]
) -> Mapping[str, Fraction]:
    """By database, of those in `passing` that wait for others in it: as `least_together` of it and all of these."""
    return dict(_Crowd(passing, hit, databases).totals())


class _Crowd:
    """What is to pass each resource for the database that is being looked at, and all it waits for."""

    def __init__(self, passing: Mapping[str, Passing], hit: frozenset[str], databases: Mapping[str, Database]) -> None:
        self._passing, self._hit, self._databases = passing, hit, databases
        self._loads: dict[Resource, _Load] = {}
        self._number = 0
        self._narrow: Resource | None = None  # which takes longest

    def totals(self) -> Iterator[tuple[str, Fraction]]:
        after: dict[str, list[str]] = {}
        for name in self._reachable(self._passing):
            needs = self._needs(name)
            if len(needs) == 1:
                after.setdefault(needs[0], []).append(name)
        for name in self._reachable(self._passing):
            if len(self._needs(name)) != 1:
                yield from self._from(name, after)

    def _needs(self, name: str) -> list[str]:
        return list(dict.fromkeys(need.value for need in self._databases[name].needs))

    def _reachable(self, names: Iterable[str]) -> list[str]:
        """`names` and all that they need, directly or not."""
        ahead, seen = list(names), set(names)
        for name in ahead:  # it grows
            further = [need for need in self._needs(name) if need not in seen]
            seen.update(further)
            ahead += further
        return ahead

    def _from(self, root: str, after: Mapping[str, list[str]]) -> Iterator[tuple[str, Fraction]]:
        """Those that wait for `root` and, each, for one other thing only; and `root`."""
        waited = [name for name in self._reachable(self._needs(root)) if name in self._hit]
        below = [self._put(name) for name in waited]
        ahead: list[tuple[str, _Before | None]] = [(root, None)]
        while ahead:
            name, before = ahead.pop()
            if before is not None:
                self._take_off(before)
                continue
            before = self._put(name)
            found = self._total(name)
            if found is not None:
                yield name, found
            if name not in self._hit:  # it may stay as it is: nobody waits for it
                self._take_off(before)
                before = ([], self._number, self._narrow)
            ahead.append((name, before))
            ahead += [(other, None) for other in after.get(name, ())]
        for before in reversed(below):
            self._take_off(before)

    def _put(self, name: str) -> _Before:
        changed: list[tuple[Resource, _Load]] = []
        before = (changed, self._number, self._narrow)
        passing = self._passing.get(name)
        if passing is None:
            return before
        self._number += 1
        for one, image in passing.images.items():
            bytes_, lead, log, then = self._change(one, changed)
            first = passing.first.total.amount
            least = first if lead is None else min(lead, first)
            self._loads[one] = (bytes_ + image.transfer.bytes, least, log, then)
        for one, logged in passing.logs.items():
            bytes_, lead, log, then = self._change(one, changed)
            its = (logged.transfer.bytes, passing.then.total.amount)
            self._loads[one] = (bytes_, lead, *(its if then is None else max((log, then), its)))
        # What is put on makes no resource faster: another is the narrowest only if something was put on it.
        touched = [one for one, _ in changed] + ([self._narrow] if self._narrow else [])
        imaged = (one for one in touched if self._loads[one][1] is not None)
        self._narrow = max(imaged, key=lambda one: (self._takes(one), one.name), default=None)
        return before

    def _change(self, one: Resource, changed: list[tuple[Resource, _Load]]) -> _Load:
        load = self._loads.get(one, _NONE)
        changed.append((one, load))
        return load

    def _take_off(self, before: _Before) -> None:
        changed, self._number, self._narrow = before
        for one, load in reversed(changed):
            self._loads[one] = load

    def _takes(self, one: Resource) -> Fraction:
        bytes_, _, log, _ = self._loads[one]
        return (bytes_ + log) / one.most

    def _total(self, name: str) -> Fraction | None:
        passing, narrow = self._passing.get(name), self._narrow
        if passing is None or narrow is None or self._number == 1:
            return None
        _, lead, _, then = self._loads[narrow]
        return min(one for one in (lead, then) if one is not None) + self._takes(narrow) + passing.last.total.amount
