"""The declared figures of a program, found by the clauses that gave them; and the program with one of them changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from bkpc_compiler.program.model import (
    Account,
    Cadence,
    Database,
    Given,
    HotLevel,
    Link,
    Origin,
    Policy,
    Program,
    Schedule,
    Standby,
    Store,
)
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import SECONDS, Count, Duration, Rate, Size, duration

Quantity = Duration | Rate | Size | Count

MORE = {
    (Link, "bandwidth"): "bandwidth",
    (Account, "reads"): "reads",
    (Account, "writes"): "writes",
    (Store, "reads"): "reads",
    (Store, "writes"): "writes",
    (Database, "restores"): "restores",
    (Database, "replays"): "replays",
    (Database, "dumps"): "dumps",
}
"""Figures of which more helps: the field, and the word of its clause."""
LESS = {
    (Link, "latency"): "latency",
    (Database, "size"): "size",
    (Database, "writes"): "writes",
    (Database, "burst"): "burst",
    (Database, "changes"): "changes",
    (Database, "prepares"): "prepares",
    (Database, "verifies"): "verifies",
    (Database, "tables"): "tables",
    (Database, "table"): "table",
    (Database, "starts"): "starts",
    (Standby, "provision"): "provision",
    (Policy, "detect"): "detect",
    (Policy, "activate"): "activate",
    (HotLevel, "flush"): "every",
}
"""Figures of which less helps."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOURS = (12, 8, 6, 4, 3, 2, 1)
"""What a schedule is tried at: `every 12h` …; all divide a day."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A declared quantity. `of`: what it belongs to, in words; `more`: whether more of it helps.

    `ease`: 0 for what a policy decides, 1 for what machines and lines give, 2 for what is asked of them.
    """

    clause: str
    of: str
    value: Quantity
    span: Span
    more: bool
    ease: int

    def steps(self) -> tuple[Quantity, ...]:
        """Rounder and rounder values, ever farther from the declared one, to a thousand times or a thousandth."""
        found = re.fullmatch(r"([\d.]+)\s*(\D.*)?", self.value.written)
        if found is None or not self.value.amount:
            return ()
        number, unit = Fraction(found[1]), found[2] or ""
        if isinstance(self.value, Duration):
            if parts := re.fullmatch(r"([a-z]+)[\d.].*", unit):  # `26h30min`: all of it, in its first unit
                unit = parts[1]
                number = self.value.amount / SECONDS[unit]
            number, unit = _finer(number, unit)
        each = self.value.amount / number
        values = []
        for tenths, power in _mantissas(number, more=self.more):
            shown = Fraction(tenths) * Fraction(10) ** power
            text = f"{shown.numerator}" if shown.denominator == 1 else f"{float(shown):g}"
            if shown == Fraction(text) and (unit or shown.denominator == 1):
                values.append(type(self.value)(shown * each, f"{text}{unit}"))
        return tuple(values)


def _finer(number: Fraction, unit: str) -> tuple[Fraction, str]:
    """In a unit of which there are at least ten: `5min` is changed to `290s`, not to `4.9min`."""
    units = ["d", "h", "min", "s", "ms"]
    while number < 10 and unit in units[:-1]:
        finer = units[units.index(unit) + 1]
        number, unit = number * SECONDS[unit] / SECONDS[finer], finer
    return number, unit


