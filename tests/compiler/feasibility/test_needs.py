"""Databases that wait for one another, however many ways that leads through them and however far."""

from __future__ import annotations

import pytest

from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.together import in_service, least_time, serves
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
            "restores 100MiB/s replays 100MiB/s dumps 100MiB/s",
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
