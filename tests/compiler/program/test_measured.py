"""Measured figures in the place of declared ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.verdict import Verdict, analyse
from bkpc_compiler.planning.emit import emit
from bkpc_compiler.program.literal import literal
from bkpc_compiler.program.measured import measured
from bkpc_compiler.program.model import Given, Origin, Program, Scope
from bkpc_compiler.source import Span
from bkpc_grammar.plan import Plan
from bkpc_grammar.quantities import BITS, BYTES, SECONDS, Duration, Rate, Size, duration, rate, size
from tests.compiler import builders as build
from tests.compiler import shop
from tests.compiler.facts_made import as_declared, fact, facts
from tests.compiler.feasibility.test_monotone import programs
from tests.compiler.one_file import changed, check_with
from tests.soundness.estates import random_program


def put(program: Program, *made: dict[str, Any]) -> Program:
    found, unknown = measured(program, facts(*made))
    assert not unknown
    return found


def figure_of(program: Program, about: str, name: str, figure: str) -> Given[Any]:
    things: dict[str, Any] = {
        "link": {one.name: one for one in program.links},
        "store": {one.name: one for one in program.stores},
        "database": {one.name: one for one in program.databases},
        "standby": {one.name: one.standbys[0] for one in program.databases if one.standbys},
        "class": {one.storage_class.value.name: one.storage_class.value for one in program.stores if one.storage_class},
    }
    found: Given[Any] = getattr(things[about][name], figure)
    return found


@pytest.mark.parametrize(
    ("about", "name", "figure", "value", "is_now"),
    [
        ("database", "orders", "size", 3, Size(Fraction(3))),
        ("database", "orders", "writes", 3, Rate(Fraction(3))),
        ("database", "orders", "burst", 3, Size(Fraction(3))),
        ("database", "orders", "restores", 3, Rate(Fraction(3))),
        ("database", "orders", "replays", 3, Rate(Fraction(3))),
        ("database", "orders", "dumps", 3, Rate(Fraction(3))),
        ("store", "near", "reads", 3, Rate(Fraction(3))),
        ("store", "near", "writes", 3, Rate(Fraction(3))),
        ("link", "hangzhou -- beijing", "bandwidth", 3, Rate(Fraction(3))),
        ("link", "hangzhou -- beijing", "latency", 3, Duration(Fraction(3, 1000))),
        ("class", "made_up", "thaw", 3, Duration(Fraction(3, 1000))),
        ("standby", "orders", "provision", 3, Duration(Fraction(3, 1000))),
    ],
)
def test_each_figure_takes_its_place(about: str, name: str, figure: str, value: int, is_now: object) -> None:
    before = shop.payments()
    site = {"site": "beijing"} if about == "standby" else {}
    after = put(before, fact(about, name, figure, value, **site))
    old, new = figure_of(before, about, name, figure), figure_of(after, about, name, figure)
    assert (new.value, new.origin) == (is_now, Origin.MEASURED)
    (noted,) = after.measured
    assert noted.span == new.span
    if old is not None:  # a figure that nobody declared has the place of the thing's name
        assert new.span == old.span
        assert noted.declared == old.value
    assert replace(after, links=before.links, stores=before.stores, databases=before.databases, measured=()) == before


def test_what_is_about_nothing_is_given_back() -> None:
    made = [
        fact("database", "nobody", "size", 3),
        fact("store", "orders", "reads", 3),
        fact("link", "beijing -- nowhere", "latency", 3),
        fact("class", "archive", "thaw", 3),
        fact("standby", "orders", "provision", 3, site="hangzhou"),
    ]
    program, unknown = measured(shop.payments(), facts(*made))
    assert [one.name for one in unknown] == [one["name"] for one in made]
    assert program.measured == ()
    assert verdicts(program) == verdicts(shop.payments())


def test_a_default_that_was_measured_of_two_says_of_which() -> None:
    shared = Given(rate(50, "MiB"), Span("std/mysql.bkp", 10, 20), Origin.STANDARD)
    built = shop.payments()
    built = replace(built, databases=tuple(replace(one, dumps=shared) for one in built.databases))
    made = [fact("database", name, "dumps", number) for number, name in enumerate(("accounts", "config"), 1)]
    after = put(built, *made)
    places = [one.dumps.span for one in after.databases if one.dumps]
    assert len(set(places)) == 3
    assert {(one.file, one.start, one.end) for one in places} == {("std/mysql.bkp", 10, 20)}
    assert [one.declared for one in after.measured] == [None, None]


def verdicts(program: Program) -> list[Verdict]:
    return [one.verdict for one in analyse(program).answers]


def test_a_worse_figure_takes_a_proof_away_and_a_better_one_gives_it() -> None:
    built = shop.payments()
    assert set(verdicts(built)) == {Verdict.PROVED}
    slow = put(built, fact("database", "orders", "restores", 10 * 1024**2))
    times = [one for one in analyse(slow).answers if one.kind == "rto" and one.database.name == "orders"]
    assert {one.verdict for one in times if one.promise.scope is Scope.HOST} == {Verdict.REFUTED}
    large = put(built, fact("database", "orders", "size", 3 * 1024**4))
    assert set(verdicts(large)) != {Verdict.PROVED}
    declared_large = replace(
        built,
        databases=tuple(
            replace(one, size=build.given(size(3, "TiB"))) if one.name == "orders" else one for one in built.databases
        ),
    )
    assert set(verdicts(declared_large)) != {Verdict.PROVED}
    assert set(verdicts(put(declared_large, fact("database", "orders", "size", 300 * 1024**3)))) == {Verdict.PROVED}


def nowhere(span: Span) -> tuple[str, str]:
    return f"{span.file}:{span.start + 1}", "clause"


def without_provenance(plan: Plan) -> Plan:
    """All that runs, and all that is proved; not where its figures come from."""

    def plain(one: Any) -> Any:
        terms = {name: _of_nowhere(getattr(one, name)) for name in ("rpo_terms", "rto_terms")}
        assumptions = tuple(msgspec.structs.replace(x, origin="", measured=None) for x in one.assumptions)
        return msgspec.structs.replace(one, assumptions=assumptions, **terms)

    header = msgspec.structs.replace(plan.header, digest="", sources=())
    return msgspec.structs.replace(plan, header=header, objectives=tuple(map(plain, plan.objectives)))


def _of_nowhere(terms: Any) -> Any:
    return tuple(msgspec.structs.replace(one, origin="") for one in terms)


def assert_nothing_but_provenance(program: Program) -> None:
    document = as_declared(program)
    after, unknown = measured(program, document)
    assert not unknown
    assert len(after.measured) == len(document.facts) > 0
    before, now = analyse(program), analyse(after)
    assert [one.verdict for one in now.answers] == [one.verdict for one in before.answers]
    plans = [without_provenance(emit(one, "test", nowhere)) for one in (before, now)]
    assert plans[0] == plans[1]
    origins = {x.origin for one in emit(now, "test", nowhere).objectives for x in one.assumptions if x.measured}
    assert origins <= {"measured"}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(built=programs())
def test_what_is_measured_as_declared_changes_nothing_but_provenance(built: Program) -> None:
    assert_nothing_but_provenance(built)


@pytest.mark.parametrize("seed", range(60))
def test_the_same_on_estates_of_every_shape(seed: int) -> None:
    assert_nothing_but_provenance(random_program(Random(seed)))  # noqa: S311 - a simulation


AMOUNTS = st.integers(min_value=1, max_value=10**15)
UNITS_OF_SIZE = st.sampled_from([size(1, unit) for unit in BYTES])
UNITS_OF_RATE = st.sampled_from([rate(1, unit, per) for unit in (*BYTES, *BITS) for per in ("s", "min", "h", "d")])


def read(text: str) -> Fraction:
    """The amount of a literal, read by itself."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/")
    unit, _, per = text[len(number) :].partition("/")
    scale = BYTES.get(unit) or BITS[unit]
    return Fraction(number) * scale / (SECONDS[per] if per else 1)