def _mantissas(number: Fraction, *, more: bool) -> Iterator[tuple[int, int]]:
    """Two significant digits and a power of ten: from beyond `number` on, over three powers of ten."""
    power = len(str(int(number))) - 2
    first = number / Fraction(10) ** power
    tenths = int(first) + 1 if more else -int(-first // 1) - 1
    for _ in range(270):
        if more and tenths >= 100:
            tenths, power = tenths // 10, power + 1
        if not more and tenths < 10:
            tenths, power = tenths * 10 + 9, power - 1
        yield tenths, power
        tenths += 1 if more else -1


def figures_at(program: Program, spans: Iterable[Span]) -> tuple[Figure, ...]:
    """The figures that the files declare at `spans`, each once; those of `std` are nobody's to change."""
    wanted = frozenset(spans)
    found: dict[Span, Figure] = {}
    for owner, name, given in _givens(program):
        key = (type(owner), name)
        if given.span not in wanted or given.origin is not Origin.DECLARED or given.span in found:
            continue
        if key in MORE or key in LESS:
            clause = MORE.get(key) or LESS[key]
            found[given.span] = Figure(clause, _owner(owner), given.value, given.span, key in MORE, _ease(owner, name))
    return tuple(found.values())


def _ease(owner: object, name: str) -> int:
    if isinstance(owner, (Policy, HotLevel)):
        return 0
    return 2 if isinstance(owner, Database) and (Database, name) in LESS else 1


def _owner(owner: object) -> str:
    if isinstance(owner, Link):
        return f"link {owner.name}"
    if isinstance(owner, Account):
        return f"region {owner.region}"
    if isinstance(owner, Standby):
        return f"the standby at `{owner.site}`"
    if isinstance(owner, HotLevel):
        return f"the log to {', '.join(f'`{store.value}`' for store in owner.stores)}"
    kind = "policy " if isinstance(owner, Policy) else ""
    return f"{kind}`{getattr(owner, 'name', '')}`"


def _givens(program: Program) -> Iterator[tuple[object, str, Given[Any]]]:
    for owner in _owners(program):
        for field in fields(owner):  # type: ignore[arg-type]
            value = getattr(owner, field.name)
            if isinstance(value, Given):
                yield owner, field.name, value


def _owners(program: Program) -> Iterator[object]:
    yield from program.links
    yield from program.stores
    yield from program.accounts
    for database in program.databases:
        yield database
        yield from database.standbys
    for policy in {id(one.policy): one.policy for one in program.protections}.values():
        yield policy
        yield from policy.hot


def schedules_at(program: Program, spans: Iterable[Span]) -> tuple[Schedule, ...]:
    """The schedules of images and copies that the files declare at `spans`."""
    wanted = frozenset(spans)
    policies = [one.policy for one in program.protections]
    schedules = [level.schedule for policy in policies for level in policy.images]
    schedules += [level.schedule for policy in policies for level in policy.cold]
    return tuple({one.span: one for one in schedules if one.span in wanted}.values())


def oftener(schedule: Schedule) -> tuple[tuple[str, Schedule], ...]:
    """`schedule` at shorter and shorter periods, as it would be written."""
    found = []
    for hours in HOURS:
        period = duration(hours, "h")
        if period >= schedule.period:
            continue
        window = schedule.window if schedule.window and schedule.window.value < period else None
        within = f" within {window.value}" if window else ""
        changed = Schedule(Cadence.EVERY, period, None, None, None, window, schedule.timezone, schedule.span)
        found.append((f"every {period}{within}", changed))
    return tuple(found)


def written(schedule: Schedule) -> str:
    """A schedule as it may be written."""
    minutes = schedule.at or 0
    at = f" at {minutes // 60:02}:{minutes % 60:02}"
    words = {
        Cadence.EVERY: f"every {schedule.period}",
        Cadence.HOURLY: "hourly",
        Cadence.DAILY: f"daily{at}",
        Cadence.WEEKLY: f"weekly on {WEEKDAYS[schedule.weekday or 0]}{at}",
        Cadence.MONTHLY: f"monthly on {schedule.day}{at}",
    }[schedule.cadence]
    return words + (f" within {schedule.window.value}" if schedule.window else "")


def changed(program: Program, span: Span, value: Quantity | Schedule) -> Program:
    """`program` with what the clause at `span` gives changed to `value`, wherever it came to."""
    made: Program = _replaced(program, span, value, {})
    return made


def _replaced(node: Any, span: Span, value: Quantity | Schedule, known: dict[int, Any]) -> Any:
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, Given) and node.span == span and not isinstance(value, Schedule):
        made: Any = replace(node, value=value)
    elif isinstance(node, Schedule) and isinstance(value, Schedule):
        made = value if node.span == span else node
    elif isinstance(node, tuple):
        parts = tuple(_replaced(one, span, value, known) for one in node)
        made = parts if any(new is not old for new, old in zip(parts, node, strict=True)) else node
    elif is_dataclass(node) and not isinstance(node, (Span, Duration, Rate, Size, Count, type)):
        new = {field.name: _replaced(getattr(node, field.name), span, value, known) for field in fields(node)}
        differ = {name: one for name, one in new.items() if one is not getattr(node, name)}
        made = replace(node, **differ) if differ else node
    else:
        made = node
    known[id(node)] = made
    return made
