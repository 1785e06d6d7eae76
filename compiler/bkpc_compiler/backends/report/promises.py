"""Each promise with its verdict, its margin, and the terms its bound is made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import element, percent
from bkpc_grammar.plan import Objective, Plan, Term
from bkpc_grammar.rounding import summed, told_down, told_up
from bkpc_grammar.shares import for_share

_BESIDE = 30
"""Part of what is promised that a bar shows behind its line."""
_PLANNED = 5
"""Percent of a loss promised, below which the margin is the planner's: it reserves the least rate that keeps it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One term of a bound, and its bar in the waterfall."""

    term: Term
    told: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class Promise:
    """One objective of one database, with one of its two figures."""

    database: str
    scope: str
    kind: str  # "rpo" | "rto"
    promised_ms: int
    bound_ms: int | None
    least_ms: int | None
    millionths: int
    terms: tuple[Term, ...]

    @property
    def verdict(self) -> str:
        return "PROVED" if self.bound_ms is not None and self.bound_ms <= self.promised_ms else "UNDECIDED"

    @property
    def what(self) -> str:
        return words.OBJECTIVES[self.kind]

    @property
    def anchor(self) -> str:
        return f"{self.kind}-{self.database}-{self.scope}"

    @property
    def quantile(self) -> str:
        """For which part of all failures it is promised; empty: for all."""
        return for_share(self.millionths).lstrip()

    @property
    def margin(self) -> int:
        """What is left of the promise, in percent, rounded down."""
        if self.bound_ms is None or self.promised_ms == 0:
            return 0
        return max(0, 100 * (self.promised_ms - self.bound_ms) // self.promised_ms)

    @property
    def bar(self) -> Markup:
        """The margin, as a bar."""
        return element(
            "svg",
            element("rect", width="100%", height="10", rx="2", class_="track"),
            element("rect", width=percent(self.margin, 100), height="10", rx="2", class_="used"),
            width="100%",
            height="10",
            class_="bar",
            aria_hidden="true",
        )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The waterfall: each bar begins where the one before ends; the line is what is promised."""
        # A little more than what is promised, so that its line is seen.
        whole = max(self.promised_ms + self.promised_ms // _BESIDE, sum(term.takes_ms for term in self.terms))
        done, found = 0, []
        for term, told in zip(self.terms, self._summed[1], strict=True):
            found.append(Stage(term, told, _waterfall_bar(done, term.takes_ms, self.promised_ms, whole)))
            done += term.takes_ms
        return tuple(found)

    @property
    def whole(self) -> str:
        """What the terms add up to, as they are printed."""
        return self._summed[0]

    @property
    def _summed(self) -> tuple[str, tuple[str, ...]]:
        return summed([_seconds(term.takes_ms) for term in self.terms], _seconds(self.promised_ms), up=True)

    @property
    def most(self) -> str:
        """The bound, never rounded beyond the promise that it keeps."""
        return "" if self.bound_ms is None else told_up(_seconds(self.bound_ms), _seconds(self.promised_ms))

    @property
    def least(self) -> str:
        """What no schedule betters, rounded down; empty where nothing is known."""
        return "" if self.least_ms is None else told_down(_seconds(self.least_ms), _seconds(self.promised_ms))

    @property
    def just_met(self) -> bool:
        """Whether the plan reserves what it takes to keep it, and no more: what is left says nothing."""
        planned = any("at the reserved rate" in term.what for term in self.terms)
        return self.kind == "rpo" and planned and self.margin < _PLANNED


def _seconds(milliseconds: int) -> Fraction:
    return Fraction(milliseconds, 1000)


def promises_of(plan: Plan) -> tuple[Promise, ...]:
    """All of a plan, by database and scope."""
    return tuple(promise for objective in plan.objectives for promise in _both(objective))


def _both(one: Objective) -> tuple[Promise, ...]:
    found = []
    if one.rpo_ms is not None:
        found.append(
            Promise(
                one.database, one.scope, "rpo", one.rpo_ms,
                one.rpo_proved_ms, one.rpo_least_ms, one.rpo_millionths, one.rpo_terms,
            )
        )  # fmt: skip
    if one.rto_ms is not None:
        found.append(
            Promise(
                one.database, one.scope, "rto", one.rto_ms,
                one.rto_proved_ms, one.rto_least_ms, one.rto_millionths, one.rto_terms,
            )
        )  # fmt: skip
    return tuple(found)


def _waterfall_bar(done: int, takes: int, promised: int, whole: int) -> Markup:
    at = percent(promised, whole)
    return element(
        "svg",
        element("rect", width="100%", height="16", class_="track"),
        element("rect", x=percent(done, whole), width=percent(takes, whole), height="16", class_="used least-width"),
        element("line", x1=at, x2=at, y1="0", y2="16", class_="promised"),
        width="100%",
        height="16",
        class_="bar",
        aria_hidden="true",
    )
