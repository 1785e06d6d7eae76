"""What an explanation says in cases that drawn estates seldom have."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from bkpc_compiler.explanation.explain import explain
from bkpc_compiler.explanation.explanation import Explanation, Failure, Objective
from bkpc_compiler.explanation.workings import SHOWN
from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.feasibility.working import Crowding, Forced, Queueing
from bkpc_compiler.program.model import Given, Group, Origin, Program, Scope, Store
from bkpc_grammar.quantities import Rate, duration, rate, size
from tests.compiler import builders as build
from tests.compiler import shop
from tests.compiler.explanation.test_explain import check_all, nowhere

SITES = {"here": "a", "there": "b"}
LINKS = (build.link("here", "there", rate(1, "Gbit")),)


def explained(program: Program, database: str) -> Explanation:
    check_all(program)
    return explain(analyse(program), database, None, nowhere)


def against(program: Program, database: str, scope: Scope) -> Failure:
    (failure,) = [one for one in explained(program, database).failures if one.scope is scope]
    return failure


def objective(failure: Failure, kind: str) -> Objective:
    (one,) = [one for one in failure.objectives if one.kind == kind]
    return one


def glacier(thaw_quota: Rate) -> Store:
    store = build.store("glacier", "there", thaw=duration(5, "h"))
    assert store.storage_class is not None
    kind = replace(store.storage_class.value, quota=build.given(thaw_quota))
    return replace(store, storage_class=replace(store.storage_class, value=kind))


def two() -> Program:
    """Two databases at one site, copied to a store that thaws 1 TiB a day."""
    tier = build.policy(
        build.promise(Scope.SITE, duration(9, "d"), duration(9, "d")),
        images=(build.full("near"),),
        colds=(build.cold("near", "glacier"),),
    )
    one = build.database("one", "here", holds=size(800, "GiB"), standby="there")
    other = build.database("other", "here", holds=size(700, "GiB"), standby="there")
    stores = (build.store("near", "here"), glacier(rate(1, "TiB", "d")))
    return build.program(SITES, stores, {one: tier, other: tier}, links=LINKS)


def test_the_wait_behind_a_thaw_quota_is_worked_out() -> None:
    program = two()
    assert any(isinstance(one, Queueing) for one in check_all(program))
    upper = objective(against(program, "one", Scope.SITE), "rto").upper
    assert upper is not None
    (queue,) = [one for one in upper.summands if "quota" in one.label]
    assert queue.lasts == 86400
    figures = {cell.name: cell for cell in queue.cells}
    assert figures["bytes_1"].value + figures["bytes_2"].value == 1500 << 30
    assert figures["days"].value == 1


def test_several_images_through_one_link_are_added_up() -> None:
    """Where each has one way only, all go through the narrowest resource before the last is back."""
    tier = build.policy(
        build.promise(Scope.SITE, duration(9, "d"), duration(9, "d")), images=(build.full("near"),),
        colds=(build.cold("near", "far"),),
    )  # fmt: skip
    one = build.database("one", "here", needs=("two",), standby="there")
    other = build.database("two", "here", standby="there")
    stores = (build.store("near", "here"), build.store("far", "there", reads=rate(100, "Mbit")))
    program = build.program(SITES, stores, {one: tier, other: tier}, links=LINKS)
    assert any(isinstance(one, Crowding) for one in check_all(program))
    lower = objective(against(program, "one", Scope.SITE), "rto").lower
    assert lower is not None
    (through,) = [one for one in lower.summands if "2 images" in one.label]
    assert through.lasts == Fraction(2 * 300 << 30, 12_500_000)


def test_the_wait_that_windows_force_is_worked_out() -> None:
    late = build.cold("near", "far", schedule=build.daily(9, duration(1, "h")))
    tier = build.policy(
        build.promise(Scope.SITE, duration(9, "d"), None),
        images=(build.full("near", schedule=build.daily(1, duration(2, "h"))),),
        colds=(late,),
    )
    one = build.database("one", "here", holds=size(10, "GiB"), standby="there")
    tier = replace(tier, images=tuple(replace(x, schedule=replace(x.schedule, timezone="UTC")) for x in tier.images))
    tier = replace(tier, cold=tuple(replace(x, schedule=replace(x.schedule, timezone="UTC")) for x in tier.cold))
    program = build.program(SITES, (build.store("near", "here"), build.store("far", "there")), {one: tier}, links=LINKS)
    forced = [one for one in check_all(program) if isinstance(one, Forced)]
    assert forced
    lower = objective(against(program, "one", Scope.SITE), "rpo").lower
    assert lower is not None
    (wait,) = [one for one in lower.summands if one.label.startswith("until the copy")]
    assert wait.lasts == 6 * 3600  # the window of the full image ends at 03:00, the copy is released at 09:00


def test_a_line_that_leads_nowhere_says_what_is_missing() -> None:
    program = two()
    without = replace(program, databases=tuple(replace(one, standbys=()) for one in program.databases))
    failure = against(without, "one", Scope.SITE)
    rto = objective(failure, "rto")
    assert (rto.upper, rto.lower) == (None, None)
    (words,) = rto.remarks
    assert words.startswith("nobody can do it: a copy survives, but nothing says where to rebuild: it has no `standby`")
    assert [one.place for one in failure.lines] == [None]
    unlinked = replace(program, links=(build.link("there", "here", rate(1, "Gbit")),))
    apart = against(replace(unlinked, links=(replace(unlinked.links[0], both_ways=False),)), "one", Scope.SITE)
    assert objective(apart, "rpo").remarks == ("nobody can do it: no copy of it survives",)
    assert apart.gone == ("image in `near`",)


def test_what_is_kept_too_short_is_said_with_both_figures() -> None:
    tier = build.policy(
        build.promise(Scope.CORRUPTION, duration(9, "d"), duration(9, "d")),
        images=(build.full("near"),), detect=duration(3, "d"), keep=duration(2, "d"),
    )  # fmt: skip
    program = build.program(SITES, (build.store("near", "here"),), {build.database("one", "here"): tier})
    rpo = objective(against(program, "one", Scope.CORRUPTION), "rpo")
    assert rpo.margin is not None
    assert rpo.margin > 0
    (words,) = rpo.remarks
    assert words.startswith("not proved: it must be kept for 4d")
    assert words.endswith("and is for 2d")


def test_a_log_that_no_way_carries_is_said() -> None:
    promised = build.promise(Scope.SITE, duration(10), None, Fraction(99, 100))
    tier = build.policy(promised, images=(build.full("far"),), hots=(build.hot("far"),))
    one = build.database("one", "here", holds=size(1, "GiB"), writes=rate(200, "MiB"))
    links = (build.link("here", "there", rate(1, "Gbit")),)
    program = build.program(SITES, (build.store("far", "there"),), {one: tier}, links=links)
    rpo = objective(against(program, "one", Scope.SITE), "rpo")
    assert rpo.verdict.value == "REFUTED"
    assert rpo.remarks == ("the log is written faster than any way to its stores carries it",)


def test_a_log_that_no_way_carries_arrives_after_a_corruption() -> None:
    """The server still sends what is behind: nobody can say that it can't be kept."""
    tier = build.policy(
        build.promise(Scope.CORRUPTION, duration(10), None), images=(build.full("near"),), hots=(build.hot("near"),)
    )
    one = build.database("one", "here", holds=size(1, "GiB"), writes=rate(200, "MiB"))
    program = build.program(SITES, (build.store("near", "here", writes=rate(1, "Gbit")),), {one: tier})
    rpo = objective(against(program, "one", Scope.CORRUPTION), "rpo")
    assert rpo.verdict.value == "UNDECIDED"
    assert rpo.remarks == ("one/hot finds no room on its way to `near`",)


