"""The case study of Keeton and Merchant (DSN 2004, doi 10.1109/DSN.2004.1311958), with our code.

Its figures are **recalled, unverified**: they were not read from the paper, but arithmetic reproduces each from the
inputs below. 1 GB is 1024 MB there, and 1 MB is 2^20 bytes.

The paper's mode: levels are *aligned* (a level takes what the one before has just finished) and stages of a
recovery are *stored and forwarded* (their times add up). Ours: levels are in the phases that the planner gives
them, or, where nothing fixes these, *unaligned* (each has just missed the one before); stages are *pipelined* (the
slowest counts). Both are computed here by the compiler's own functions; see the table in docs/feasibility.md.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bkpc_compiler.feasibility.handing import milliseconds
from bkpc_compiler.feasibility.log_delay import Arrivals, delay
from bkpc_compiler.feasibility.recovery_least import least_back
from bkpc_compiler.feasibility.staleness import Leg, staleness_of, unaligned
from bkpc_compiler.feasibility.verdict import Analysis, Answer, analyse
from bkpc_compiler.program.model import Cadence, Program, Schedule, Scope, Standby
from bkpc_grammar.quantities import Duration, Rate, Size, duration, rate, size
from tests.compiler import builders as build

HOUR = 3_600_000
WEEK = 168 * HOUR
SPARES = duration(108)  # 0.02 h for the array's hot spare, 0.01 h for the tape library's
CELLO = size(1360, "GiB")
ARRAY, TAPE, OC3 = rate(512, "MiB"), rate(240, "MiB"), rate(155, "Mbit")
COURIER = duration(24, "h")


def level(every: int, prop: int, hold: int, ready: int = 0) -> Leg:
    """A level of the paper in hours: what is taken every `every` is whole `hold` + `prop` later.

    `ready`: when after midnight the level before has its own whole, which this one then takes.
    """
    return Leg(every * HOUR, ready * HOUR, 0, (hold + prop) * HOUR, 0)


MIRROR = level(12, 0, 0)
BACKUP = level(168, 48, 1)
VAULT = level(4 * 168, 24, 4 * 168 + 12, ready=49)
WEEKLY_VAULT = level(168, 24, 12, ready=49)
# A weekly full image and one increment a day: the increment's accumulation, the full image's propagation.
INCREMENTAL = level(24, 48, 1)
DAILY = level(24, 12, 1)
DAILY_VAULTED = level(168, 24, 12, ready=13)
LOSSES = {
    # what is lost, and from what it comes back: the levels; hours lost in the paper; unaligned, a sound bound
    "one object, split mirror": ((MIRROR,), 12, 12),
    "array, tape": ((MIRROR, BACKUP), 217, 229),
    "site, vault": ((MIRROR, BACKUP, VAULT), 1429, 1609),
    "site, weekly vault": ((MIRROR, BACKUP, WEEKLY_VAULT), 253, 433),
    "array, full and incremental": ((MIRROR, INCREMENTAL), 73, 85),
    "array, daily full": ((MIRROR, DAILY), 37, 49),
    "site, daily full and weekly vault": ((MIRROR, DAILY, DAILY_VAULTED), 217, 253),
}


@pytest.mark.parametrize("what", LOSSES)
def test_aligned_levels_lose_what_the_paper_says(what: str) -> None:
    legs, paper, _ = LOSSES[what]
    ages = staleness_of(legs)
    assert ages is not None
    assert ages.worst == paper * HOUR


@pytest.mark.parametrize("what", LOSSES)
def test_unaligned_each_level_may_have_just_missed_the_one_before(what: str) -> None:
    legs, _, ours = LOSSES[what]
    assert unaligned(legs).worst == ours * HOUR


@pytest.mark.parametrize("what", LOSSES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_phases_lose_less_than_aligned_nor_more_than_unaligned(what: str, data: st.DataObject) -> None:
    legs, paper, ours = LOSSES[what]
    moved = [structs.replace(leg, phase=data.draw(st.integers(0, leg.period - 1))) for leg in legs]
    ages = staleness_of(moved)
    assert ages is not None
    assert paper * HOUR <= ages.worst <= ours * HOUR


def test_the_bound_for_the_array_is_the_least_that_holds_for_all_phases() -> None:
    """A tape that begins a millisecond before a mirror is split reads one that is nearly 12 h old."""
    ages = staleness_of((MIRROR, structs.replace(BACKUP, phase=12 * HOUR - 1)))
    assert ages is not None
    assert ages.worst == 229 * HOUR - 1


def weekly(hour: int) -> Schedule:
    within = build.given(duration(49, "h"))
    return Schedule(Cadence.WEEKLY, duration(1, "w"), hour * 60, 0, None, within, "UTC", build.here())


def cello(*, hour: int = 0, holds: Size = CELLO, loads: Rate = ARRAY) -> Program:
    """The array is the host with its mirror, a directory; the courier is a thaw of the vault.

    Splitting a mirror takes no time: neither host nor directory is a narrow place.
    """
    twice_a_day = Schedule(Cadence.EVERY, duration(12, "h"), None, None, None, None, "UTC", build.here())
    tier = build.policy(
        build.promise(Scope.CORRUPTION, duration(13, "h"), duration(1, "d")),
        build.promise(Scope.HOST, duration(250, "h"), duration(1, "d")),
        build.promise(Scope.SITE, duration(500, "h"), duration(3, "d")),
        images=(build.full("mirror", schedule=twice_a_day),),
        colds=(build.cold("mirror", "tape", schedule=weekly(hour)), build.cold("tape", "vault", schedule=weekly(12))),
        activate=SPARES,
    )
    machine = build.database("cello", "here", holds=holds, writes=rate(799, "KiB"), address="127.0.0.1:3306")
    standby = Standby("away", build.given(duration(0)))
    machine = replace(machine, restores=build.given(loads), standbys=(standby,))
    stores = (
        build.store("mirror", "here", kind="directory"),
        build.store("tape", "here", reads=TAPE, writes=TAPE),
        build.store("vault", "away", reads=TAPE, writes=TAPE, thaw=COURIER),
    )
    links = (build.link("here", "away", rate(1, "TB")),)
    return build.program({"here": "a", "away": "b"}, stores, {machine: tier}, links=links, headroom=Fraction(0))


def answer(analysis: Analysis, scope: Scope, kind: str) -> Answer:
    (found,) = [one for one in analysis.answers if one.promise.scope is scope and one.kind == kind]
    return found


def most(analysis: Analysis, scope: Scope, kind: str) -> Fraction:
    """Seconds of the upper bound."""
    bound = answer(analysis, scope, kind).upper
    assert bound is not None
    return bound.total.amount


def stored_and_forwarded(analysis: Analysis, scope: Scope) -> Fraction:
    """Seconds of the same recovery, its stages one after the other; ours has no engine that works so."""
    found = answer(analysis, scope, "rto")
    recovery = found.choice.recovery
    assert recovery is not None
    rates = [(move.bytes, one.capacity) for move in recovery.transfers for one in move.resources]
    stages = sum(milliseconds(bytes_, int(rate.amount)) for bytes_, rate in rates if rate is not None)
    upper = found.upper
    assert upper is not None
    # The paper's vault is there when it has thawed: nobody has to look.
    looked = sum(one.duration.amount for one in upper.terms if one.label.startswith("until it is seen to have thawed"))
    return Fraction(recovery.begins + stages, 1000) - looked


def hours(seconds: Fraction, digits: int = 1) -> float:
    return round(float(seconds / 3600), digits)


def test_the_planner_uses_a_quarter_of_the_library_not_the_whole_window() -> None:
    """The paper counts the window of 48 h and the hold. The planned slot takes 1360 GiB at 60 MiB/s, 6.4 h."""
    slot = Fraction(1360 * 1024, 60)
    planned = most(analyse(cello()), Scope.HOST, "rpo")
    assert planned == 168 * 3600 + Fraction(-(-slot * 1000 // 1), 1000)
    assert hours(planned) == 174.4
    assert most(analyse(cello(hour=6)), Scope.HOST, "rpo") == planned + 6 * 3600  # the mirror of 00:00 is 6 h old


def test_recovery_of_the_array_from_tape() -> None:
    analysis = analyse(cello())
    assert hours(stored_and_forwarded(analysis, Scope.HOST)) == 2.4  # the paper's
    assert hours(most(analysis, Scope.HOST, "rto")) == 2.2
    beside = Fraction(3, 4) * 240  # copies to the vault need no database, and keep a quarter of the library
    assert most(analysis, Scope.HOST, "rto") == 108 + Fraction(-(-Fraction(1360 * 1024 * 1000) / beside // 1), 1000)


def test_recovery_of_the_site_from_the_vault() -> None:
    analysis = analyse(cello())
    assert hours(stored_and_forwarded(analysis, Scope.SITE)) == 26.4  # the paper's
    assert hours(most(analysis, Scope.SITE, "rto")) == 25.7


def test_recovery_of_one_object_from_the_mirror() -> None:
    """1 MB, read and written by the one array: 512/2 MB/s."""
    analysis = analyse(cello(holds=size(1, "MiB"), loads=rate(256, "MiB")))
    least = least_back(answer(analysis, Scope.CORRUPTION, "rto").choice, Fraction(1))
    assert least is not None
    loading = next(term for term in least.terms if term.label.startswith("load"))
    assert loading.duration == Duration(Fraction(1, 256))  # 0.004 s, without the spares it needs not
    assert most(analysis, Scope.CORRUPTION, "rto") == SPARES.amount + Fraction(4, 1000)
    assert most(analysis, Scope.CORRUPTION, "rpo") == 12 * 3600


def test_recovery_from_a_mirror_far_away() -> None:
    """The array's 1360 GB through one OC-3 and onto a new array."""
    oc3 = replace(build.link("here", "away", OC3), latency=build.given(duration(0)))
    tier = build.policy(
        build.promise(Scope.HOST, duration(250, "h"), duration(1, "d")),
        images=(build.full("mirror", schedule=weekly(0)),),
        activate=SPARES,
    )
    machine = replace(build.database("cello", "here", holds=CELLO), restores=build.given(ARRAY))
    analysis = analyse(
        build.program(
            {"here": "a", "away": "b"},
            (build.store("mirror", "away"),),
            {machine: tier},
            links=(oc3,),
            headroom=Fraction(0),
        )
    )
    assert hours(stored_and_forwarded(analysis, Scope.HOST)) == 21.7  # the paper's
    assert hours(most(analysis, Scope.HOST, "rto") - SPARES.amount) == 20.9


def test_loss_of_a_mirror_in_batches_of_a_minute() -> None:
    """The paper counts a minute to collect a batch and a minute to send it; we count what its bytes take."""
    minute = 60_000
    ages = staleness_of((Leg(minute, 0, 0, minute, 0),))
    assert ages is not None
    assert round(ages.worst / HOUR, 3) == 0.033
    ours = delay(Arrivals(rate(799, "KiB").amount, Fraction(0), Fraction(60), Fraction(0)), OC3.amount)
    assert ours is not None
    assert ours.total == 60 + Fraction(16 << 20) / OC3.amount  # its last object of 16 MiB
    assert round(float(ours.total) / 3600, 3) == 0.017
