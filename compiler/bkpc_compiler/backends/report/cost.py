"""What the storage costs a month, as the page shows it: rounded up, what is not known said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

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
class Sum:
    """What several lines store and cost a month together, log requests included."""

    name: str
    databases: int
    stored: int  # bytes
    hundredths: int | None  # None: of one of them no price is known
    month: str


@dataclass(frozen=True, slots=True)
class Bill:
    """All of it, and what it adds up to: in all, of each class, of the stores of each site, of each database."""

    lines: tuple[Line, ...]
    whole: Sum
    by_class: tuple[Sum, ...]
    by_site: tuple[Sum, ...]
    by_database: tuple[Sum, ...]
    sources: tuple[str, ...]
    growing: bool
    """Whether something is never deleted: then what is stored is what a month adds."""


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
    site_of = {one.name: one.site for one in plan.estate.stores}
    used = {(one.price.name, one.price.redundancy): one.price for one in costs if one.price}
    sources = [f"{name}, {kind}: {one.source}, {one.read_on}" for (name, kind), one in sorted(used.items())]
    return Bill(
        tuple(told),
        _sum("in all", costs, prices.currency),
        _sums(costs, lambda one: f"{one.storage_class}, {one.redundancy}", prices.currency),
        _sums(costs, lambda one: site_of[one.store], prices.currency),
        _sums(costs, lambda one: one.database, prices.currency),
        tuple(sources),
        any(one.images is None for one in costs),
    )


def _sums(costs: Iterable[Cost], of: Callable[[Cost], str], currency: str) -> tuple[Sum, ...]:
    """The dearest first; before them those of which a price is not known."""
    found: dict[str, list[Cost]] = {}
    for one in costs:
        found.setdefault(of(one), []).append(one)
    told = (_sum(name, its, currency) for name, its in found.items())
    return tuple(sorted(told, key=lambda one: (one.hundredths is not None, -(one.hundredths or 0), one.name)))


def _sum(name: str, costs: Sequence[Cost], currency: str) -> Sum:
    total = _total(costs)
    stored = ceil(sum((one.stored for one in costs), start=Fraction(0)))
    return Sum(name, len({one.database for one in costs}), stored, total, _told(total, currency))


def money(value: Fraction | None, currency: str) -> str:
    """To the hundredth, rounded up."""
    return _told(None if value is None else _hundredths(value), currency)


def _hundredths(value: Fraction) -> int:
    return -(-value.numerator * 100 // value.denominator)


def _total(costs: Sequence[Cost]) -> int | None:
    """What is printed adds up to it; None where a price is not known."""
    total = 0
    for one in costs:
        if one.storage is None or one.requests is None:
            return None
        total += _hundredths(one.storage) + _hundredths(one.requests)
    return total


def _told(hundredths: int | None, currency: str) -> str:
    return _UNKNOWN if hundredths is None else f"{currency} {hundredths // 100:,}.{hundredths % 100:02}"