def test_a_group_without_logs_has_no_point_in_common() -> None:
    tier = build.policy(build.promise(Scope.CORRUPTION, duration(9, "d"), None), images=(build.full("near"),))
    one, other = build.database("one", "here"), build.database("two", "here")
    program = build.program(SITES, (build.store("near", "here"),), {one: tier, other: tier})
    grouped = replace(program, groups=(Group("both", ("one", "two"), build.here()),))
    rpo = objective(against(grouped, "one", Scope.CORRUPTION), "rpo")
    assert rpo.upper is None
    (remark,) = rpo.remarks
    assert remark.startswith("nobody can do it: its group goes back to one point, and `one`, `two` have images only")


def test_a_synchronous_log_loses_nothing() -> None:
    hot = replace(build.hot("near"), sync=True)
    tier = build.policy(build.promise(Scope.HOST, duration(1), None), images=(build.full("near"),), hots=(hot,))
    program = build.program(SITES, (build.store("near", "here"),), {build.database("one", "here"): tier})
    upper = objective(against(program, "one", Scope.HOST), "rpo").upper
    assert upper is not None
    assert upper.total == 0


def test_a_measured_figure_says_so() -> None:
    program = shop.payments()
    measured = tuple(
        replace(one, size=Given(one.size.value, one.size.span, Origin.MEASURED)) for one in program.databases
    )
    explanation = explain(analyse(replace(program, databases=measured)), "config", Scope.HOST, nowhere)
    assert [one.scope for one in explanation.failures] == [Scope.HOST]
    assert {one.origin for one in explanation.assumed} == {Origin.MEASURED}
    upper = objective(explanation.failures[0], "rto").upper
    assert upper is not None
    load = next(one for one in upper.summands if one.label.startswith("load"))
    assert [one.origin for one in load.sources].count(Origin.MEASURED) == 1


@pytest.mark.parametrize("scope", [Scope.SITE, Scope.CORRUPTION])
def test_every_line_that_is_left_is_there_and_says_why_it_was_not_chosen(scope: Scope) -> None:
    failure = against(shop.payments(), "orders", scope)
    chosen, *others = failure.lines
    assert chosen.chosen
    if scope is Scope.SITE:
        assert [(one.image, one.logs, one.place) for one in failure.lines] == [
            (("near", "far"), ("far",), "beijing"),
            (("near", "far"), (), "beijing"),
        ]
        assert failure.gone == ("image in `near`", "log in `near`")
    else:
        assert (chosen.image, chosen.logs, chosen.place) == (("near",), ("near",), "hangzhou")
        assert len(others) == 5
    assert all(one.why_not for one in others)


def test_a_wait_among_many_shows_the_one_that_makes_room_and_a_few_others() -> None:
    tier = build.policy(
        build.promise(Scope.SITE, duration(9, "d"), duration(9, "d")), images=(build.full("near"),),
        colds=(build.cold("near", "far"),),
    )  # fmt: skip
    many = {build.database(f"d{one:02}", "here", holds=size(90, "GiB"), standby="there"): tier for one in range(24)}
    stores = (build.store("near", "here"), build.store("far", "there", reads=rate(2, "Gbit")))
    program = build.program(SITES, stores, many, links=LINKS)
    waits = []
    for name in (one.name for one in many):
        upper = objective(against(program, name, Scope.SITE), "rto").upper
        assert upper is not None
        waits += [one for one in upper.summands if "leave room" in one.label]
    assert len(waits) > 10
    for wait in waits:
        figures = {cell.name: cell for cell in wait.cells}
        assert figures["begins"].expression == "end_1"
        assert len([name for name in figures if name.startswith("end_")]) <= SHOWN
    assert any("more" in cell.note for wait in waits for cell in wait.cells)
