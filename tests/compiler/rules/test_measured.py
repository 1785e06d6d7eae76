"""What is told of measured figures: how far off, how old, about nothing; and wherever their declaration is shown."""

from __future__ import annotations

from datetime import date

import pytest

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Severity
from bkpc_grammar.facts import FactsRejected
from tests.compiler.facts_made import fact
from tests.compiler.one_file import SMALL, changed, check_with

GIB = 1024**3
TODAY = date(2026, 11, 24)


def size(value: int, **others: object) -> dict[str, object]:
    return fact("database", "shop", "size", value, **others)


def underlined(one: Diagnostic, text: str = SMALL) -> str:
    return text[one.primary.span.start : one.primary.span.end]


@pytest.mark.parametrize("value", [GIB, GIB + GIB // 5, GIB - GIB // 5])
def test_within_the_tolerance_nothing_is_told(value: int) -> None:
    assert check_with(SMALL, size(value)).diagnostics == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (GIB + GIB // 5 + 1, "worse by 20%"),
        (GIB - GIB // 5 - 1, "better by 20%"),
        (15 * GIB, "worse, 15 times as much"),
    ],
)
def test_beyond_it_the_declaration_is_underlined(value: int, says: str) -> None:
    (found,) = check_with(SMALL, size(value)).diagnostics
    assert (found.code, found.severity, underlined(found)) == ("BKP7003", Severity.WARNING, "size 1GiB")
    assert found.message.endswith(says)
    assert found.primary.text == "2026-11-20: full backup"


def test_the_document_says_what_is_tolerated() -> None:
    assert check_with(SMALL, size(2 * GIB), tolerance_percent=100).diagnostics == ()
    (found,) = check_with(SMALL, size(GIB + 1), tolerance_percent=0).diagnostics
    assert "up to 0% off is not told" in found.notes[0]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (fact("link", "here -- there", "bandwidth", 60_000_000), "1Gbit/s, but 480Mbit/s was measured: worse by 52%"),
        (fact("database", "shop", "writes", 10**6), "100MiB/h, but 3.36GiB/h was measured: worse, 34 times as much"),
        (fact("database", "shop", "writes", 0), "100MiB/h, but 0B/h was measured: better by 100%"),
    ],
)
def test_figures_are_told_in_the_authors_units(made: dict[str, object], says: str) -> None:
    found = [one for one in check_with(SMALL, made).diagnostics if one.code == "BKP7003"]
    assert [one.message.partition(" is declared as ")[2] for one in found] == [says]


def test_a_rate_of_nothing_is_not_proposed_where_none_can_be_declared() -> None:
    text = SMALL.replace("writes ", "changes 1MiB/h  writes ", 1)
    (found,) = (
        one for one in check_with(text, fact("database", "shop", "changes", 0)).diagnostics if one.code == "BKP7003"
    )
    assert found.edit is None
    assert "above nothing" in (found.help or "")


def test_what_nobody_declared_is_not_compared() -> None:
    made = [
        fact("database", "shop", "restores", 1_000_000_000),
        fact("store", "disk", "reads", 1_000_000_000),
        fact("link", "here -- there", "latency", 1),
    ]
    checked = check_with(SMALL, *made)
    assert checked.diagnostics == ()
    assert checked.program is not None
    assert len(checked.program.measured) == 3


def test_a_declared_nothing_is_exceeded_by_anything() -> None:
    text = changed(("writes 100MiB/h", "writes 0B/s burst 0B"))
    (found,) = check_with(text, fact("database", "shop", "burst", 1)).diagnostics
    assert found.message == "`burst` of `shop` is declared as 0B, but 1B was measured: worse by 1B"


@pytest.mark.parametrize(("day", "told"), [("2026-08-26", False), ("2026-08-25", True), ("2026-11-25", False)])
def test_what_is_too_old_is_told_where_today_is_known(day: str, told: bool) -> None:
    made = size(GIB, measured_at=day)
    assert [one.code for one in check_with(SMALL, made, today=TODAY).diagnostics] == ["BKP7004"] * told
    assert check_with(SMALL, made).diagnostics == ()


@pytest.mark.parametrize(("day", "ahead"), [("2026-11-26", 2), ("2027-11-20", 361)])
def test_what_is_of_a_day_to_come_is_told_where_today_is_known(day: str, ahead: int) -> None:
    made = size(GIB, measured_at=day)
    (found,) = check_with(SMALL, made, today=TODAY).diagnostics
    assert (found.code, found.severity, underlined(found)) == ("BKP7006", Severity.WARNING, "size 1GiB")
    assert found.message.endswith(f"on {day}, {ahead} days after 2026-11-24")
    assert check_with(SMALL, made).diagnostics == ()


