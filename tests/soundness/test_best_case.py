"""The best case against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random
from unittest.mock import patch

import pytest

from bkpc_compiler.feasibility import recovery_least
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.lines import Choice
from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.program.model import Cadence, Database, Program, Promise, Schedule, Scope
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as of
from tests.soundness.best_case import BestCase
from tests.soundness.fluid import Flow, Part, together
from tests.soundness.harness import drawn, odds_of

HOUR = 3600


def every(hours: int, within: int | None = None) -> Schedule:
    window = of.given(duration(within, "h")) if within else None
    return Schedule(Cadence.EVERY, duration(hours, "h"), None, None, None, window, "UTC", of.here())


def database(name: str = "d", **more: object) -> Database:
    """3600 MB: an hour at 1 MB/s."""
    made = of.database(name, "here", holds=size(3600, "MB"), writes=rate(100, "kB"), burst=size(0), standby="there")
    return replace(made, **more)  # type: ignore[arg-type]


def estate(*promises: Promise, databases: tuple[Database, ...] = (), **policy: object) -> Program:
    """Stores that write 1 MB/s; `far` beyond a link that carries as much."""
    chosen = of.policy(*promises, **policy)  # type: ignore[arg-type]
    return of.program(
        {"here": "region-1", "there": "region-2"},
        (
            of.store("near", "here", writes=rate(1, "MB"), reads=rate(2, "MB")),
            of.store("far", "there", writes=rate(1, "MB"), reads=rate(2, "MB")),
        ),
        dict.fromkeys(databases or (database(),), chosen),
        links=(of.link("here", "there", rate(8, "Mbit")),),
    )


def least(program: Program, kind: str, name: str = "d") -> float:
    promise = next(one.policy.promises[0] for one in program.protections if one.database == name)
    return BestCase(program, Random(1)).least(name, promise, kind)  # noqa: S311 - a repeatable draw


def rpo(scope: Scope = Scope.HOST, share: Fraction = Fraction(1)) -> Promise:
    return of.promise(scope, duration(7, "d"), None, share)


def test_image_is_no_fresher_than_its_period_and_its_way() -> None:
    assert least(estate(rpo(), images=(of.full("near", schedule=every(6)),)), "rpo") == 7 * HOUR


def test_copy_starts_just_as_the_image_is_there() -> None:
    images, colds = (of.full("near", schedule=every(24)),), (of.cold("near", "far", schedule=every(24)),)
    program = estate(rpo(), images=images, colds=colds)
    assert least(program, "rpo") == 25 * HOUR  # from near
    chain = BestCase(program, Random(1)).chain("d", "far", 1.0)  # noqa: S311 - a repeatable draw
    assert chain is not None
    assert chain.loss == 26 * HOUR * 1000


def test_two_levels_in_one_store_take_turns() -> None:
    """Every 24 h each, 12 h apart: 12 h and an hour of way."""
    both = (of.full("near", schedule=every(24)), of.full("near", schedule=every(24)))
    assert least(estate(rpo(), images=both), "rpo") == 13 * HOUR


def test_log_is_collected_then_sent() -> None:
    program = estate(rpo(), images=(of.full("near", schedule=every(24)),), hots=(of.hot("near", every=duration(10)),))
    assert least(program, "rpo") == pytest.approx(11)


def test_half_of_all_instants() -> None:
    program = estate(rpo(share=Fraction(1, 2)), images=(of.full("near", schedule=every(6)),))
    assert least(program, "rpo") == 4 * HOUR


def test_recovery_at_full_width() -> None:
    """2 MB/s of reads: half an hour."""
    promise = of.promise(Scope.HOST, None, duration(1, "h"))
    program = estate(promise, images=(of.full("near", schedule=every(6)),), detect=duration(5, "min"))
    assert least(program, "rto") == 1800 + 300


def test_what_it_needs_shares_the_store() -> None:
    """Both from `near` at 2 MB/s: an hour together; zone redundancy keeps `near`, but the link gives half of that."""
    both = (database("d", needs=(of.given("e"),)), database("e"))
    promise = of.promise(Scope.SITE, None, duration(1, "h"))
    program = estate(promise, databases=both, images=(of.full("far", schedule=every(6)),))
    assert least(program, "rto") == 20 * 60 + 3600
    assert least(program, "rto", "e") == 20 * 60 + 1800


def test_lines_that_lose_too_much_do_not_count() -> None:
    promise = of.promise(Scope.HOST, duration(1, "min"), duration(1, "h"))
    program = estate(promise, images=(of.full("near", schedule=every(6)),), hots=(of.hot("near"),))
    assert least(program, "rto") == 1800 + 1260  # 7 h of log: 2520 MB at 2 MB/s
    none = estate(promise, images=(of.full("near", schedule=every(6)),))
    assert least(none, "rto") == float("inf")


def test_a_log_is_replayed_as_a_whole_or_not_at_all() -> None:
    """7 h at most since the snapshot, 5 of which may be lost: 2520 MB, at 2 MB/s; where all may, none."""
    images, hots = (of.full("near", schedule=every(6)),), (of.hot("near"),)
    promise = of.promise(Scope.HOST, duration(5, "h"), duration(1, "h"))
    assert least(estate(promise, images=images, hots=hots), "rto") == pytest.approx(1800 + 1260)
    promise = of.promise(Scope.HOST, duration(7, "h"), duration(1, "h"))
    assert least(estate(promise, images=images, hots=hots), "rto") == 1800


def test_log_is_fetched_from_elsewhere_while_the_image_is_loaded() -> None:
    """2520 MB over the link's 1 MB/s; loading is over after 1800 s."""
    promise = of.promise(Scope.HOST, duration(1, "min"), duration(1, "h"))
    program = estate(promise, images=(of.full("near", schedule=every(6)),), hots=(of.hot("far"),))
    assert least(program, "rto") == pytest.approx(2520, abs=10)


