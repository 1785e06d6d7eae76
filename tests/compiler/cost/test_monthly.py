"""What storage costs, against sums made by hand."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bkpc_compiler.backends.report.cost import bill_of, money
from bkpc_compiler.cost.monthly import Cost, costs_of
from bkpc_compiler.cost.prices import (
    _FIELDS,
    ClassPrice,
    Prices,
    PricesRejected,
    overridden,
    read_prices,
    standard_prices,
)
from bkpc_compiler.main import main
from bkpc_grammar.canonical import read_plan
from bkpc_grammar.plan import Plan

GIB, DAY = 1 << 30, 86_400
POLICY = """\
edition 1
import "std/oss"
site here { region "cn-hangzhou" }
store far at here {
  oss "backup/acme"  endpoint "https://oss-cn-hangzhou.aliyuncs.com"  class standard  credentials role
  reads 1Gbit/s  writes 1Gbit/s
}
database shop at here {
  mysql "db.acme.com:3306"  credentials env DB_USER, DB_PASSWORD  size 10GiB  writes 1MiB/s  burst 8MiB
}
policy basic {
  promise against corruption { rpo 1min  rto 5d }
  full daily at 02:00 within 1h to far
  hot to far every 10s
  keep 14d
}
protect shop with basic
"""


def plan_of(folder: Path, *changes: tuple[str, str]) -> Plan:
    text = POLICY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "shop.bkp").write_text(text)
    assert main(["compile", str(folder / "shop.bkp"), "-o", str(folder / "plan.json")]) == 0
    return read_plan((folder / "plan.json").read_bytes(), "plan.json")


def cost_of(plan: Plan) -> Cost:
    (found,) = costs_of(plan, standard_prices())
    return found


def test_images_and_log_by_hand(tmp_path: Path) -> None:
    found = cost_of(plan_of(tmp_path))
    # 14 days, 3 of grace, one until expiry runs: 18 releases, the one before them, the one being written.
    assert found.images == 20
    log = (14 + 3 + 1 + 1) * DAY * (1 << 20)
    assert found.stored == 20 * 10 * GIB + log
    assert found.storage == Fraction(20 * 10 * GIB + log, GIB) * Fraction(12, 100)
    assert found.segments == 30 * DAY // 10
    assert found.requests == Fraction(30 * DAY, 10 * 10_000) * Fraction(1, 100)
    assert found.recovery == 0


def test_a_minimum_stay_is_paid_to_its_end(tmp_path: Path) -> None:
    found = cost_of(plan_of(tmp_path, ("class standard", "class infrequent_access")))
    assert found.images == 30 + 2
    assert found.stored == 32 * 10 * GIB + 31 * DAY * (1 << 20)
    assert found.recovery == Fraction(found.recovered, GIB) * Fraction(325, 10_000)
    assert found.recovered > 10 * GIB


def test_small_segments_are_billed_as_the_minimum(tmp_path: Path) -> None:
    found = cost_of(
        plan_of(tmp_path, ("class standard", "class infrequent_access"), ("writes 1MiB/s", "writes 1MiB/h"))
    )
    assert found.stored == 32 * 10 * GIB + 31 * DAY * Fraction(65_536, 10)


def test_counted_images_add_to_those_of_the_span(tmp_path: Path) -> None:
    assert cost_of(plan_of(tmp_path, ("keep 14d", "keep 14d, 12 monthly"))).images == 20 + 12


def test_what_is_never_deleted_grows(tmp_path: Path) -> None:
    found = cost_of(plan_of(tmp_path, ("  keep 14d\n", "")))
    assert found.images is None
    assert found.stored == 30 * 10 * GIB + 30 * DAY * (1 << 20)


def test_a_class_without_a_price_is_said_and_never_taken_for_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    bill = bill_of(plan, msgspec.structs.replace(standard_prices(), classes=()))
    assert [(one.name, one.month) for one in bill.by_database] == [("shop", "not known")]
    assert bill.lines[0].storage == "not known"


def test_printed_parts_add_up_to_the_printed_total(tmp_path: Path) -> None:
    bill = bill_of(plan_of(tmp_path), standard_prices())
    parts = [line.storage for line in bill.lines] + [line.requests for line in bill.lines]
    cents = sum(int(one.removeprefix("CNY ").replace(",", "").replace(".", "")) for one in parts)
    assert [(one.name, one.month) for one in bill.by_database] == [("shop", f"CNY {cents // 100}.{cents % 100:02}")]
    assert "standard, lrs" in bill.sources[0]


def test_money_is_rounded_up() -> None:
    assert money(Fraction(1, 1000), "CNY") == "CNY 0.01"
    assert money(Fraction(123_456_789, 100), "CNY") == "CNY 1,234,567.89"
    assert money(Fraction(0), "CNY") == "CNY 0.00"


CLASS: dict[str, Any] = {
    "class": "standard", "redundancy": "lrs", "gib_month": "0.09", "put_10000": "0.01", "read_on": "2026-11-01",
    "source": "our contract",
}  # fmt: skip
OWN: dict[str, Any] = {"schema_version": 1, "currency": "CNY", "classes": [CLASS]}


def own(**changes: object) -> Prices:
    return read_prices(json.dumps(OWN | changes).encode(), "prices.json")


def test_own_prices_come_before_those_of_std() -> None:
    prices = overridden(own())
    assert prices.of("standard", "lrs") == own().classes[0]
    assert prices.of("archive", "lrs") == standard_prices().of("archive", "lrs")
    assert overridden(own(currency="USD")).of("archive", "lrs") is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 2}, "version 2"),
        ({"classes": [CLASS, CLASS]}, "two prices for standard"),
        ({"currency": "yuan"}, "currency"),
        ({"classes": [CLASS | {"gib_month": "0,12"}]}, "gib_month"),
        ({"classes": [CLASS | {"gib_month": "٣.٤"}]}, "gib_month"),
        ({"classes": [CLASS | {"gib_month": "0.12\n"}]}, "gib_month"),
        ({"classes": [CLASS | {"gib_mont": "0.12"}]}, "gib_mont"),
    ],
)
def test_what_is_no_document_of_prices_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(PricesRejected, match=says):
        own(**changes)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "prices.json: it is no JSON from line 1, column 1 on; docs/cost.md shows one"),
        (b'{"currency": "CNY",\n "classes": [}', "it is no JSON from line 2, column 14 on"),
        (b"\xff", "its letters are not UTF-8"),
        (b"[]", "write an object with schema_version, currency and classes"),
        (b"{}", "the document lacks `schema_version`: write 1"),
        (json.dumps(OWN | {"more": 1}).encode(), "the document has `more`, which says nothing; there is schema"),
        (json.dumps(OWN | {"classes": ["standard"]}).encode(), "`classes[0]` is no price: write an object"),
        (json.dumps(OWN | {"classes": [{}]}).encode(), "`classes[0]` lacks `class`: write the name of a storage"),
        (json.dumps(OWN | {"classes": [CLASS, CLASS | {"gib_month": 0.12}]}).encode(),
         '`classes[1].gib_month` is not as it should be: write a decimal number in quotes, such as "0.12"'),
        (json.dumps(OWN | {"classes": [CLASS | {"read_on": "1.11.2026"}]}).encode(), 'such as "2026-11-01"'),
        (json.dumps(OWN | {"classes": [CLASS | {"per_gib": "1"}]}).encode(), "there is class, redundancy, gib_month,"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_belongs_there(document: bytes, says: str) -> None:
    with pytest.raises(PricesRejected) as raised:
        read_prices(document, "prices.json")
    assert says in str(raised.value)


def test_every_field_says_what_belongs_there() -> None:
    for one in (Prices, ClassPrice):
        assert {field.encode_name for field in msgspec.structs.fields(one)} <= {*_FIELDS}


def test_the_report_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_of(tmp_path)
    (tmp_path / "prices.json").write_text(json.dumps(OWN))
    page, plan = str(tmp_path / "report.html"), str(tmp_path / "plan.json")
    assert main(["report", plan, "--prices", str(tmp_path / "prices.json"), "-o", page]) == 0
    assert "our contract, 2026-11-01" in Path(page).read_text()
    assert main(["report", plan, "--prices", str(tmp_path / "nothing.json"), "-o", page]) == 2
    assert "nothing.json can't be read" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")  # nobody will ever write to it
    assert main(["report", plan, "--prices", str(tmp_path / "pipe"), "-o", page]) == 2
    assert "pipe can't be read: it is not a file" in capsys.readouterr().err


def test_the_document_of_the_page_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cost.md").read_text()
    document = page.split("```json\n")[1].split("```")[0]
    assert read_prices(document.encode(), "the page").of("standard", "lrs")
