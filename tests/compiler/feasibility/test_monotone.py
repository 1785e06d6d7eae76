"""Laws of the bounds: better figures never make a promise worse, worse ones never better, and lower never exceeds
upper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from bkpc_compiler.program.model import Cadence, Policy, Program, Schedule, Scope
from bkpc_grammar.quantities import Duration, duration, rate, size
from tests.compiler import builders as build

ORDER = {Verdict.REFUTED: 0, Verdict.UNDECIDED: 1, Verdict.PROVED: 2}
SCOPES = (Scope.CORRUPTION, Scope.HOST, Scope.SITE, Scope.INTRUDER)
T = TypeVar("T")
Change = Callable[[Program, Fraction], Program]


def every(hours: int, within: int) -> Schedule:
    window = build.given(duration(within, "h"))
    return Schedule(Cadence.EVERY, duration(hours, "h"), None, None, None, window, "UTC", build.here())


@st.composite
def programs(draw: st.DrawFn, full: Schedule | None = None) -> Program:
    """Two sites, two databases, a log that may or may not leave the site, a copy there that may have to thaw."""
    number = st.integers(min_value=1, max_value=400)
    hots = draw(st.sampled_from([(), (build.hot("near"),), (build.hot("near", "far"),), (build.hot("far"),)]))
    colds = draw(
        st.sampled_from([(), (build.cold("near", "far"),), (build.cold("near", "far", schedule=every(24, 6)),)])
    )
    promises = tuple(
        build.promise(scope, duration(draw(number) * 5, "min"), duration(draw(number), "min")) for scope in SCOPES
    )
    lock = draw(st.sampled_from([None, duration(30, "d")]))
    fulls = build.full("near", schedule=full or draw(st.sampled_from([None, every(24, 4), every(12, 4)])))
    tier = build.policy(*promises, images=(fulls,), hots=hots, colds=colds, lock=lock, detect=duration(5, "min"))
    one = build.database("one", "here", holds=size(draw(number), "GiB"), needs=("two",), standby="there")
    two = build.database("two", "here", holds=size(draw(number), "GiB"), standby="there")
    store_rate = st.sampled_from([None, rate(200, "Mbit"), rate(2, "Gbit")])
    return build.program(
        {"here": "a", "there": "b"},
        (
            build.store("near", "here", reads=draw(store_rate), writes=draw(store_rate)),
            build.store(
                "far", "there", reads=draw(store_rate), writes=draw(store_rate),
                thaw=draw(st.sampled_from([None, duration(1, "h")])),
            ),
        ),
        {one: tier, two: tier},
        links=(build.link("here", "there", rate(draw(number), "Mbit")),),
    )  # fmt: skip


def total(answer: Answer, *, upper: bool) -> Fraction | None:
    bound = answer.upper if upper else answer.lower
    return bound.total.amount if bound else None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs())
def test_no_lower_bound_exceeds_its_upper_bound(built: Program) -> None:
    """Where all jobs keep their windows: a copy placed after its own may take a fresher image than any within it."""
    analysis = analyse(built)
    assume(fit(analysis))
    for answer in analysis.answers:
        low, high = total(answer, upper=False), total(answer, upper=True)
        assert low is None or high is None or low <= high, (answer.kind, answer.promise.scope)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs())
def test_what_is_proved_is_bounded_and_what_is_refuted_is_not_kept(built: Program) -> None:
    for answer in analyse(built).answers:
        low, high, within = total(answer, upper=False), total(answer, upper=True), answer.objective.value.amount
        if answer.verdict is Verdict.PROVED:
            assert high is not None
            assert high <= within
        if answer.verdict is Verdict.REFUTED and low is not None:
            assert low > within


def fit(analysis: Analysis) -> bool:
    """A job that misses its window is an error of its own; placed outside of it, it may stand less in the way.

    A copy that may start on either side of a new image takes the old one or the new: the later it starts, the fresher.
    """
    jobs = analysis.demand.jobs
    return not any(job.late for job in jobs) and all(_same_image(job, jobs) for job in jobs if job.source)


def _same_image(copy: JobDemand, jobs: Sequence[JobDemand]) -> bool:
    """Whether it takes the same image wherever in its window it starts."""
    for image in jobs:
        if image.database == copy.database and image.store == copy.source:
            window = copy.window.milliseconds_up()
            starts = {(copy.rhythm.phase + at - image.rhythm.phase) // image.rhythm.period for at in (0, window)}
            if len(starts) > 1 or (copy.rhythm.phase - image.rhythm.phase) % image.rhythm.period < (
                image.window.milliseconds_up()
            ):
                return False
    return True


def never_worse(before: Analysis, after: Analysis) -> None:
    """But for an RTO whose RPO was refuted and no longer is: before, it held for the quickest line of all, however much
    that loses; after, for those that keep the RPO."""
    refuted = {
        (one.database.name, one.promise.scope)
        for one in before.answers
        if one.kind == "rpo" and one.verdict is Verdict.REFUTED
    }
    refuted -= {
        (one.database.name, one.promise.scope)
        for one in after.answers
        if one.kind == "rpo" and one.verdict is Verdict.REFUTED
    }
    for old, new in zip(before.answers, after.answers, strict=True):
        if old.kind == "rto" and (old.database.name, old.promise.scope) in refuted:
            continue
        assert ORDER[new.verdict] >= ORDER[old.verdict], (old.database.name, old.kind, old.promise.scope)


def scaled(thing: T, *names: str, factor: Fraction) -> T:
    """`thing` with some of its figures, those that it has, multiplied."""
    given = {name: figure for name in names if (figure := getattr(thing, name)) is not None}
    changed: Any = thing
    more = {name: replace(one, value=one.value.times(factor)) for name, one in given.items()}
    return cast("T", replace(changed, **more))


def databases(*names: str) -> Change:
    def change(built: Program, factor: Fraction) -> Program:
        return replace(built, databases=tuple(scaled(one, *names, factor=factor) for one in built.databases))

    return change


def stores(*names: str) -> Change:
    def change(built: Program, factor: Fraction) -> Program:
        return replace(built, stores=tuple(scaled(one, *names, factor=factor) for one in built.stores))

    return change


def links(*names: str) -> Change:
    def change(built: Program, factor: Fraction) -> Program:
        return replace(built, links=tuple(scaled(one, *names, factor=factor) for one in built.links))

    return change


def policies(change: Callable[[Policy, Fraction], Policy]) -> Change:
    def changed(built: Program, factor: Fraction) -> Program:
        protections = tuple(replace(one, policy=change(one.policy, factor)) for one in built.protections)
        return replace(built, protections=protections)

    return changed


def objectives(policy: Policy, factor: Fraction) -> Policy:
    return replace(policy, promises=tuple(scaled(one, "rpo", "rto", factor=factor) for one in policy.promises))


def flushes(policy: Policy, factor: Fraction) -> Policy:
    return replace(policy, hot=tuple(scaled(one, "flush", factor=factor) for one in policy.hot))


def responses(policy: Policy, factor: Fraction) -> Policy:
    found: Policy = scaled(policy, "detect", "activate", factor=factor)
    return found


def holds(policy: Policy, factor: Fraction) -> Policy:
    keep = scaled(policy.keep, "days", factor=factor) if policy.keep else None
    return replace(scaled(policy, "lock", factor=factor), keep=keep)


def thaws(built: Program, factor: Fraction) -> Program:
    def slower(classed: Any) -> Any:
        return replace(classed, value=scaled(classed.value, "thaw", factor=factor)) if classed else None

    return replace(built, stores=tuple(replace(one, storage_class=slower(one.storage_class)) for one in built.stores))


def provisions(built: Program, factor: Fraction) -> Program:
    def of(one: Any) -> Any:
        return replace(one, standbys=tuple(scaled(two, "provision", factor=factor) for two in one.standbys))

    return replace(built, databases=tuple(of(one) for one in built.databases))


def headroom(built: Program, factor: Fraction) -> Program:
    return replace(built, headroom=replace(built.headroom, value=min(Fraction(9, 10), built.headroom.value * factor)))


def retries(built: Program, factor: Fraction) -> Program:
    return replace(built, retries=replace(built.retries, value=(built.retries.value + Fraction(1, 10)) * factor))


def verification(built: Program, factor: Fraction) -> Program:
    return replace(built, verification=build.given(Duration(built.verification.value.amount + factor * 60)))


BETTER: dict[str, Change] = {
    "wider links": links("bandwidth"),
    "faster stores": stores("reads", "writes"),
    "faster hosts": databases("restores", "replays"),
    "larger objectives": policies(objectives),
    "longer locks and retention": policies(holds),
}
WORSE: dict[str, Change] = {
    "larger databases": databases("size"),
    "more writes": databases("writes"),
    "larger bursts": databases("burst"),
    "longer latency": links("latency"),
    "longer thaws": thaws,
    "longer provisioning": provisions,
    "longer flushes": policies(flushes),
    "slower responses": policies(responses),
    "more headroom": headroom,
    "more retries": retries,
    "longer verification": verification,
}
FACTORS = st.fractions(min_value=1, max_value=10, max_denominator=10)


def slots_end_no_earlier(before: Analysis, after: Analysis) -> bool:
    """Whether every job is done as late as before, or later.

    It is not always so when there is less of something: a job that no longer fits in the quarter of a resource that
    jobs take first takes half of it, and is done sooner (`tests/cases/corners/a_byte_more_takes_half.bkp`). The
    bounds follow the slots, and only then go the other way.
    """
    ends = {job.id: job.slot.end for job in before.demand.jobs if job.slot}
    return all(job.slot is None or job.slot.end >= ends.get(job.id, 0) for job in after.demand.jobs)


@pytest.mark.parametrize("what", BETTER)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(built=programs(), factor=FACTORS)
def test_better_figures_never_worsen_a_verdict(what: str, built: Program, factor: Fraction) -> None:
    before, after = analyse(built), analyse(BETTER[what](built, factor))
    assume(fit(before))
    assume(slots_end_no_earlier(after, before))
    never_worse(before, after)


@pytest.mark.parametrize("what", WORSE)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(built=programs(), factor=FACTORS)
def test_worse_figures_never_better_a_verdict(what: str, built: Program, factor: Fraction) -> None:
    before, after = analyse(built), analyse(WORSE[what](built, factor))
    assume(fit(after))
    assume(slots_end_no_earlier(before, after))
    never_worse(after, before)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(built=programs(full=every(24, 4)), hours=st.sampled_from((12, 8, 6, 4)))
def test_a_shorter_period_never_worsens_a_verdict(built: Program, hours: int) -> None:
    """Of the same phase, and where there is room for more."""

    def oftener(policy: Policy, _: Fraction) -> Policy:
        return replace(policy, images=tuple(replace(one, schedule=every(hours, 4)) for one in policy.images))

    before, after = analyse(built), analyse(policies(oftener)(built, Fraction(1)))
    assume(fit(after))
    assume(slots_end_no_earlier(after, before))
    never_worse(before, after)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs(), factor=st.integers(min_value=2, max_value=10))
def test_more_bandwidth_never_worsens_a_verdict(built: Program, factor: int) -> None:
    before = analyse(built)
    assume(fit(before))
    after = analyse(build.faster_links(built, Fraction(factor)))
    assume(slots_end_no_earlier(after, before))
    never_worse(before, after)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(built=programs())
def test_smaller_databases_never_worsen_a_verdict(built: Program) -> None:
    before = analyse(built)
    assume(fit(before))
    after = analyse(databases("size")(built, Fraction(1, 2)))
    assume(slots_end_no_earlier(after, before))
    never_worse(before, after)
