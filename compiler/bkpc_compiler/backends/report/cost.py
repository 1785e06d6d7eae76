"""What the storage costs a month, as the page shows it: rounded up, what is not known said."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.cost.monthly import Cost, costs_of
from bkpc_compiler.cost.prices import Prices
from bkpc_grammar.plan import Plan

_UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Line:
    """One database in one store."""

    cost: Cost
    storage: str
    requests: str
    recovery: str


@dataclass(frozen=True, slots=True)
class Bill:
    """All of it, and what each database costs a month."""

    lines: tuple[Line, ...]
    totals: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]


def bill_of(plan: Plan, prices: Prices) -> Bill:
    """Empty where nothing is kept in OSS."""
    costs = costs_of(plan, prices)
    told = [
        Line(
            one,
            money(one.storage, prices.currency),
            money(one.requests, prices.currency),
            money(one.recovery, prices.currency),
        )
        for one in costs
    ]
    of: dict[str, list[Cost]] = {}
    for one in costs:
        of.setdefault(one.database, []).append(one)
    totals = [(name, _told(_total(its), prices.currency)) for name, its in of.items()]
    used = {(one.price.name, one.price.redundancy): one.price for one in costs if one.price}
    sources = [f"{name}, {kind}: {one.source}, {one.read_on}" for (name, kind), one in sorted(used.items())]
    return Bill(tuple(told), tuple(totals), tuple(sources))


def money(value: Fraction | None, currency: str) -> str:
    """To the hundredth, rounded up."""
    return _told(None if value is None else _hundredths(value), currency)


def _hundredths(value: Fraction) -> int:
    return -(-value.numerator * 100 // value.denominator)


def _total(costs: list[Cost]) -> int | None:
    """What is printed adds up to it; None where a price is not known."""
    total = 0
    for one in costs:
        if one.storage is None or one.requests is None:
            return None
        total += _hundredths(one.storage) + _hundredths(one.requests)
    return total


def _told(hundredths: int | None, currency: str) -> str:
    return _UNKNOWN if hundredths is None else f"{currency} {hundredths // 100:,}.{hundredths % 100:02}"