def test_flows_take_turns_where_it_is_narrow() -> None:
    def part(size: float, most: float) -> Part:
        return Part(0, size, most, ("x",))

    flows = [Flow(part(10, 5), part(10, 1)), Flow(part(10, 5))]
    assert together(flows, {"x": 5}) == pytest.approx(12)
    assert together(flows[::-1], {"x": 5}) == pytest.approx(12)


def test_what_was_fetched_before_is_replayed_as_fast_as_the_machine_can() -> None:
    """Loaded at 10 s, 20 of the log are there; the other 80 come at 2 a second, replayed at 4 until they are short."""
    image, log = Part(0, 100, 10, ("x",)), Part(0, 100, 4, ("y",))
    assert together([Flow(image, log)], {"x": 100, "y": 2}) == pytest.approx(50)
    assert together([Flow(image, log)], {"x": 100, "y": 9}) == pytest.approx(35)
    assert together([Flow(image, replace(log, ready=40))], {"x": 100, "y": 9}) == pytest.approx(65)
    assert together([Flow(image, log)], {"x": 10, "y": 100}) == pytest.approx(35)
    shared = replace(log, crosses=("x",))
    assert together([Flow(image, shared)], {"x": 12}) == pytest.approx(35)  # 20 fetched beside the image
    assert together([Flow(image, shared)], {"x": 10}) == pytest.approx(35)
    assert together([Flow(image, shared)], {"x": 3}) == pytest.approx(200 / 3)


def test_ways_that_are_not_looked_at_would_not_be_later() -> None:
    """The least time is searched for only as far as it may grow: all of it finds the same."""
    for number in range(60):
        program, _ = drawn(Random(number), odds_of(number))  # noqa: S311 - cases, not secrets
        outages = analyse(program).outages.values()
        for choice in (choice for outage in outages for choice in outage.choices.values()):
            found = recovery_least.least_back(choice, Fraction(1))
            with patch.object(recovery_least, "_unless", _whole):
                assert recovery_least.least_back(choice, Fraction(1)) == found


def _whole(
    choice: Choice, share: Fraction, alone: Mapping[str, Bound], stores: frozenset[str], known: Bound
) -> Bound | None:
    follows = recovery_least._follows(choice, share, stores)
    if follows is None:
        return None
    logged = [one for one in choice.plain if one.line.log is not None and one.line.image.store.name in stores]
    ways = [bound for name, bound in alone.items() if name not in stores]
    ways += [recovery_least._least(one, follows) for one in logged]
    least = min(ways, key=lambda one: one.total, default=None)
    return least if least is not None and least.total > known.total else None
