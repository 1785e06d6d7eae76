"""Databases that wait for one another, however many ways that leads through them and however far."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.recovery_least import least_together
from bkpc_compiler.feasibility.together import in_service, least_time, needed_by, serves
from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.passes import judge_sources

LAYERS, DEEP = 40, 1200


def estate(needs: dict[str, list[str]]) -> str:
    written = [
        "edition 1",
        'site s { region "r" }',
        'store one at s { directory "/b"  reads 10GiB/s writes 10GiB/s }',
        "policy p { promise against host { rto 30d }  full daily at 01:00 within 23h to one  keep 35d }",
    ]
    for name, needed in needs.items():
        written += [
            f'database {name} at s {{ mysql "h:3306" credentials env U, P size 1MiB writes 1B/h burst 1B',
            "table 0s starts 0s restores 100MiB/s replays 100MiB/s dumps 100MiB/s",
            f"needs {', '.join(needed)} }}" if needed else "}",
            f"protect {name} with p",
        ]
    return "\n".join(written)


def bounds_of(needs: dict[str, list[str]], name: str) -> tuple[int | None, Bound | None, Bound | None]:
    analysis = judge_sources(["a.bkp"], lambda _: estate(needs)).analysis
    assert analysis is not None
    answer = next(one for one in analysis.answers if one.database.name == name)
    assert answer.verdict is Verdict.PROVED
    outage = analysis.outage(answer)
    least = least_time(outage, outage.choices[name], answer.promise.rto_quantile)
    return serves(outage, name), in_service(outage, name), least


@pytest.mark.timeout(60)
def test_three_to_the_fortieth_ways_through_the_needs() -> None:
    needs: dict[str, list[str]] = {f"n000{own}": [] for own in "abc"}
    for layer in range(1, LAYERS):
        needs |= {f"n{layer:03}{own}": [f"n{layer - 1:03}{other}" for other in "abc"] for own in "abc"}
    most, bound, least = bounds_of(needs, f"n{LAYERS - 1:03}a")
    assert most is not None
    assert bound is not None
    assert least is not None
    assert bound.total.milliseconds_up() == most
    assert least.total.milliseconds_up() <= most


@pytest.mark.timeout(120)
def test_a_chain_longer_than_the_stack() -> None:
    needs = {f"n{at:04}": [f"n{at - 1:04}"] if at else [] for at in range(DEEP)}
    most, bound, least = bounds_of(needs, f"n{DEEP - 1:04}")
    assert most is not None
    assert bound is not None
    assert least is not None
    assert bound.total.milliseconds_up() == most


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 11), max_size=3), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_what_is_crowded_is_the_total_of_its_terms(needs: list[set[int]], chance: Random) -> None:
    names = [f"n{at:02}" for at in range(len(needs))]
    chance.shuffle(names)
    written = estate(
        {names[at]: [names[need] for need in sorted(needed) if need < at] for at, needed in enumerate(needs)}
    )
    written = re.sub(r"size 1MiB writes 1B/h", lambda _: f"size {chance.randint(1, 9)}GiB writes 1MiB/h", written)
    written = written.replace("promise against host { rto 30d }", "promise against host, site { rpo 30min rto 30d }")
    analysis = judge_sources(["a.bkp"], lambda _: written.replace("keep 35d", "hot to one every 5s keep 35d")).analysis
    assert analysis is not None
    for answer in analysis.answers:
        assert (answer.least and answer.least.amount) == (answer.lower and answer.lower.total.amount)
        if answer.kind == "rto" and answer.choice.ways:
            outage, name = analysis.outage(answer), answer.database.name
            waited = needed_by(analysis.setting.databases, answer.database, outage.hit)
            whole = least_together([outage.passing[one] for one in (name, *waited)])
            assert whole is not None
            assert outage.crowded.get(name, whole.total.amount) == whole.total.amount
            assert bool(waited) <= (name in outage.crowded)


@pytest.mark.timeout(60)
def test_a_long_chain_that_nobody_can_keep() -> None:
    needs = {f"n{at:04}": [f"n{at - 1:04}"] if at else [] for at in range(DEEP)}
    text = estate(needs).replace("rto 30d", "rto 6min").replace("size 1MiB", "size 1GiB")
    analysis = judge_sources(["a.bkp"], lambda _: text).analysis
    assert analysis is not None
    refuted = [one for one in analysis.answers if one.verdict is Verdict.REFUTED]
    assert len(refuted) > DEEP // 2
    assert all(one.least and one.least > one.objective.value for one in refuted)


@pytest.mark.timeout(60)
def test_along_a_chain_that_keeps_nothing_else_the_newest_of_each_is_there() -> None:
    needs = {f"n{number:04}": [f"n{number + 1:04}"] for number in range(DEEP)} | {f"n{DEEP:04}": []}
    text = estate(needs).replace("policy p { ", "policy p { respond detect 1h  ").replace("keep 35d", "keep 1h")
    analysis = judge_sources(["a.bkp"], lambda _: text).analysis
    assert analysis is not None
    for answer in analysis.answers:
        assert answer.verdict is Verdict.PROVED
        assert not answer.shorts
