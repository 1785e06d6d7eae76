"""The shop's bounds, worked out by hand: each line of arithmetic stands here once more."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest

from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from tests.compiler import shop

GIB = 1 << 30
MIB = 1 << 20
GBIT = 125_000_000
DERATED = Fraction(9, 10)
DAY = 86400


def answer(analysis: Analysis, database: str, scope: str, kind: str) -> Answer:
    (found,) = [
        one for one in analysis.answers if (one.database.name, one.promise.scope, one.kind) == (database, scope, kind)
    ]
    return found


def upper(analysis: Analysis, database: str, scope: str, kind: str) -> Fraction:
    bound = answer(analysis, database, scope, kind).upper
    assert bound is not None
    return bound.total.amount


def lower(analysis: Analysis, database: str, scope: str, kind: str) -> Fraction:
    bound = answer(analysis, database, scope, kind).lower
    assert bound is not None
    return bound.total.amount


@pytest.fixture(scope="module")
def payments() -> Analysis:
    return analyse(shop.payments())


@pytest.fixture(scope="module")
def broken() -> Analysis:
    return analyse(shop.broken())


def test_every_promise_of_payments_is_proved(payments: Analysis) -> None:
    assert len(payments.answers) == 30
    assert {one.verdict for one in payments.answers} == {Verdict.PROVED}


def test_loss_after_a_host_is_flush_and_a_burst_at_the_least_rate(payments: Analysis) -> None:
    least = ceil(Fraction(128 * MIB, 5))  # 10 s promised, 5 s of them flush
    assert upper(payments, "orders", "host", "rpo") == 5 + Fraction(128 * MIB, least)


def test_loss_after_a_site_crosses_the_link_at_the_sustained_rate(payments: Analysis) -> None:
    # 128 MiB in 295 s would be 455 kB/s; 2 GiB/h is 597 kB/s: the larger one is reserved.
    sustained = ceil(Fraction(2 * GIB, 3600))
    assert upper(payments, "orders", "site", "rpo") == 5 + Fraction(3, 100) + Fraction(128 * MIB, sustained)


def test_recovery_of_orders_after_its_host_is_lost(payments: Analysis) -> None:
    copies = sum(ceil(Fraction(gib * GIB, 8 * 3600)) for gib in (2, 120, 300))
    reads = 2 * GBIT * DERATED - copies  # the cold copies read `near` too
    loads = 200 * MIB * DERATED
    log = Fraction(2 * GIB, 3600) * (28 * 3600) + 128 * MIB  # a day and a window of four hours
    expected = 15 * 60 + Fraction(300 * GIB) / min(reads, loads) + log / reads + log / (40 * MIB * DERATED) + 300
    assert upper(payments, "orders", "host", "rto") == expected
    assert 78 * 60 < expected < 80 * 60


def test_recovery_of_orders_after_the_site_waits_for_the_others(payments: Analysis) -> None:
    age = (24 + 4 + 24 + 8) * 3600  # full and copy are unaligned
    reads = 2 * GBIT * DERATED

    def log(writes: Fraction, burst: int) -> Fraction:
        return writes * age + burst

    mine = log(Fraction(2 * GIB, 3600), 128 * MIB)
    others = 122 * GIB + log(Fraction(GIB, 3600), 64 * MIB) + log(Fraction(50 * MIB, 3600), 64 * MIB)
    alone = 15 * 60 + 20 * 60 + Fraction(300 * GIB) / (200 * MIB * DERATED) + mine / reads
    alone += mine / (40 * MIB * DERATED) + 300
    assert upper(payments, "orders", "site", "rto") == alone + others / reads


def test_no_recovery_of_orders_is_faster_than_loading_it(payments: Analysis) -> None:
    expected = 15 * 60 + Fraction(300 * 1024, 200) + 300
    assert lower(payments, "orders", "host", "rto") == expected


def test_broken_is_refuted_twice(broken: Analysis) -> None:
    assert [one.verdict for one in broken.answers] == [Verdict.REFUTED, Verdict.REFUTED]


def test_broken_loses_a_day_and_two_transfers(broken: Analysis) -> None:
    crossing = Fraction(300 * GIB, GBIT)  # 43 min: the link, and writing to `near` before it
    assert lower(broken, "orders", "site", "rpo") == DAY + 2 * crossing
    assert upper(broken, "orders", "site", "rpo") == (24 + 4 + 24 + 8) * 3600


def test_broken_waits_for_the_thaw_then_loads(broken: Analysis) -> None:
    assert lower(broken, "orders", "site", "rto") == 5 * 3600 + Fraction(300 * 1024, 200)