@pytest.mark.parametrize("name", ["here -- there", "there -- here"])
def test_a_link_that_leads_both_ways_is_told_from_either_end(name: str) -> None:
    checked = check_with(SMALL, fact("link", name, "bandwidth", 125_000_000))
    assert checked.diagnostics == ()
    assert checked.program is not None
    assert [one.name for one in checked.program.measured] == ["here -- there"]


def test_a_link_told_from_both_ends_is_told_twice() -> None:
    with pytest.raises(FactsRejected, match=r"same link as `\$\.facts\[0\]` - at `\$\.facts\[1\]`"):
        check_with(SMALL, *(fact("link", name, "latency", 9) for name in ("here -- there", "there -- here")))


def test_the_document_says_how_old_is_too_old() -> None:
    made = size(GIB, measured_at="2026-11-22")
    (found,) = check_with(SMALL, made, today=TODAY, oldest_days=1).diagnostics
    assert found.message == "`size` of `shop` was measured 2 days ago, and counts for at most 1"
    assert underlined(found) == "size 1GiB"
    assert check_with(SMALL, made, today=TODAY, oldest_days=2).diagnostics == ()


@pytest.mark.parametrize(
    ("made", "what", "helps"),
    [
        (
            fact("database", "shopp", "size", GIB),
            "`size` of `shopp`",
            "a database with a similar name: `shop`",
        ),
        (fact("store", "shop", "reads", 9), "`reads` of `shop`", None),
        (fact("link", "there -> here", "latency", 9), "`latency` of link `there -> here`", "`here -- there`"),
        (fact("class", "standard", "thaw", 9), "`thaw` of class `standard`", None),
        (fact("standby", "shop", "provision", 9, site="there"), "`provision` of `shop` at standby `there`", None),
    ],
)
def test_what_is_about_nothing_is_told_with_its_name(made: dict[str, object], what: str, helps: str | None) -> None:
    (found,) = check_with(SMALL, made).diagnostics
    assert (found.code, found.severity) == ("BKP1011", Severity.WARNING)
    assert found.message == f"facts.json tells {what}, which no source declares"
    assert found.help == helps if helps is None else helps in (found.help or "")


def test_what_an_account_may_move_in_a_region() -> None:
    text = SMALL + 'region "cn-hangzhou" { reads 1Gbit/s }\n'
    made = [fact("region", "cn-hangzhou", figure, 60_000_000) for figure in ("reads", "writes")]
    unknown, otherwise = sorted(check_with(text, *made).diagnostics, key=lambda one: one.code)
    assert unknown.message == "facts.json tells `writes` of region `cn-hangzhou`, which no source declares"
    assert otherwise.message.startswith("`reads` of region `cn-hangzhou` is declared as 1Gbit/s, but 480Mbit/s was")
    assert text[otherwise.primary.span.start : otherwise.primary.span.end] == "reads 1Gbit/s"


def test_a_broken_promise_shows_what_was_measured_of_what_it_underlines() -> None:
    made = [size(200 * GIB, measured_at="2026-11-19"), fact("database", "shop", "restores", 90_000_000)]
    found = {one.code: one for one in check_with(SMALL, *made).diagnostics}
    labels = [(SMALL[one.span.start : one.span.end], one.text) for one in found["BKP3001"].secondary]
    told = [text for _, text in labels]
    assert any(text.endswith("(measured 200GiB, 2026-11-19)") for place, text in labels if place == "size 1GiB")
    assert any("loading into `shop`" in text and text.endswith("(measured 90MB/s, 2026-11-20)") for text in told)
    declared = check_with(changed(("size 1GiB", "size 200GiB")))
    assert "measured" not in str(declared.diagnostics)


def test_two_databases_with_one_default_are_told_apart() -> None:
    text = SMALL.replace("protect shop with", "protect shop, other with")
    text += 'database other at here { mysql "o" credentials env A, B size 200GiB writes 1MiB/h }\n'
    checked = check_with(text, fact("database", "shop", "restores", 50 * 1024**2 + 1))
    found = [one for one in checked.diagnostics if one.code.startswith("BKP3") and "`other`" in one.message]
    assert found
    assert "measured" not in str(found)
