"""Looking ahead: sizes exact, the first month really the first, nothing that grows not at all ever broken."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.growth import Outlook, grown, grown_size, look_ahead
from bkpc_compiler.feasibility.verdict import Answer, Verdict, analyse
from bkpc_compiler.program.model import Program
from bkpc_grammar.quantities import Size, size
from tests.compiler import builders as build
from tests.compiler import shop
from tests.compiler.feasibility.test_monotone import programs

GROWTHS = st.sampled_from([Fraction(1, 100), Fraction(3, 100), Fraction(1, 8), Fraction(2, 5)])


def growing(program: Program, *growths: Fraction) -> Program:
    """`program` with each database growing by its part a month; the last goes on for the rest."""
    every = [*growths, *[growths[-1]] * len(program.databases)]
    databases = (replace(one, grows=build.given(rate)) for one, rate in zip(program.databases, every, strict=False))
    return replace(program, databases=tuple(databases))


def by_hand(program: Program, months: int) -> Program:
    """The sizes of a month worked out step by step in whole numbers."""
    databases = []
    for one in program.databases:
        top, bottom = one.size.value.amount.numerator, one.size.value.amount.denominator
        for _ in range(months if one.grows else 0):
            assert one.grows
            top *= one.grows.value.numerator + one.grows.value.denominator
            bottom *= one.grows.value.denominator
        if months and one.grows and one.grows.value:
            top, bottom = -(-top // bottom), 1
        databases.append(replace(one, size=replace(one.size, value=Size(Fraction(top, bottom)))))
    return replace(program, databases=tuple(databases))


@pytest.mark.parametrize(
    ("months", "bytes_"),
    [(0, 1000), (1, 1030), (2, 1061), (3, 1093), (12, 1426)],  # 1060.9, 1092.727, 1425.76…
)
def test_growth_is_compounded_exactly_and_rounded_up_once(months: int, bytes_: int) -> None:
    database = replace(build.database("one", "here", holds=size(1000)), grows=build.given(Fraction(3, 100)))
    assert grown_size(database, months).amount == bytes_


def test_without_growth_a_size_stays_as_it_is_written() -> None:
    database = build.database("one", "here", holds=size("1.5", "GiB"))
    assert str(grown_size(database, 120)) == "1.5GiB"
    assert str(grown_size(replace(database, grows=build.given(Fraction(0))), 120)) == "1.5GiB"


def test_only_sizes_grow_and_every_clause_keeps_its_place() -> None:
    before = growing(shop.payments(), Fraction(1, 50))
    after = grown(before, 7)
    alike = tuple(replace(new, size=old.size) for new, old in zip(after.databases, before.databases, strict=True))
    assert replace(after, databases=alike) == before
    assert [one.size.span for one in after.databases] == [one.size.span for one in before.databases]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(built=programs(), months=st.integers(min_value=1, max_value=120))
def test_growing_by_nothing_never_breaks_a_promise(built: Program, months: int) -> None:
    for program in (built, growing(built, Fraction(0))):
        assert look_ahead(analyse(program), months).broken == ()


def verdicts(program: Program) -> list[Verdict]:
    return [one.verdict for one in analyse(program).answers]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(built=programs(), first=GROWTHS, second=GROWTHS, months=st.integers(min_value=1, max_value=14))
def test_the_first_month_is_the_first(built: Program, first: Fraction, second: Fraction, months: int) -> None:
    """Every month up to it is judged again on a program whose sizes were worked out another way."""
    program = growing(built, first, second)
    outlook = look_ahead(analyse(program), months)
    broken = {one.place: one for one in outlook.broken}
    judged = [verdicts(by_hand(program, month)) for month in range(months + 1)]
    for place, today in enumerate(judged[0]):
        told = broken[place].month.number if place in broken else None
        lost = [month for month, found in enumerate(judged) if found[place] is not Verdict.PROVED]
        assert told == (lost[0] if lost and today is Verdict.PROVED else None)
        if told is not None:
            assert judged[told - 1][place] is Verdict.PROVED
            assert broken[place].then.verdict is judged[told][place]


def site_of_orders(outlook: Outlook) -> Answer:
    (found,) = [
        one.then
        for one in outlook.broken
        if (one.today.database.name, one.today.promise.scope.value, one.today.kind) == ("orders", "site", "rto")
    ]
    return found


def test_the_shop_is_outgrown_in_the_month_that_a_hand_finds() -> None:
    program = growing(shop.payments(), Fraction(1, 10))
    outlook = look_ahead(analyse(program), 24)
    then = site_of_orders(outlook)
    (broken,) = [one for one in outlook.broken if one.then is then]
    number = broken.month.number
    assert 1 < number < 24
    assert broken.month.sizes["orders"].amount == -(-(300 * 1024**3 * 11**number) // 10**number)
    before, after = (analyse(by_hand(program, month)).answers[broken.place] for month in (number - 1, number))
    assert (before.verdict, after.verdict) == (Verdict.PROVED, then.verdict)
    assert before.most is not None
    assert then.most is not None
    assert before.most <= then.objective.value < then.most


def test_it_stops_when_nothing_is_left_to_break_unless_all_is_asked_for() -> None:
    program = growing(shop.payments(), Fraction(1))
    protections = tuple(
        replace(one, policy=replace(one.policy, promises=tuple(replace(x, rpo=None) for x in one.policy.promises)))
        for one in program.protections
    )
    analysis = analyse(replace(program, protections=protections))
    short, whole = look_ahead(analysis, 120), look_ahead(analysis, 24, whole=True)
    last = max(one.month.number for one in short.broken)
    assert len(short.broken) == len(short.proved) == len(analysis.answers)
    assert len(short.months) == last + 1 < 25
    assert [one.number for one in whole.months] == list(range(25))
    assert [(one.place, one.month.number) for one in whole.broken] == [
        (one.place, one.month.number) for one in short.broken
    ]


def test_what_is_not_proved_today_is_not_looked_at() -> None:
    outlook = look_ahead(analyse(growing(shop.broken(), Fraction(1, 10))), 120)
    assert outlook.proved == ()
    assert (len(outlook.months), outlook.broken) == (1, ())


def test_the_bound_of_each_month_is_that_of_its_program() -> None:
    program = growing(shop.payments(), Fraction(1, 20))
    outlook = look_ahead(analyse(program), 6, whole=True)
    for month in outlook.months:
        expected = [one.most for one in analyse(by_hand(program, month.number)).answers]
        assert list(month.bounds) == expected
