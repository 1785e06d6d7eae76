"""The simulator against figures worked out by hand: all sizes and rates are round, so that each is a line of sums."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from math import inf
from random import Random

import msgspec
import pytest

from bkpc_compiler.program.model import Database, Promise, Scope, Store
from bkpc_grammar.plan import Job, Plan, Recovery, Retention, Stream
from bkpc_grammar.quantities import Rate, Size, duration, rate, size
from tests.compiler import builders as of
from tests.soundness import log_stream
from tests.soundness.estates import random_program, with_objectives
from tests.soundness.log_stream import Pipe
from tests.soundness.plans import DAY, HOUR, careless, job, plan, recovery, reserving, schedule, step, stream
from tests.soundness.releases import EPOCH, instant, local_instant, releases
from tests.soundness.topology import Topology
from tests.soundness.world import Observed, simulate

HOUR_OF_DATA = size(3600, "MB")  # at 1 MB/s
MB = 10**6
MEGABYTE_A_SECOND = reserving(line=MB)


def database(name: str = "d", *, at: str = "here", **more: object) -> Database:
    made = of.database(name, at, holds=HOUR_OF_DATA, writes=rate(100, "kB"), burst=size(0))
    return replace(made, **more)  # type: ignore[arg-type]


def promised(scope: Scope = Scope.HOST, *, share: Fraction = Fraction(1), rto: bool = False) -> Promise:
    found = of.promise(scope, duration(1, "d"), duration(1, "d") if rto else None, share)
    return replace(found, rto_quantile=share)


def observe(planned: Plan, *promises: Promise, databases: tuple[Database, ...] = (), **policy: object) -> Observed:
    chosen = databases or (database(),)
    stores: tuple[Store, ...] = (
        of.store("near", "here"),
        of.store("far", "there"),
        of.store("disk", "here", kind="directory"),
    )
    built = of.program(
        {"here": "region-1", "there": "region-2"},
        stores,
        {one: of.policy(*promises, **policy) for one in chosen},  # type: ignore[arg-type]
        links=(of.link("here", "there", rate(1, "Gbit")),),
    )
    return simulate(built, planned, Random(1))  # noqa: S311 - a repeatable draw


def loss(planned: Plan, scope: Scope = Scope.HOST, share: Fraction = Fraction(1), **more: object) -> float:
    return observe(planned, promised(scope, share=share), **more).held["d", scope, "rpo"]  # type: ignore[arg-type]


def full(*stores: str, every: int = 6, offset: int = 0, slot: int = HOUR, budget_ms: int = 0, name: str = "d") -> Job:
    when = schedule(every * HOUR, offset, slot)
    return job(name, when, *stores, reserve=MEGABYTE_A_SECOND, budget_ms=budget_ms)


def copy(target: str, *, every: int = 24, offset: int = 0) -> Job:
    return job("d", schedule(every * HOUR, offset, HOUR), target, source="near", reserve=MEGABYTE_A_SECOND)


# ---------------------------------------------------------------- releases


def test_epoch_is_a_monday() -> None:
    assert EPOCH.weekday() == 0


def test_every_is_counted_from_the_epoch() -> None:
    assert releases(schedule(48 * HOUR, 0, 0), 1, 100 * HOUR) == [48 * HOUR, 96 * HOUR]


def test_weekly_on_its_day() -> None:
    weekly = schedule(7 * DAY, 0, 0)
    tuesday = msgspec.structs.replace(weekly, cadence="weekly", weekday=1, at_minute=90)
    assert releases(tuesday, 0, 8 * DAY) == [DAY + 90 * 60_000]


def test_time_that_the_clocks_skip_comes_an_hour_later() -> None:
    day = (datetime(2020, 3, 29, tzinfo=UTC) - EPOCH).days
    found = local_instant(day, 150, "Europe/Berlin")
    assert found == instant(datetime(2020, 3, 29, 1, 30, tzinfo=UTC))  # 03:30 summer time


# ---------------------------------------------------------------- images


def test_image_is_as_old_as_its_period_and_its_way() -> None:
    """Snapshot at 0, the next one usable at 6 h + 1 h: nothing in between."""
    assert loss(plan(full("near"), resources={"line": MB})) == 7 * 3600


def test_failed_attempts_count_in_full() -> None:
    assert loss(plan(full("near", slot=2 * HOUR, budget_ms=HOUR), resources={"line": MB})) == 8 * 3600


def test_copy_right_after_the_image() -> None:
    """Full at 0, done at 1 h, copied from 1 h to 2 h: lost just before 26 h."""
    jobs = (full("near", every=24), copy("far", offset=HOUR))
    assert loss(plan(*jobs, recoveries=[taking("far")], resources={"line": MB})) == 26 * 3600


def test_copy_just_before_the_image_takes_yesterdays() -> None:
    """Copied from 0:30 to 1:30 is the image of a day before: 24 h + 25 h 30 min."""
    jobs = (full("near", every=24), copy("far", offset=HOUR // 2))
    assert loss(plan(*jobs, recoveries=[taking("far")], resources={"line": 2 * MB})) == 49.5 * 3600


def test_more_often_copied_than_taken() -> None:
    """Full at 0 takes 1 h; copies at 0, 6, 12, 18 h: the one at 6 h has it at 7 h; lost just before 31 h."""
    jobs = (full("near", every=24), copy("far", every=6))
    assert loss(plan(*jobs, recoveries=[taking("far")], resources={"line": 2 * MB})) == 31 * 3600


def test_autumn_day_has_25_hours() -> None:
    daily = schedule(DAY, 0, HOUR, cadence="daily")
    daily = msgspec.structs.replace(daily, timezone="Europe/Berlin", at_minute=30)
    planned = plan(job("d", daily, "near", reserve=MEGABYTE_A_SECOND), resources={"line": MB})
    assert loss(planned) == 26 * 3600


@pytest.mark.parametrize(("share", "hours"), [(Fraction(1, 2), 4), (Fraction(99, 100), 6.94)])
def test_share_of_instants(share: Fraction, hours: float) -> None:
    """The age goes evenly from 1 h to 7 h."""
    assert loss(plan(full("near"), resources={"line": MB}), share=share) == pytest.approx(hours * 3600)


def taking(store: str, log: str | None = None, scope: str = "host", lost: str = "d", name: str = "d") -> Recovery:
    """A recovery of an hour: an image from `store` and, where wanted, log."""
    image = step("restore.image", name, 0, HOUR, store=store, reserve=MEGABYTE_A_SECOND)
    logs = [step("restore.log", name, HOUR, HOUR, image.id, store=log, reserve=MEGABYTE_A_SECOND)] if log else []
    return recovery(scope, lost, image, *logs, step("check.service", name, 2 * HOUR, 0, image.id))


# ---------------------------------------------------------------- the log


def log(*stores: str) -> Stream:
    return stream("d", *stores, flush_ms=10_000, reserve=MEGABYTE_A_SECOND)


def test_steady_log() -> None:
    """10 s collected make 1 MB: 30 ms to open the way to far, 1 s to store it."""
    planned = plan(full("far"), streams=[log("far")], recoveries=[taking("far", "far")], resources={"line": 2 * MB})
    assert loss(planned) == pytest.approx(11.03)


def test_burst_comes_on_top() -> None:
    planned = plan(full("near"), streams=[log("near")], recoveries=[taking("near", "near")], resources={"line": 2 * MB})
    bursting = database(burst=of.given(Size(Fraction(5 * MB))))
    assert loss(planned, databases=(bursting,)) == pytest.approx(10 + 5 + 1)


def test_every_object_costs_its_latency() -> None:
    """40 MiB in objects of 16, 16 and 8 MiB, the full ones sent at once, each half a second on its way, with one event
    before each that is full, and two requests behind it where a binlog ends: the last 8 MiB wait for all that."""
    pipe = Pipe(rate=16 * 2**20, latency=0.5, flush=1, writes=0, burst=40 * 2**20)
    assert log_stream.worst(pipe, log_stream.all_at_once, 1) == pytest.approx(2 * (2 * 0.5 + 1 + 2 * 0.5) + 0.5 + 0.5)


def test_what_is_cut_waits_for_the_object_before() -> None:
    """90 bytes keep the pipe for 9 s; what comes right after the cut is cut a second later, and waits for them."""
    pipe = Pipe(rate=10, latency=0, flush=1, writes=0, burst=90)
    adversary = iter([log_stream.Habit(0, 0.99999, 0, 0), log_stream.Habit(0, 1, 0, 0)])
    first, second = log_stream.objects(pipe, lambda _: next(adversary), 2)
    assert (first.cut, second.came, second.cut, round(second.done, 2)) == (1, 1, 2, 10)


def test_small_objects_pile_up_where_each_takes_longer_than_they_come() -> None:
    pipe = Pipe(rate=1e9, latency=1.2, flush=1, writes=1, burst=0)
    assert log_stream.worst(pipe, log_stream.steady, 80) > 16


def test_too_slow_a_stream_falls_behind_for_ever() -> None:
    pipe = Pipe(rate=10, latency=0, flush=1, writes=11, burst=0)
    assert log_stream.worst(pipe, log_stream.steady, 80) > 8


def test_steady_log_over_time() -> None:
    """Lost just after a batch is stored: 1 s of writing; just before the next: 11 s. Half the time under 6 s."""
    planned = plan(full("near"), streams=[log("near")], recoveries=[taking("near", "near")], resources={"line": 2 * MB})
    assert loss(planned, share=Fraction(1, 2)) == pytest.approx(6, rel=0.02)


def test_log_without_an_image_is_nothing() -> None:
    assert loss(plan(streams=[log("near")], resources={"line": MB})) == inf


# ---------------------------------------------------------------- what a failure takes


def test_machine_takes_its_own_disk() -> None:
    local = database(address="127.0.0.1:3306")
    assert loss(plan(full("disk"), resources={"line": MB}), databases=(local,)) == inf
    assert loss(plan(full("disk"), resources={"line": MB})) == 7 * 3600


def test_databases_of_one_machine_are_lost_together() -> None:
    both = (database("d", address="127.0.0.1:3306", needs=(of.given("e"),)), database("e", address="127.0.0.1:3307"))
    seen = observe(
        plan(full("near"), full("near", name="e"), recoveries=[taking("near")], resources={"line": MB}),
        promised(rto=True),
        databases=both,
    )
    assert seen.worst["d", Scope.HOST, "rto"] == inf  # `e` is needed, lost too, and not brought back


def test_zone_redundant_store_outlives_its_site() -> None:
    assert loss(plan(full("near"), resources={"line": MB}), Scope.SITE) == 7 * 3600
    assert loss(plan(full("disk"), resources={"line": MB}), Scope.SITE) == inf


def test_damage_must_be_noticed_while_a_point_before_it_is_kept() -> None:
    kept = Retention(
        database="d", store="near", keep_ms=7 * HOUR, daily=0, weekly=0, monthly=0, yearly=0, lock_ms=None,
        timezone="UTC", grace_ms=0, fresh_ms=0, verified=False,
    )  # fmt: skip
    planned = plan(full("near"), kept=[kept], resources={"line": MB})
    assert loss(planned, Scope.CORRUPTION) == 7 * 3600
    assert loss(planned, Scope.CORRUPTION, detect=duration(1, "min")) == inf


# ---------------------------------------------------------------- recovery


def test_time_to_recover() -> None:
    """Detect 1 h, image 1 h; the log of 7 h is 100 kB/s * 25200 s = 2.52 GB: 2520 s, and its last GiB again."""
    planned = plan(
        full("near"),
        streams=[log("near")],
        recoveries=[
            recovery(
                "host",
                "d",
                step("detect", "d", 0, HOUR),
                step("restore.image", "d", HOUR, HOUR, "detect.d", store="near", reserve=MEGABYTE_A_SECOND),
                step(
                    "restore.log", "d", 2 * HOUR, 3_593_742, "restore.image.d", store="near", reserve=MEGABYTE_A_SECOND
                ),
                step("check.service", "d", 2 * HOUR + 3_593_742, 0, "restore.log.d"),
            )
        ],
        resources={"line": 3 * MB},
    )
    seen = observe(planned, promised(rto=True), detect=duration(1, "h"))
    assert seen.worst["d", Scope.HOST, "rto"] == pytest.approx(2 * 3600 + 2520 + 1073.742)
    assert seen.faults == ()


def test_more_log_than_planned_is_late() -> None:
    late = taking("near", "near")
    slow = replace_step(late, "restore.log", reserve=reserving(line=MB // 10))
    planned = plan(full("near"), streams=[log("near")], recoveries=[slow], resources={"line": 3 * MB})
    seen = observe(planned, promised(rto=True))
    assert {one.kind for one in seen.faults} == {"overrun", "late"}
    assert seen.worst["d", Scope.HOST, "rto"] == pytest.approx(3600 + 25200 + 10737.418)


def replace_step(found: Recovery, kind: str, **changes: object) -> Recovery:
    steps = (msgspec.structs.replace(one, **changes) if one.kind == kind else one for one in found.steps)
    return recovery(found.scope, found.lost, *steps)


def test_in_service_when_all_it_needs_is() -> None:
    needing = (database("d", needs=(of.given("e"),)), database("e"))
    steps = [
        step("restore.image", "d", 0, HOUR, store="near", reserve=MEGABYTE_A_SECOND),
        step("restore.image", "e", HOUR, HOUR, store="near", reserve=MEGABYTE_A_SECOND),
        step("check.service", "d", HOUR, 0, "restore.image.d"),
        step("check.service", "e", 2 * HOUR, 0, "restore.image.e"),
    ]
    both = plan(
        full("near"), full("near", name="e"), recoveries=[recovery("site", "here", *steps)], resources={"line": MB}
    )
    seen = observe(both, promised(Scope.SITE, rto=True), databases=needing)
    assert seen.worst["d", Scope.SITE, "rto"] == seen.worst["e", Scope.SITE, "rto"] == 2 * 3600


# ---------------------------------------------------------------- capacity and feasibility


def kinds(planned: Plan, **more: object) -> set[str]:
    return {one.kind for one in observe(planned, promised(), **more).faults}  # type: ignore[arg-type]


def test_slots_that_overlap_need_room_for_both() -> None:
    both = (full("near"), full("near", every=24, offset=HOUR // 2))
    assert kinds(plan(*both, resources={"line": MB})) == {"capacity", "server"}
    assert kinds(plan(*both, resources={"line": 2 * MB})) == {"server"}  # of one server one image is taken at a time


def test_slots_that_only_meet_need_room_for_one() -> None:
    assert kinds(plan(full("near"), full("near", every=24, offset=HOUR), resources={"line": MB})) == set()


def test_recovery_runs_beside_the_jobs_of_others() -> None:
    """The image of `d` comes back while `e` may be backed up; its own job has stopped."""
    two = (database("d"), database("e"))
    jobs = (full("near"), full("near", name="e", offset=HOUR))
    assert kinds(plan(*jobs, recoveries=[taking("near")], resources={"line": MB}), databases=two) == {"capacity"}
    assert kinds(plan(*jobs, recoveries=[taking("near")], resources={"line": 2 * MB}), databases=two) == set()
    alone = plan(jobs[0], recoveries=[taking("near")], resources={"line": MB})
    assert kinds(alone) == set()


def test_job_must_fit_its_slot_and_its_window() -> None:
    assert kinds(plan(full("near", slot=HOUR - 1000), resources={"line": MB})) == {"slot"}
    assert kinds(plan(full("near", offset=5 * HOUR + 1), resources={"line": MB})) == {"window"}


def test_way_to_another_site_is_reserved() -> None:
    assert kinds(plan(full("far"), resources={"line": MB})) == {"way"}


def test_image_cannot_load_faster_than_the_host_takes_in() -> None:
    quick = replace_step(taking("near"), "restore.image", reserve=reserving(line=10**9))
    assert kinds(plan(full("near"), recoveries=[quick], resources={"line": 10**10})) == {"way"}
    slow = database(restores=of.given(Rate(Fraction(10**9))))
    assert kinds(plan(full("near"), recoveries=[quick], resources={"line": 10**10}), databases=(slow,)) == set()


def test_recovery_must_wait_for_what_the_policy_says() -> None:
    planned = plan(full("near"), recoveries=[taking("near")], resources={"line": 2 * MB})
    assert kinds(planned, detect=duration(1, "min")) == {"missing"}


# ---------------------------------------------------------------- any estate


def test_any_estate_can_be_simulated() -> None:
    for seed in range(150):
        random = Random(seed)  # noqa: S311 - a repeatable draw
        program = random_program(random)
        names = {one.name for one in program.databases}
        seen = simulate(program, careless(program), random)
        assert {name for name, *_ in seen.worst} <= names
        assert all(seen.held[one] <= seen.worst[one] + 1e-6 for one in seen.worst)


def test_objectives_can_be_drawn_again() -> None:
    program = random_program(Random(3))  # noqa: S311 - a repeatable draw
    again = with_objectives(
        program, lambda _, scope, kind: duration(7) if (scope, kind) == (Scope.HOST, "rpo") else None
    )
    for protection in again.protections:
        for one in protection.policy.promises:
            assert (one.scope, one.rto, one.rpo and one.rpo.value) == (Scope.HOST, None, duration(7))


def test_routes_are_the_shortest_then_the_widest() -> None:
    links = (
        of.link("a", "b", rate(1, "Gbit")), of.link("b", "c", rate(1, "Gbit")), of.link("a", "c", rate(1, "Mbit")),
    )  # fmt: skip
    built = of.program({"a": "r", "b": "r", "c": "r"}, (), {}, links=links)
    assert Topology(built).route("a", "c") == links[2:]
    assert Topology(built).route("b", "c", frozenset("a")) == links[1:2]
    assert Topology(built).route("a", "c", frozenset("c")) is None
