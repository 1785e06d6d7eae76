"""The second opinion: a fault planted in a plan that is right is refused, by the name of who, what and when."""

from __future__ import annotations

from dataclasses import replace as changed
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.feasibility.verdict import Analysis, analyse
from bkpc_compiler.passes import check_sources
from bkpc_compiler.planning.emit import emit
from bkpc_compiler.planning.verified import PlanUnsound, faults, verified
from bkpc_compiler.program.model import Account, Program, Scope
from bkpc_compiler.source import Span
from bkpc_grammar.plan import Job, Plan, Recovery, Reservation, Step, Stream
from bkpc_grammar.quantities import duration, rate
from tests.compiler import builders as build
from tests.compiler import shop
from tests.soundness.estates import random_program

ROOT = Path(__file__).parents[3]
CORNERS = ROOT / "tests" / "cases" / "corners"
EXAMPLES = ROOT / "tests" / "cases" / "examples"
POLICIES = (
    *sorted(CORNERS.glob("*.bkp")),
    *sorted((ROOT / "policies").glob("*.bkp")),
    EXAMPLES / "local.bkp",
    EXAMPLES / "shop" / "payments.bkp",
)


def nowhere(span: Span) -> tuple[str, str]:
    """Hand-built programs have no text."""
    return f"{span.file}:1", "clause"


def planned(analysis: Analysis) -> Plan:
    return emit(analysis, "test", nowhere)


@cache
def the_shop() -> tuple[Plan, Program]:
    """The shop with retries, and what an account may move in a region."""
    program = shop.payments()
    account = Account("cn-beijing", build.given(rate(1, "Gbit")), build.given(rate(1, "Gbit")))
    program = changed(program, accounts=(account,), retries=build.given(Fraction(1, 10)))
    return planned(analyse(program)), program


@cache
def of_corner(name: str) -> tuple[Plan, Program]:
    analysis = check_sources([f"{name}.bkp"], FileReader(CORNERS)).analysis
    assert analysis is not None
    return planned(analysis), analysis.program


def with_job(plan: Plan, job: Job) -> Plan:
    return replace(plan, jobs=tuple(job if one.id == job.id else one for one in plan.jobs))


def with_stream(plan: Plan, stream: Stream) -> Plan:
    return replace(plan, streams=tuple(stream if one.id == stream.id else one for one in plan.streams))


def with_step(plan: Plan, recovery: Recovery, step: Step) -> Plan:
    steps = tuple(step if one.id == step.id else one for one in recovery.steps)
    again = replace(recovery, steps=steps)
    return replace(plan, recoveries=tuple(again if one == recovery else one for one in plan.recoveries))


def job_of(plan: Plan, id_: str) -> Job:
    return next(one for one in plan.jobs if one.id == id_)


def recovery_of(plan: Plan, scope: str) -> Recovery:
    return next(one for one in plan.recoveries if one.scope == scope)


def step_of(recovery: Recovery, id_: str) -> Step:
    return next(one for one in recovery.steps if one.id == id_)


def without(reserve: tuple[Reservation, ...], name: str) -> tuple[Reservation, ...]:
    assert name in {one.resource for one in reserve}
    return tuple(one for one in reserve if one.resource != name)


def at_rate(reserve: tuple[Reservation, ...], rate_: int) -> tuple[Reservation, ...]:
    return tuple(replace(one, rate=rate_) for one in reserve)


def test_the_plans_that_faults_are_planted_in_are_right() -> None:
    for plan, program in (the_shop(), of_corner("back_again_streams_beside_the_others")):
        assert faults(plan, program) == []
        assert verified(plan, program) is plan


def test_what_is_wrong_is_said_when_it_is_refused() -> None:
    plan, program = the_shop()
    with pytest.raises(PlanUnsound, match=r"^link:hangzhou -- beijing: 112500001 B/s usable"):
        verified(replace(plan, resources=_one_more(plan, "link:hangzhou -- beijing")), program)


