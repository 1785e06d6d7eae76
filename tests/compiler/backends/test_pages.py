"""The report and the runbook: sound pages, everything in them, nothing of a plan taken for markup."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from markdown_it import MarkdownIt

from bkpc_compiler.backends.markup import markdown
from bkpc_compiler.backends.report import Growth, report_html
from bkpc_compiler.backends.report.promises import promises_of
from bkpc_compiler.backends.runbook import runbook_html, runbook_markdown
from bkpc_grammar.plan import Plan
from tests.compiler.backends.html_page import assert_sound, read
from tests.compiler.backends.made import HOUR, made_plan, supposing

EVIL = "<script>alert(1)</script>`](http://evil.example) | \"x' & <b>"
GROWTH: tuple[Growth, ...] = tuple(
    (month, "orders", "site", "rto", None if month > 9 else HOUR + month * HOUR // 2, 4 * HOUR, 990_000)
    for month in range(13)
)


def evil_plan() -> Plan:
    """All free text of a plan is hostile."""
    made = supposing(made_plan(), EVIL)
    databases = tuple(msgspec.structs.replace(one, address=EVIL) for one in made.estate.databases)
    stores = tuple(
        msgspec.structs.replace(
            one, location=EVIL, region=EVIL, kind="directory", storage_class=EVIL, redundancy=EVIL, endpoint=EVIL
        )
        for one in made.estate.stores
    )
    estate = msgspec.structs.replace(made.estate, databases=databases, stores=stores)
    region = msgspec.structs.replace(made.recoveries[-1], scope="region", lost=EVIL)
    terms = tuple(msgspec.structs.replace(one, what=EVIL, where=(EVIL,)) for one in made.objectives[0].rpo_terms)
    first = msgspec.structs.replace(made.objectives[0], rpo_terms=terms)
    return msgspec.structs.replace(
        made, estate=estate, recoveries=(region,), objectives=(first, *made.objectives[1:])
    )  # fmt: skip


@pytest.mark.parametrize("render", [report_html, runbook_html], ids=["report", "runbook"])
@pytest.mark.parametrize("given", [made_plan, evil_plan], ids=["plain", "evil"])
def test_pages_are_sound(render: Callable[[Plan], str], given: Callable[[], Plan]) -> None:
    assert_sound(render(given()))


@pytest.mark.parametrize("render", [report_html, runbook_html, runbook_markdown])
def test_the_same_bytes_twice(render: Callable[[Plan], str]) -> None:
    assert render(made_plan()) == render(made_plan())


def test_hostile_text_is_shown_as_it_is() -> None:
    root = assert_sound(report_html(evil_plan()))
    assert root.text.count("<script>alert(1)</script>") > 8
    assert "<script" not in report_html(evil_plan())
    assert "<script" not in runbook_html(evil_plan())


def test_hostile_text_is_no_markup_in_markdown() -> None:
    drawn = MarkdownIt("commonmark").enable("table").render(runbook_markdown(evil_plan()))
    root = read(drawn.replace("<hr />", "<hr></hr>"))
    assert root.text.count("<script>alert(1)</script>") > 3
    assert not root.all("script", "b", "img")
    assert {one.attributes["href"] for one in root.all("a") if "href" in one.attributes} == {"#procedure-1"}
    assert {len(row.children) for row in root.all("table")[0].all("tr")} == {3}


def test_the_runbook_reads_as_markdown() -> None:
    root = read(MarkdownIt("commonmark").enable("table").render(runbook_markdown(made_plan())))
    assert [len(table.all("tr")) for table in root.all("table")] == [4, 2, 6, 4, 9, 4, 13]
    assert len(root.all("h2")) == 2 + 3
    first = root.all("ol")[0]
    assert [len(one.all("pre")) for one in first.children] == [0, 1, 1]
    assert all(one.text.startswith("[ ] ") for one in root.all("ul")[-1].children)


def test_markdown_keeps_plain_names_plain() -> None:
    assert markdown("cn-hangzhou 1.5 (a)") == "cn-hangzhou 1.5 (a)"
    assert markdown("a_b|c*`d`[e](f)<g>") == r"a\_b\|c\*\`d\`\[e\](f)\<g\>"


def test_the_report_has_every_promise_with_its_verdict() -> None:
    root = assert_sound(report_html(made_plan()))
    table = root.all("table")[0]
    rows = [" ".join(one.text.split()) for one in table.all("tr")[1:]]
    assert len(rows) == len(promises_of(made_plan())) == 14
    assert all("✓ PROVED" in row for row in rows)
    assert "orders · corruption: data lost ✓ PROVED 10s 8s 20% 4s" in rows
    assert sum("for 99.9%" in row for row in rows) == 3
    assert "14 objectives: all proved." in " ".join(root.all("header")[0].text.split())


def test_what_is_not_proved_is_not_called_so() -> None:
    made = made_plan()
    first = msgspec.structs.replace(made.objectives[0], rpo_proved_ms=10**12, rto_proved_ms=None)
    root = assert_sound(report_html(msgspec.structs.replace(made, objectives=(first, *made.objectives[1:]))))
    assert "2 not proved." in root.all("header")[0].text
    assert root.text.count("UNDECIDED") == 2


def test_every_picture_has_a_table_below_it() -> None:
    root = assert_sound(report_html(made_plan(), GROWTH))
    pictures = [one for one in root.all("svg") if one.attributes.get("role") == "img"]
    assert len(pictures) == 5 + 3 + 1
    tables = [one for one in root.all("details") if "as a table" in one.all("summary")[0].text]
    assert len(tables) == len(pictures)
    assert all(one.all("table") for one in tables)


def test_growth_says_when_a_promise_stops_being_proved() -> None:
    assert "make it with --horizon" in " ".join(assert_sound(report_html(made_plan())).text.split())
    shown = " ".join(assert_sound(report_html(made_plan(), GROWTH)).text.split())
    assert "no longer proved in month 7; promised 4h for 99%" in shown
    assert "no bound" in shown


@pytest.mark.parametrize("bound", [None, HOUR])
def test_growth_over_one_month_is_drawn(bound: int | None) -> None:
    assert_sound(report_html(made_plan(), ((0, "orders", "site", "rto", bound, 4 * HOUR, 1_000_000),)))


def test_an_empty_plan_is_a_page_too() -> None:
    made = made_plan()
    empty = msgspec.structs.replace(made, jobs=(), streams=(), recoveries=(), objectives=(), resources=())
    shown = " ".join(assert_sound(report_html(empty)).text.split())
    assert "nothing is promised" in shown
    assert "No links between sites" in shown
    assert_sound(runbook_html(empty))
    assert runbook_markdown(empty)


def test_assumptions_are_told_once_with_whom_they_carry() -> None:
    root = assert_sound(report_html(made_plan()))
    rows = [" ".join(one.text.split()) for one in root.all("table")[-1].all("tr")]
    assert rows.count("bandwidth 1Gbit/s estate.bkp:9 declared accounts, config, orders") == 1


def test_both_runbooks_say_the_same() -> None:
    root, text = assert_sound(runbook_html(made_plan())), runbook_markdown(made_plan())
    for command in (
        "bkpc restore plan.json orders --store near --to POINT",
        "bkpc status plan.json",
        "read -rs OSS_KEY",
    ):
        assert command in root.text
        assert command in text
    assert len(root.all("input")) == text.count("- [ ] ")