@settings(max_examples=300, deadline=None)
@given(amount=AMOUNTS, like=UNITS_OF_SIZE | UNITS_OF_RATE, up=st.booleans())
def test_a_literal_is_never_better_than_what_was_measured(amount: int, like: Size | Rate, up: bool) -> None:
    figure = type(like)(Fraction(amount))
    text = literal(figure, like, up=up)
    there = read(text)
    assert there >= figure.amount if up else there <= figure.amount
    if like.amount <= figure.amount:  # else the unit may be too coarse for it
        assert abs(there - figure.amount) <= figure.amount / 10


@pytest.mark.parametrize(
    ("figure", "like", "up", "text"),
    [
        (size(1610612737), size(1, "GiB"), True, "1.51GiB"),
        (size(1610612736), size(1, "GiB"), True, "1.5GiB"),
        (size(900, "MiB"), size(1, "GiB"), True, "900MiB"),
        (size(1999, "GiB"), size(2, "TB"), True, "2.15TB"),
        (rate(61_999_999), rate(1, "Gbit"), False, "495Mbit/s"),
        (rate(61_999_999), rate(200, "MiB"), False, "59.1MiB/s"),
        (rate(300_000), rate(1, "GiB", "h"), True, "1.01GiB/h"),
        (duration(1900), duration(20, "min"), True, "32min"),
        (duration("0.0331"), duration(30, "ms"), True, "34ms"),
    ],
)
def test_a_literal_is_short_and_in_the_authors_units(
    figure: Size | Rate | Duration, like: Size | Rate | Duration, up: bool, text: str
) -> None:
    assert literal(figure, like, up=up) == text


def test_what_is_written_instead_is_what_was_measured() -> None:
    """The edit of BKP7003, applied, leaves nothing to tell."""
    made = [fact("database", "shop", "size", 2 * 1024**3 + 1), fact("link", "here -- there", "bandwidth", 20_000_001)]
    text = changed(("size 1GiB", "size one"), ("edition 1\n", "edition 1\nlet one = 1GiB\n"))
    found = check_with(text, *made).diagnostics
    assert [one.code for one in found] == ["BKP7003", "BKP7003"]
    for one in reversed(found):
        assert one.edit is not None
        text = text[: one.edit.span.start] + one.edit.text + text[one.edit.span.end :]
    assert "size 2.01GiB" in text
    assert "bandwidth 160Mbit/s" in text
    assert check_with(text, *made).diagnostics == ()