@pytest.mark.parametrize(
    "name", ["account:cn-beijing:writes", "link:hangzhou -- beijing", "store:near:reads", "database:orders"]
)
def test_a_resource_gives_no_more_than_is_declared_less_headroom(name: str) -> None:
    plan, program = the_shop()
    (fault,) = faults(replace(plan, resources=_one_more(plan, name)), program)
    assert fault.startswith(f"{name}: ")
    assert "less headroom" in fault


def _one_more(plan: Plan, name: str) -> tuple:  # type: ignore[type-arg]
    return tuple(replace(one, usable=one.usable + (one.name == name)) for one in plan.resources)


def test_a_capacity_that_nothing_declares_is_found() -> None:
    plan, program = the_shop()
    thin = changed(program, accounts=())
    assert "account:cn-beijing:writes: nothing declares it" in faults(plan, thin)


@pytest.mark.parametrize(
    "name", ["link:hangzhou -- beijing", "store:far:writes", "store:near:reads", "account:cn-beijing:writes"]
)
def test_a_copy_holds_all_that_it_passes(name: str) -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/cold/far")
    (fault,) = faults(with_job(plan, replace(job, reserve=without(job.reserve, name))), program)
    assert fault.startswith("orders/cold/far ")
    if name.startswith("link:"):
        assert "holds no links from hangzhou to beijing" in fault
    else:
        assert f"does not hold {name}, which it passes" in fault


def test_an_image_holds_its_machine_under_the_name_of_another_on_it() -> None:
    plan, program = of_corner("one_host_two_databases")
    assert faults(plan, program) == []
    (name,) = {one.resource for job in plan.jobs for one in job.reserve if one.resource.endswith(":dump")}
    for job in plan.jobs:
        (fault,) = faults(with_job(plan, replace(job, reserve=without(job.reserve, name))), program)
        assert fault == f"{job.id} does not hold database:{job.database}:dump, which it passes"
    # On a machine of its own it may not count on the other's.
    elsewhere = tuple(changed(one, address=f"{one.name}.example:3306") for one in program.databases)
    assert any("does not hold database:" in one for one in faults(plan, changed(program, databases=elsewhere)))


def test_links_that_lead_elsewhere_are_no_way() -> None:
    plan, program = of_corner("latency_adds_up_along_a_route")
    flow = next(one for one in plan.streams if sum(r.resource.startswith("link:") for r in one.reserve) > 1)
    links = [one.resource for one in flow.reserve if one.resource.startswith("link:")]
    for name in links:
        found = faults(with_stream(plan, replace(flow, reserve=without(flow.reserve, name))), program)
        assert any(one.startswith(f"{flow.id} does not hold") and "along links from" in one for one in found)


def test_a_stream_holds_the_way_to_each_of_its_stores() -> None:
    plan, program = the_shop()
    stream = next(one for one in plan.streams if one.id == "orders/hot")
    for one in stream.reserve:
        found = faults(with_stream(plan, replace(stream, reserve=without(stream.reserve, one.resource))), program)
        assert any(fault.startswith("orders/hot does not hold") for fault in found), one.resource
        less = tuple(replace(each, rate=each.rate - (each == one)) for each in stream.reserve)
        found = faults(with_stream(plan, replace(stream, reserve=less)), program)
        assert any(fault.startswith("orders/hot does not hold") for fault in found), one.resource


@pytest.mark.parametrize("kind", ["restore.image", "restore.log"])
def test_a_step_holds_all_that_it_passes(kind: str) -> None:
    plan, program = the_shop()
    recovery = recovery_of(plan, "site")
    step = step_of(recovery, f"orders/{kind}")
    assert len(step.reserve) == 3
    for one in step.reserve:
        found = faults(with_step(plan, recovery, replace(step, reserve=without(step.reserve, one.resource))), program)
        assert found == [f"site of hangzhou: orders/{kind} does not hold {one.resource}, which it passes"]


