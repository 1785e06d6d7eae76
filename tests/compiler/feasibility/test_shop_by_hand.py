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


def up(amount: Fraction, grain: int = 1000) -> Fraction:
    """Rounded up to whole milliseconds, as the plan has it."""
    return Fraction(ceil(amount * grain), grain)


def test_loss_after_a_host_is_flush_and_a_burst_at_the_least_rate(payments: Analysis) -> None:
    (near,) = [one for one in payments.demand.streams if (one.database, one.store) == ("orders", "near")]
    # No latency: the burst and what is written in twice 5 s are through in the 10 s that are promised.
    carried = 128 * MIB + Fraction(2 * GIB, 3600) * 10
    assert upper(payments, "orders", "host", "rpo") == carried / near.rate
    assert 1 <= near.rate / (carried / 10) <= Fraction(101, 100)


def test_loss_after_a_site_crosses_the_link_at_the_sustained_rate(payments: Analysis) -> None:
    # 128 MiB in 299 s would be 449 kB/s; 2 GiB/h is 597 kB/s, and a quarter more lets it catch up.
    written = Fraction(2 * GIB, 3600)
    sustained = ceil(written * Fraction(5, 4))
    latency = Fraction(3, 100)
    cost = 1 / Fraction(sustained) + 5 * latency / (16 * MIB)  # of a byte: five requests for 16 MiB
    assert upper(payments, "orders", "site", "rpo") == 8 * latency + (128 * MIB + written * 10) * cost


def handed(log: int, burst: int, rate: int) -> Fraction:
    """An applier gets whole binlogs: the last one, of a GiB and a burst, may be there before any of it is replayed; and
    half a second each time that it gets some, ever more of them, or all at once."""
    whole, last = up(Fraction(log, rate)), up(Fraction(min(log, GIB + burst), rate))
    often = min(up(whole / 20) + 5, up(whole / 60) + 15, up(whole / 200) + 50)
    return min(last + often, whole) + Fraction(1, 2)


def test_recovery_of_orders_after_its_host_is_lost(payments: Analysis) -> None:
    slots = {job.id: job.slot for job in payments.demand.jobs}
    (full, copy) = (slots["orders/full/near"], slots["orders/cold/far"])
    assert full is not None
    assert copy is not None
    reads = int(2 * GBIT * DERATED * Fraction(12, 16))  # a quarter is left to the cold copies, which read `near` too
    assert copy.rate <= GBIT * DERATED / 4
    age = DAY + Fraction(full.length, 1000)
    log = ceil(Fraction(2 * GIB, 3600) * age + 128 * MIB)
    loads = 200 * MIB
    replays = up(Fraction(log, 40 * MIB)) + handed(log, 128 * MIB, 40 * MIB)
    expected = 15 * 60 + up(Fraction(300 * GIB, min(reads, loads))) + replays + 300
    assert upper(payments, "orders", "host", "rto") == expected
    assert 75 * 60 < expected < 76 * 60


def test_recovery_of_orders_after_the_site_waits_for_the_others(payments: Analysis) -> None:
    # One image after the other through `far`'s 2 Gbit/s: orders first, then accounts, whose log and check come last.
    loads = 200 * MIB
    slots = {job.id: job.slot for job in payments.demand.jobs}
    full, copy = slots["accounts/full/near"], slots["accounts/cold/far"]
    assert full is not None
    assert copy is not None
    age = DAY + Fraction(4 * 3600) + Fraction(copy.end - full.offset, 1000)
    log = ceil(Fraction(GIB, 3600) * age + 64 * MIB)
    beside = loads * 12 // 16  # while the log of orders is read from `far` too
    images = up(Fraction(300 * GIB, loads)) + up(Fraction(120 * GIB, beside))
    replayed = 15 * 60 + 20 * 60 + images + up(Fraction(log, 40 * MIB)) + handed(log, 64 * MIB, 40 * MIB)
    assert upper(payments, "orders", "site", "rto") == replayed + 300 + 300  # accounts is checked, then orders


def test_no_recovery_of_orders_is_faster_than_loading_it(payments: Analysis) -> None:
    written = Fraction(300 * GIB, GBIT)  # the age of an image when the next is due to be whole: a day and this
    log = ceil(Fraction(2 * GIB, 3600) * (DAY + written) + 128 * MIB)
    expected = 15 * 60 + Fraction(300 * 1024, 200) + Fraction(log, 40 * MIB) + 300
    assert lower(payments, "orders", "host", "rto") == expected


def test_broken_loses_a_day_and_two_transfers(broken: Analysis) -> None:
    crossing = Fraction(300 * GIB, GBIT)  # 43 min: the link, and writing to `near` before it
    assert lower(broken, "orders", "site", "rpo") == DAY + 2 * crossing
    # In the planned slots: from 01:00 until the copy of 05:00 is whole, at a quarter of the link.
    copied = ceil(Fraction(300 * GIB * 1000) / (GBIT * DERATED / 4))
    assert upper(broken, "orders", "site", "rpo") == DAY + 4 * 3600 + Fraction(copied, 1000)


def test_broken_waits_for_the_thaw_then_loads(broken: Analysis) -> None:
    assert lower(broken, "orders", "site", "rto") == 5 * 3600 + Fraction(300 * 1024, 200)
