"""One flow, one server: the bound of the log where network calculus has a closed form, and nothing is lost to it.

A log that obeys burst + writes·t through a server of rate R and latency T waits at most T + burst/R (the horizontal
distance of the two curves). Ours adds what a batch collects beside the burst, and an object's grain.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bkpc_compiler.feasibility.log_delay import Arrivals, delay, least_delay, least_rate
from bkpc_grammar.log_objects import OBJECT

RATES = st.integers(min_value=1, max_value=10**10).map(Fraction)
TIMES = st.fractions(min_value=0, max_value=100, max_denominator=1000)
SIZES = st.integers(min_value=0, max_value=10**12).map(Fraction)
LOGS = st.builds(Arrivals, RATES | st.just(Fraction(0)), SIZES, TIMES.filter(bool), TIMES)


def as_written_down(log: Arrivals, rate: Fraction) -> Fraction | None:
    """The theorem of docs/feasibility.md, term by term."""
    latency, largest = log.latency, Fraction(OBJECT)
    cost = 1 / rate + 5 * latency / largest
    if log.writes * cost + latency / log.flush >= 1:
        return None
    alone: Fraction = log.flush + 2 * latency + min(log.burst + log.writes * log.flush, largest) / rate
    return max(alone, 8 * latency + (log.burst + 2 * log.writes * log.flush) * cost)


def in_turns_as_written_down(log: Arrivals, rate: Fraction) -> Fraction | None:
    """What it says of `hot sync`."""
    cost = 1 / rate + log.latency / OBJECT
    share = log.writes * cost
    if share >= 1:
        return None
    largest = Fraction(OBJECT)
    gap: Fraction = max(log.flush, log.latency / (1 - share))
    batch: Fraction = log.latency + (log.burst + log.writes * gap) * cost
    first: Fraction = gap + log.latency + (log.burst + min(log.writes * gap, largest)) * cost
    return max(first, batch + log.latency + min(log.writes * batch, largest) * cost)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(log=LOGS, rate=RATES)
def test_bound_of_what_commits_wait_for_is_the_theorem(log: Arrivals, rate: Fraction) -> None:
    found = delay(replace(log, in_turns=True), rate)
    assert (found.total if found else None) == in_turns_as_written_down(log, rate)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(flush=TIMES.filter(bool), rate=RATES, more=st.fractions(min_value=1, max_value=10))
def test_objects_that_come_faster_than_they_are_sent_have_no_bound(
    flush: Fraction, rate: Fraction, more: Fraction
) -> None:
    """One is cut each `flush`, and each takes the latency."""
    assert delay(Arrivals(Fraction(0), Fraction(1), flush, flush * more), rate) is None
    assert delay(Arrivals(Fraction(0), Fraction(1), flush, flush * Fraction(99, 100)), rate) is not None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(log=LOGS, rate=RATES)
def test_bound_is_the_theorem(log: Arrivals, rate: Fraction) -> None:
    found = delay(log, rate)
    assert (found.total if found else None) == as_written_down(log, rate)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(burst=SIZES, flush=TIMES.filter(bool), rate=RATES)
def test_a_burst_alone_waits_as_in_network_calculus(burst: Fraction, flush: Fraction, rate: Fraction) -> None:
    """Nothing written beside it, no latency: flush + burst/R, and no stream betters it where it is one object."""
    log = Arrivals(Fraction(0), burst, flush, Fraction(0))
    most, least = delay(log, rate), least_delay(log, rate)
    assert most is not None
    assert least is not None
    assert least.total == max(flush + min(burst, Fraction(OBJECT)) / rate, burst / rate)
    assert most.total == least.total


@settings(max_examples=100, deadline=None, derandomize=True)
@given(writes=RATES, burst=SIZES, flush=TIMES.filter(bool), rate=RATES)
def test_both_bounds_meet_where_a_batch_is_one_object(
    writes: Fraction, burst: Fraction, flush: Fraction, rate: Fraction
) -> None:
    """No latency, a batch of at most 16 MiB that is sent before the next is cut: flush + batch/R is exact."""
    batch = burst + writes * flush
    assume(batch <= OBJECT)
    assume(batch / rate <= flush / 2)
    log = Arrivals(writes, burst, flush, Fraction(0))
    most, least = delay(log, rate), least_delay(log, rate)
    assert most is not None
    assert least is not None
    assert most.total == least.total == flush + batch / rate


def test_nothing_that_comes_at_once_takes_nothing() -> None:
    least = least_delay(Arrivals(Fraction(0), Fraction(0), Fraction(1), Fraction(2)), Fraction(1))
    assert least is not None
    assert least.total == 3


@settings(max_examples=100, deadline=None, derandomize=True)
@given(log=LOGS, rate=RATES)
def test_bound_is_never_below_that_of_network_calculus(log: Arrivals, rate: Fraction) -> None:
    most, least = delay(log, rate), least_delay(log, rate)
    assume(most is not None)
    assert most is not None
    assert least is not None
    assert most.total >= least.total
    assert most.total >= log.latency + log.burst / rate


@settings(max_examples=100, deadline=None, derandomize=True)
@given(log=LOGS, rate=RATES, more=st.fractions(min_value=1, max_value=1000))
def test_more_of_anything_moves_the_bound_one_way(log: Arrivals, rate: Fraction, more: Fraction) -> None:
    before = delay(log, rate)
    assume(before is not None)
    assert before is not None
    faster = delay(log, rate * more)
    assert faster is not None
    assert faster.total <= before.total
    for worse in (
        Arrivals(log.writes * more, log.burst, log.flush, log.latency),
        Arrivals(log.writes, log.burst * more, log.flush, log.latency),
        Arrivals(log.writes, log.burst, log.flush * more, log.latency),
        Arrivals(log.writes, log.burst, log.flush, log.latency * more),
    ):
        after = delay(worse, rate)
        assert after is None or after.total >= before.total


@settings(max_examples=200, deadline=None, derandomize=True)
@given(log=LOGS, within=st.fractions(min_value=0, max_value=200, max_denominator=1000))
def test_least_rate_meets_and_hardly_less_does_not(log: Arrivals, within: Fraction) -> None:
    rate = least_rate(log, within)
    if rate is None:
        most = delay(log, Fraction(1 << 61))
        assert most is None or most.total > within * (1 - Fraction(2, 10**9))
        return
    met = delay(log, Fraction(rate))
    assert met is not None
    assert met.total <= within
    assume(rate > 1000)
    less = delay(log, Fraction(rate) * Fraction(97, 100))
    assert less is None or less.total > within
