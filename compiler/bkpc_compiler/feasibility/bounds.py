"""Bounds: sums of terms that know where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

from bkpc_compiler.once import once
from bkpc_compiler.program.model import Given, Origin
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Duration
from bkpc_grammar.rounding import summed

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.working import Working


@dataclass(frozen=True, slots=True)
class Term:
    """One summand. `label`: what the time is spent on; `spans`: the clauses that cost it.

    `working`: what it was worked out from; None where the clauses say it all.
    """

    label: str
    duration: Duration
    spans: tuple[Span, ...] = ()
    origin: Origin = Origin.DECLARED
    working: Working | None = field(default=None, compare=False, repr=False)


class Bound(Struct, frozen=True, dict=True):
    """A duration with its derivation."""

    terms: tuple[Term, ...]

    @once
    def total(self) -> Duration:
        return Duration(sum_of(term.duration.amount for term in self.terms))

    def plus(self, *terms: Term) -> Bound:
        return Bound(self.terms + terms)

    def called(self, prefix: str) -> Bound:
        """The same, `prefix` before the label of every term."""
        return Bound(tuple(replace(one, label=prefix + one.label) for one in self.terms))


def sum_of(amounts: Iterable[Fraction]) -> Fraction:
    """Their sum; whole ones, which most are, are added as the integers they are."""
    whole, broken = 0, None
    for one in amounts:
        if one.denominator == 1:
            whole += one.numerator
        else:
            broken = one if broken is None else broken + one
    return Fraction(whole) if broken is None else broken + whole if whole else broken


def told_of(bound: Bound, promised: Duration, *, up: bool) -> tuple[str, tuple[str, ...]]:
    """The total and the terms for people: as printed, they add up, and stand to what is promised as they do."""
    return summed([one.duration.amount for one in bound.terms], promised.amount, up=up)


def given_term(label: str, given: Given[Duration] | None) -> tuple[Term, ...]:
    """The term of a declared duration; none where nothing is declared."""
    return (Term(label, given.value, (given.span,), given.origin),) if given else ()


def seconds(amount: Fraction) -> Duration:
    """A computed duration, without an author's unit."""
    return Duration(amount)
