"""A promise that is outgrown: when, by what, and where it is told."""

from __future__ import annotations

from datetime import date

import pytest

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Severity
from bkpc_compiler.passes import Checked, looked_ahead
from bkpc_compiler.rules.outgrown import calendar_month
from tests.compiler.facts_made import fact
from tests.compiler.one_file import changed, check, check_with

TEXT = changed(("size 1GiB", "size 20GiB grows 10%/month starts 0s table 0s"))


def outgrown(checked: Checked) -> tuple[Diagnostic, ...]:
    return tuple(one for one in checked.diagnostics if one.code == "BKP7005")


def test_the_promise_is_underlined_with_both_bounds() -> None:
    (found,) = outgrown(looked_ahead(check(TEXT), 24))
    assert found.severity is Severity.WARNING
    assert TEXT[found.primary.span.start : found.primary.span.end] == "30min"
    assert found.message == (
        "in 10 months it is no longer proved that `shop` is back in service within 30min after a corruption of `shop`"
    )
    assert found.primary.text == "at most 19min today; then at most 32min"
    (label,) = found.secondary
    assert TEXT[label.span.start : label.span.end] == "size 20GiB"
    assert label.text == "51.9GiB by then"  # 20 GiB * 1.1 ** 10


@pytest.mark.parametrize(("months", "told"), [(9, 0), (10, 1), (12, 1)])
def test_the_horizon_is_the_last_month_that_is_judged(months: int, told: int) -> None:
    assert len(outgrown(looked_ahead(check(TEXT), months))) == told


def test_what_was_measured_grows() -> None:
    checked = check_with(TEXT, fact("database", "shop", "size", 40 * 1024**3))
    (found,) = outgrown(looked_ahead(checked, 24))
    assert found.message.startswith("in 3 months ")  # 40 GiB * 1.1 ** 3, with its log, is beyond what 30 minutes load
    assert found.secondary[0].text == "53.2GiB by then (measured 40GiB, 2026-11-20)"


def test_one_month_is_one_month_and_today_gives_it_a_name() -> None:
    text = TEXT.replace("grows 10%/month", "grows 300%/month")
    (found,) = outgrown(looked_ahead(check_with(text, today=date(2026, 11, 30)), 1))
    assert found.message.startswith("in 1 month (December 2026) it is no longer proved ")
    (found,) = outgrown(looked_ahead(check_with(text), 1))
    assert found.message.startswith("in 1 month it is no longer proved ")


@pytest.mark.parametrize(
    ("today", "months", "month"),
    [
        (date(2026, 11, 24), 1, "2026-12"),
        (date(2026, 11, 24), 2, "2027-01"),
        (date(2026, 12, 31), 12, "2027-12"),
        (date(2026, 1, 1), 120, "2036-01"),
        (date(2024, 2, 29), 12, "2025-02"),
    ],
)
def test_months_of_the_calendar(today: date, months: int, month: str) -> None:
    assert calendar_month(today, months) == month


def test_copies_that_are_no_longer_kept_long_enough_prove_nothing() -> None:
    """The larger the image, the longer it takes until the next is whole: what is kept must reach back farther."""
    text = changed(
        ("size 1GiB", "size 20GiB grows 10%/month table 0s starts 0s"),
        ("keep 14d", "keep 25h"),
        ("within 1h", "within 5h"),
    )
    checked = looked_ahead(check(text), 6, whole=True)
    point, time = outgrown(checked)
    for one in (point, time):
        assert one.message.startswith("in 5 months ")
        assert one.primary.text.endswith(", but from copies that are not kept long enough")
    assert checked.outlook is not None
    assert [one.bounds[0] is None for one in checked.outlook.months] == [False] * 5 + [True] * 2


OTHER = """
database other at here {
  mysql "other" credentials env A, B
  size 20GiB  grows 20%/month  writes 1MiB/h  standby there { provision 1min }
}
protect other with basic
"""


def test_the_growth_of_another_database_that_it_waits_for_is_named() -> None:
    text = changed(
        ("against corruption { rpo 10s  rto 30min }", "against site { rpo 10s  rto 30min }"),
        ("writes 100MiB/h", "writes 100MiB/h  needs other  standby there { provision 1min }"),
        ("within 1h to disk", "within 1h to disk, far"),
    )
    text += OTHER
    found = [one for one in outgrown(looked_ahead(check(text), 24)) if "`shop` is back" in one.message]
    (label,) = found[0].secondary
    assert text[label.span.start : label.span.end] == "size 20GiB"
    assert label.text.endswith(" by then")


def test_a_program_with_errors_is_not_looked_at() -> None:
    checked = check(TEXT.replace("to disk, far", "to nowhere"))
    assert looked_ahead(checked, 12) is checked