def test_a_step_goes_around_lost_sites() -> None:
    plan, program = of_corner("way_around_a_lost_site")
    recovery = next(one for one in plan.recoveries if one.scope == "site")
    step = next(one for one in recovery.steps if one.kind == "restore.image")
    link = next(one.resource for one in step.reserve if one.resource.startswith("link:"))
    found = faults(with_step(plan, recovery, replace(step, reserve=without(step.reserve, link))), program)
    assert any(f"{step.id} holds no links from" in one for one in found)


def test_a_stream_slower_than_what_is_written_is_found() -> None:
    plan, program = the_shop()
    stream = next(one for one in plan.streams if one.id == "orders/hot")
    slow = replace(stream, rates=(100, *stream.rates[1:]))
    found = faults(with_stream(plan, slow), program)
    assert "orders/hot holds 100 B/s to far; 596524 B/s are written" in found


def test_a_stream_too_slow_for_the_loss_it_proves_is_found() -> None:
    plan, program = the_shop()
    stream = next(one for one in plan.streams if one.id == "orders/hot")
    slower = replace(stream, rates=tuple(one * 9 // 10 for one in stream.rates))
    found = faults(with_stream(plan, slower), program)
    assert any(one.startswith("site of hangzhou: orders/hot may lose ") and " into far at " in one for one in found)
    assert any(one.startswith("host of orders: orders/hot may lose ") and " into near at " in one for one in found)


def test_a_log_that_no_stream_brings_is_found() -> None:
    plan, program = the_shop()
    streams = tuple(one for one in plan.streams if one.id != "orders/hot")
    words = "orders/restore.log reads a log from far that no stream of the plan brings there"
    assert f"site of hangzhou: {words}" in faults(replace(plan, streams=streams), program)


def test_a_slot_has_room_for_its_bytes_and_retries() -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/full/near")
    lasts = job.schedule.slot_ms
    short = with_job(plan, replace(job, schedule=replace(job.schedule, slot_ms=lasts - 1)))
    found = faults(short, program)
    assert len(found) == len(job.reserve)
    assert all(one.startswith("orders/full/near can't move ") for one in found)
    assert all(f"in its slot of {lasts - 1} ms" in one for one in found)
    tight = replace(job, limit=job.reserve[0].rate * 999 // 1000)
    assert all("orders/full/near can't move " in one for one in faults(with_job(plan, tight), program))
    assert len(faults(with_job(plan, tight), program)) == len(job.reserve)


def test_failed_attempts_may_not_cost_more_than_is_left_of_the_slot() -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/full/near")
    costly = replace(job, retry=replace(job.retry, budget_ms=job.retry.budget_ms + 2))
    assert all("when failed attempts take" in one for one in faults(with_job(plan, costly), program))
    assert faults(with_job(plan, costly), program)


def test_an_image_of_fewer_bytes_than_the_database_has_is_found() -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/full/near")
    (fault,) = faults(with_job(plan, replace(job, expect_bytes=job.expect_bytes - 1)), program)
    assert fault == f"orders/full/near expects {job.expect_bytes - 1} bytes of an image of {job.expect_bytes}"


def test_the_deadline_is_the_policys_whatever_the_plan_says() -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/full/near")
    window = 4 * 3_600_000
    late = replace(job.schedule, offset_ms=window - job.schedule.slot_ms + 1, window_ms=2 * window)
    found = faults(with_job(plan, replace(job, schedule=late)), program)
    assert f"orders/full/near ends after its window: {window + 1} ms after its release, of {window} ms" in found
    other = replace(job.schedule, at_minute=61)
    found = faults(with_job(plan, replace(job, schedule=other)), program)
    assert "orders/full/near: no policy asks for it as it is scheduled" in found


def test_names_that_are_not_there_are_found() -> None:
    plan, program = the_shop()
    job = job_of(plan, "orders/full/near")
    assert faults(with_job(plan, replace(job, stores=("nowhere",))), program) == [
        "orders/full/near: there is no store nowhere"
    ]
    assert faults(with_job(plan, replace(job, database="nobody")), program) == [
        "orders/full/near: there is no database nobody"
    ]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_plan_of_policies_that_check_clean_is_right(path: Path) -> None:
    checked = check_sources([path.name], FileReader(path.parent))
    if checked.analysis is not None and not checked.broken:
        assert faults(planned(checked.analysis), checked.analysis.program) == []


@pytest.mark.parametrize("seed", range(150))
def test_every_plan_of_random_estates_is_right(seed: int) -> None:
    analysis = analyse(random_program(Random(seed)))  # noqa: S311 - a simulation
    late = {job.id for job in analysis.demand.jobs if job.late and job.slot is not None}
    found = faults(planned(analysis), analysis.program)
    # `check` refuses what is late; nothing else may be wrong with the plan.
    assert {one.split(" ends after its window: ")[0] for one in found} == late


def test_a_site_outlived_by_its_bucket_is_no_place_to_rebuild() -> None:
    tier = build.policy(
        build.promise(Scope.SITE, duration(2, "d"), duration(1, "d")),
        images=(build.full("far"),),
        keep=duration(9, "d"),
    )
    database = build.database("orders", "here", standby="there")
    program = build.program(
        {"here": "r1", "there": "r2"},
        (build.store("far", "there", reads=rate(1, "Gbit"), writes=rate(1, "Gbit")),),
        {database: tier},
        links=(build.link("here", "there", rate(1, "Gbit")),),
    )
    plan = planned(analyse(program))
    assert faults(plan, program) == []
    homeless = changed(program, databases=(changed(database, standbys=()),))
    assert any("orders/restore.image holds no links from there to nowhere" in one for one in faults(plan, homeless))


def test_a_member_that_is_up_loses_no_more_than_is_proved_of_those_that_are_hit() -> None:
    plan, program = of_corner("group_member_left_has_a_slower_log")
    (slow,) = (one for one in plan.streams if one.id == "two/hot/2")
    assert faults(plan, program) == []
    told = faults(with_stream(plan, replace(slow, flush_ms=4 * slow.flush_ms)), program)
    assert len(told) == 1
    assert told[0].startswith("host of one: two/hot/2 may lose ")


def test_a_physical_image_is_prepared_when_its_bytes_are_there() -> None:
    plan, program = of_corner("copied_physical_image_is_prepared")
    assert faults(plan, program) == []
    recovery = recovery_of(plan, "site")
    image = step_of(recovery, "shop/restore.image")
    found = faults(with_step(plan, recovery, replace(image, expect_ms=image.expect_ms - 1)), program)
    assert any("20000 ms of them for starting, its tables, preparing it" in one for one in found)


def test_a_log_is_fetched_in_no_less_than_its_objects_take() -> None:
    """The latency of 128 at once, counted again: of a step that is shorter by it, which its bytes would allow."""
    plan, program = of_corner("log_of_objects_that_commits_wait_for")
    assert faults(plan, program) == []
    recovery = recovery_of(plan, "host")
    log = step_of(recovery, "shop/restore.log")
    early = with_step(plan, recovery, replace(log, expect_ms=log.expect_ms - 2_000))
    found = [one for one in faults(early, program) if "shop/restore.log can't move" in one]
    assert found
    assert all("ms of them for the latency of its objects" in one for one in found)


def test_an_image_is_loaded_in_no_less_than_its_objects_take() -> None:
    plan, program = of_corner("image_of_many_small_tables")
    assert faults(plan, program) == []
    recovery = recovery_of(plan, "host")
    image = step_of(recovery, "blog/restore.image")
    early = with_step(plan, recovery, replace(image, expect_ms=image.expect_ms - 100))
    found = [one for one in faults(early, program) if "blog/restore.image can't move" in one]
    assert found
    assert all("36450 ms of them for starting, its tables, preparing it and the latency" in one for one in found)
