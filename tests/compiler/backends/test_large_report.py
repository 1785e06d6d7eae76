"""The report of an estate that is too large to tell everything of everyone."""

from __future__ import annotations

import re
from functools import cache

import msgspec
import pytest
from bench.large_estate import estate

from bkpc_compiler.backends.procedure import procedures_of
from bkpc_compiler.backends.report import large, report_html
from bkpc_compiler.backends.report.cost import bill_of
from bkpc_compiler.backends.report.databases import databases_of
from bkpc_compiler.backends.report.day import loads_of
from bkpc_compiler.backends.report.promises import Promise, promises_of
from bkpc_compiler.cost.prices import standard_prices
from bkpc_compiler.main import VERSION
from bkpc_compiler.passes import compile_sources
from bkpc_grammar.plan import Plan
from tests.compiler.backends.html_page import assert_sound
from tests.compiler.backends.made import made_plan

FEW, MORE = 60, 120
MOST_BYTES = 1100
"""What a database more may add to the page: ten thousand of them, 11 MB."""


@cache
def planned(number: int) -> Plan:
    plan, _ = compile_sources(["estate.bkp"], lambda _: estate(number), VERSION)
    assert plan is not None
    return plan


def promise(database: str, bound: int | None, promised: int = 100, scope: str = "site") -> Promise:
    return Promise(database, scope, "rto", promised, bound, None, 1_000_000, ())


def test_it_is_a_sound_page_that_has_every_database() -> None:
    page = report_html(planned(FEW))
    root = assert_sound(page)
    text = root.text
    (section,) = [one for one in root.all("section") if one.attributes.get("id") == "databases"]
    names = [one.text for one in section.all("th") if one.attributes["scope"] == "row"]
    assert names == [f"db{number}" for number in range(FEW)]
    assert f"{FEW} databases, 50 stores, {6 * FEW} objectives: all proved." in " ".join(text.split())


def test_a_database_more_adds_a_line() -> None:
    few, more = (len(report_html(planned(number)).encode()) for number in (FEW, MORE))
    assert (more - few) / (MORE - FEW) < MOST_BYTES


def test_the_same_bytes_twice() -> None:
    assert report_html(planned(FEW)) == report_html(planned(FEW))


def test_a_small_estate_is_told_whole() -> None:
    assert len(promises_of(made_plan())) <= large.MANY
    assert "The most endangered of each" not in report_html(made_plan())


def test_what_is_alike_is_told_once_and_the_most_endangered_first() -> None:
    made = [promise("safe", 10), promise("near", 99), promise("late", 101), promise("never", None)]
    (group,) = large.alike(made)
    assert [one.database for one in group.promises] == ["never", "late", "near", "safe"]
    assert group.proved == 2
    other = [promise("other", 50, 200), promise("host", 100, scope="host")]
    assert [one.title for one in large.alike([*made, *other])] == [
        "site: time to recover at most 100ms",
        "host: time to recover at most 100ms",
        "site: time to recover at most 200ms",
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [(0, ""), (1, "a"), (5, "a, b, c, d and e"), (6, "a, b, c, d, e and 1 more")],
)
def test_a_few_names(names: int, told: str) -> None:
    assert large.few(list("abcdef")[:names]) == told


def test_of_many_steps_those_that_decide_are_told() -> None:
    longest = large.longest(planned(MORE).recoveries)
    assert len(longest) == 3 * large.CHARTS
    assert longest[0].expect_ms == max(one.expect_ms for one in planned(MORE).recoveries)
    for procedure in procedures_of(planned(MORE), longest):
        steps = large.deciding(procedure)
        assert len(steps.shown) + steps.more == len(procedure.phases)
        assert len([one for one in steps.shown if one.critical]) == min(
            large.STEPS, len([one for one in procedure.phases if one.critical])
        )


def test_the_peak_is_the_most_of_all_stretches() -> None:
    for load in loads_of(planned(FEW)):
        assert load.peak == max(load.reserved(one) for one in load.stretches)


def test_a_row_tells_of_every_failure_what_is_lost_and_when_it_is_back() -> None:
    made = [
        promise("db10", 10),
        promise("db2", None, scope="host"),
        promise("db2", 90),
        promise("db2", 101, scope="region"),
    ]
    found = databases_of(made_plan(), made, {"db2": "CNY 1.00"})
    (rows,) = found.parts
    assert found.failures == ("Host lost", "Site lost", "Region lost")
    assert [(one.name, one.after, one.proved, one.month) for one in rows] == [
        ("db2", ("– / no bound (not proved)", "– / 90ms", "– / 101ms (not proved)"), False, "CNY 1.00"),
        ("db10", ("–", "– / 10ms", "–"), True, "–"),
    ]


def test_what_all_databases_cost_adds_up() -> None:
    bill = bill_of(planned(FEW), standard_prices())
    whole = bill.whole.hundredths
    assert whole is not None
    for sums in (bill.by_class, bill.by_site, bill.by_database):
        assert sum(one.hundredths or 0 for one in sums) == whole
        assert [one.hundredths for one in sums] == sorted((one.hundredths or 0 for one in sums), reverse=True)
    assert len(bill.by_database) == FEW == bill.whole.databases
    text = assert_sound(report_html(planned(FEW))).text
    assert f"In all {bill.whole.month} a month" in text
    assert all(one.month in text for one in bill.by_database)


def test_steps_are_called_what_they_are() -> None:
    plan = planned(7 * 50)
    page = " ".join(assert_sound(report_html(plan)).text.split())
    assert "1 ● Notice the failure +0s" in page
    assert "2 ● Decide, and gather the people" in page
    assert "3 ● Make 7 empty servers ready" in page


def test_what_is_hostile_stays_text() -> None:
    evil = "<script>alert(1)</script>"
    plan = planned(FEW)
    objectives = tuple(msgspec.structs.replace(one, database=evil) for one in plan.objectives)
    page = report_html(msgspec.structs.replace(plan, objectives=objectives))
    assert_sound(page)
    assert page.count("<script") == 1


def test_origins_are_said_in_words() -> None:
    text = assert_sound(report_html(planned(FEW))).text
    assert "assumed by std" in text
    assert not re.search(r"\bstd\b(?!/)", text.replace("assumed by std", ""))
