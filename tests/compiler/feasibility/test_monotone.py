"""Laws of the bounds: better figures never make a promise worse, and lower never exceeds upper."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.verdict import Answer, Verdict, analyse
from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as build

ORDER = {Verdict.REFUTED: 0, Verdict.UNDECIDED: 1, Verdict.PROVED: 2}


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Two sites, two databases, a log that may or may not leave the site."""
    number = st.integers(min_value=1, max_value=400)
    hots = draw(st.sampled_from([(), (build.hot("near"),), (build.hot("near", "far"),), (build.hot("far"),)]))
    colds = draw(st.sampled_from([(), (build.cold("near", "far"),)]))
    promises = tuple(
        build.promise(scope, duration(draw(number), "min"), duration(draw(number), "min"))
        for scope in (Scope.CORRUPTION, Scope.HOST, Scope.SITE, Scope.INTRUDER)
    )
    lock = draw(st.sampled_from([None, duration(30, "d")]))
    tier = build.policy(*promises, images=(build.full("near"),), hots=hots, colds=colds, lock=lock)
    one = build.database("one", "here", holds=size(draw(number), "GiB"), needs=("two",), standby="there")
    two = build.database("two", "here", holds=size(draw(number), "GiB"), standby="there")
    store_rate = st.sampled_from([None, rate(200, "Mbit"), rate(2, "Gbit")])
    return build.program(
        {"here": "a", "there": "b"},
        (
            build.store("near", "here", reads=draw(store_rate), writes=draw(store_rate)),
            build.store("far", "there", reads=draw(store_rate), writes=draw(store_rate)),
        ),
        {one: tier, two: tier},
        links=(build.link("here", "there", rate(draw(number), "Mbit")),),
    )


def total(answer: Answer, *, upper: bool) -> Fraction | None:
    bound = answer.upper if upper else answer.lower
    return bound.total.amount if bound else None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs())
def test_no_lower_bound_exceeds_its_upper_bound(built: Program) -> None:
    for answer in analyse(built).answers:
        low, high = total(answer, upper=False), total(answer, upper=True)
        assert low is None or high is None or low <= high, (answer.kind, answer.promise.scope)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs(), factor=st.integers(min_value=2, max_value=10))
def test_more_bandwidth_never_worsens_a_verdict(built: Program, factor: int) -> None:
    before = analyse(built).answers
    after = analyse(build.faster_links(built, Fraction(factor))).answers
    for old, new in zip(before, after, strict=True):
        assert ORDER[new.verdict] >= ORDER[old.verdict], (old.kind, old.promise.scope)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs())
def test_smaller_databases_never_worsen_a_verdict(built: Program) -> None:
    halved = tuple(
        replace(one, size=replace(one.size, value=one.size.value.times(Fraction(1, 2)))) for one in built.databases
    )
    before = analyse(built)
    # A job that misses its window is an error of its own; placed outside of it, it may stand less in the way.
    assume(not any(job.late for job in before.demand.jobs))
    after = analyse(replace(built, databases=halved)).answers
    for old, new in zip(before.answers, after, strict=True):
        assert ORDER[new.verdict] >= ORDER[old.verdict], (old.kind, old.promise.scope)
